#include <algorithm>
#include <array>
#include <tuple>

#include "base/parallel.h"
#include "kernels/conv_depthwise.h"
#include "kernels/conv_grad_phases.h"
#include "kernels/conv_views.h"
#include "kernels/cut.h"
#include "kernels/depthwise.h"

namespace ingot::kernels {
namespace {

using depthwise::kStrip;

constexpr int64_t kMostStride = 4;

/// A strip of the weights of some taps, turned round, as depthwise::Correlation wants them.
void pack_turned(const Array& weight, int64_t strip, const PhaseLine& rows, const PhaseLine& columns, float* to) {
  const float* const from = weight.as<float>() + strip * kStrip * weight.strides[0];
  const int64_t count = std::min(kStrip, weight.shape[0] - strip * kStrip);
  float* out = to + strip * rows.count * columns.count * kStrip;
  for (int64_t u = rows.count - 1; u >= 0; --u)
    for (int64_t v = columns.count - 1; v >= 0; --v, out += kStrip) {
      const float* tap = from + (rows.first + u * rows.step) * weight.strides[2] +
                         (columns.first + v * columns.step) * weight.strides[3];
      for (int64_t c = 0; c < count; ++c) out[c] = tap[c * weight.strides[0]];
      std::fill(out + count, out + kStrip, 0.0f);
    }
}

/// A correlation for each remainder of rows and of columns.
class Remainders {
 public:
  Remainders(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx, Scratch& scratch) {
    const auto& [stride, dilation, pad] = std::tie(geometry.stride, geometry.dilation, geometry.padding);
    const View whole = view_of(dx);
    for (int64_t h = 0; h < std::min(stride.h, dx.shape[2]); ++h)
      for (int64_t w = 0; w < std::min(stride.w, dx.shape[3]); ++w) {
        const PhaseLine rows(h, weight.shape[2], stride.h, dilation.h, pad.top);
        const PhaseLine columns(w, weight.shape[3], stride.w, dilation.w, pad.left);
        const Pair kernel(rows.count, columns.count);
        float* const weights = scratch.array<float>(depthwise::weights_size(weight.shape[0], kernel));
        if (weights != nullptr) packs_[count_] = {rows, columns, weights};
        all_[count_++] = {.x = g.as<float>(),
                          .x_view = view_of(g),
                          .x_size = {g.shape[2], g.shape[3]},
                          .weights = weights,
                          .kernel = kernel,
                          .dilation = {rows.dilation, columns.dilation},
                          .top = rows.pad,
                          .left = columns.pad,
                          .y = dx.as<float>() + h * whole.row + w * whole.pixel,
                          .y_view = {whole.pixel * stride.w, whole.row * stride.h, whole.image},
                          .y_size = {parts_of(dx.shape[2] - h, stride.h), parts_of(dx.shape[3] - w, stride.w)}};
      }
  }
  void pack(const Array& weight) const {
    constexpr int64_t kGrain = 4096;  // elements that are worth a thread
    const int64_t strips = depthwise::strips_of(weight.shape[0]), size = weight.shape[2] * weight.shape[3] * kStrip;
    parallel_for(strips, kGrain / size + 1, [&](int64_t begin, int64_t end) {
      for (int64_t strip = begin; strip < end; ++strip)
        for (size_t i = 0; i < count_; ++i)
          pack_turned(weight, strip, packs_[i].rows, packs_[i].columns, packs_[i].weights);
    });
  }
  std::span<const depthwise::Correlation> all() const { return {all_.data(), count_}; }

 private:
  struct Pack {
    PhaseLine rows, columns;
    float* weights;
  };
  std::array<depthwise::Correlation, kMostStride * kMostStride> all_;
  std::array<Pack, kMostStride * kMostStride> packs_;
  size_t count_ = 0;
};

}  // namespace

bool conv_depthwise_grad_input_supports(const Array& g, const Array& weight, const ConvGeometry& geometry,
                                        const Array& dx) {
  const auto fits = [](int64_t stride, int64_t dilation) {
    return stride == 1 || (stride <= kMostStride && dilation == 1);
  };
  return has_own_planes(g, weight, geometry.groups, dx) && fits(geometry.stride.h, geometry.dilation.h) &&
         fits(geometry.stride.w, geometry.dilation.w);
}

size_t conv_depthwise_grad_input_scratch(const Array& g, const Array& weight, const ConvGeometry& geometry,
                                         const Array& dx) {
  Scratch count(nullptr);
  const Remainders remainders(g, weight, geometry, dx, count);
  count.take(depthwise::scratch_bytes(remainders.all()));
  return count.used();
}

void conv_depthwise_grad_input(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx,
                               void* scratch) {
  if (dx.numel() == 0) return;
  Scratch memory(scratch);
  const Remainders remainders(g, weight, geometry, dx, memory);
  remainders.pack(weight);
  depthwise::run(remainders.all(), dx.shape[0], dx.shape[1], memory.take(depthwise::scratch_bytes(remainders.all())));
}

}  // namespace ingot::kernels
