#include "kernels/gemm.h"

#include <algorithm>
#include <limits>

#include "kernels/elementwise_kernels.h"

namespace ingot::kernels::gemm {
namespace {

/// k whose weights stay in the first-level cache while the panels pass by.
constexpr int64_t kSlice = 256;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The activations that the kernel applies itself.
struct Clip {
  float low = -kInfinity, high = kInfinity;
};
bool is_clip(Activation activation) {
  return activation == Activation::none || activation == Activation::relu || activation == Activation::relu6;
}
Clip clip_of(Activation activation) {
  if (!is_clip(activation) || activation == Activation::none) return {};
  return {.low = 0, .high = activation == Activation::relu ? kInfinity : 6};
}

}  // namespace

int64_t strips_of(int64_t columns) {
  const int64_t width = tile().columns;
  return (columns + width - 1) / width;
}

int64_t sums_size(int64_t panels) { return panels * tile().rows * tile().columns; }

int64_t Panels::size(int64_t rows, int taps) {
  const int64_t most = tile().rows;
  return (rows + most - 1) / most * taps * most;
}

void Panels::cut(int64_t rows, int taps) {
  const int64_t most = tile().rows, panels = (rows + most - 1) / most;
  rows_ = rows, taps_ = taps;
  height_[0] = static_cast<int>((rows + panels - 1) / panels);
  height_[1] = height_[0] - 1;
  count_[0] = rows - panels * height_[1];
  count_[1] = panels - count_[0];
}

/// One strip, slice after slice of k, all panels at each.
class Sweep {
 public:
  Sweep(const Product& p, int64_t strip, float* sums) : p_(p), panels_(*p.rows) {
    const int64_t width = tile().columns, at = strip * width;
    const Output& o = p.output;
    const Clip clip = clip_of(o.activation);
    call_.weights = p.weights + strip * p.shape.strip_size();
    call_.panel_step = int64_t{panels_.taps_} * tile().rows;
    call_.sums = sums;
    call_.out = o.data + at;
    call_.out_stride = o.stride;
    call_.columns = std::min(width, o.columns - at);
    call_.bias = o.bias == nullptr ? nullptr : o.bias + at;
    call_.residual = o.residual == nullptr ? nullptr : o.residual + at;
    call_.residual_stride = o.residual_stride;
    call_.low = clip.low, call_.high = clip.high;
  }

  /// `more`: whether another strip's weights follow.
  void run(bool more) {
    const int taps = panels_.taps_;
    const int64_t depth = p_.shape.depth;
    // Slices of about equal length, of several taps where these are short.
    const int64_t pieces = std::max<int64_t>(1, (depth + kSlice - 1) / kSlice);
    const int64_t piece = ((depth + pieces - 1) / pieces + 7) / 8 * 8;
    const int64_t groups = (taps * depth + kSlice - 1) / kSlice;
    const int group = pieces > 1 ? 1 : static_cast<int>((taps + groups - 1) / std::max<int64_t>(1, groups));
    for (int t = 0; t < taps; t += group)
      for (int64_t k = 0; k < depth; k += piece) {
        call_.taps = std::min(group, taps - t);
        call_.depth = std::min(piece, depth - k);
        call_.offset = k;
        call_.first = t == 0 && k == 0;
        call_.last = t + call_.taps == taps && k + call_.depth == depth;
        slice(t, more);
      }
    activate();
  }

 private:
  void slice(int tap, bool more) {
    const int64_t length = call_.taps * call_.depth * tile().columns;
    const auto* const next = reinterpret_cast<const char*>(call_.weights + length);
    const bool fetches = !call_.last || more;
    int64_t fetched = 0;
    Strip part = call_;
    part.rows = panels_.pointers_ + int64_t{tap} * tile().rows;
    for (int height = 0; height < 2; ++height) {
      part.panels = static_cast<int>(panels_.count_[height]);
      if (part.panels == 0) continue;
      const int64_t bytes = length * static_cast<int64_t>(sizeof(float));
      part.next = fetches ? next + std::min(fetched, bytes) : nullptr;
      part.next_end = fetches ? next + bytes : nullptr;
      run_strip(panels_.height_[height], part);
      fetched += part.panels * bytes_fetched();
      const int64_t rows = int64_t{part.panels} * panels_.height_[height];
      part.rows += part.panels * part.panel_step;
      part.sums += sums_size(part.panels);
      part.out += rows * part.out_stride;
      if (part.residual != nullptr) part.residual += rows * part.residual_stride;
    }
    call_.weights += length;
  }
  int64_t bytes_fetched() const { return call_.taps * (call_.depth / 8) * 192; }

  void activate() const {
    const Output& o = p_.output;
    if (is_clip(o.activation)) return;
    const MapKernel kernel = simd_kernel(o.activation);
    for (int64_t i = 0; i < panels_.rows_; ++i) {
      float* const row = call_.out + i * call_.out_stride;
      const void* const in[] = {row};
      kernel(in, row, call_.columns, o.alpha);
    }
  }

  const Product& p_;
  const Panels& panels_;
  Strip call_;
};

void multiply(const Product& product, int64_t begin, int64_t end, float* sums) {
  if (product.rows->rows() == 0) return;
  for (int64_t strip = begin; strip < end; ++strip) Sweep(product, strip, sums).run(strip + 1 < end);
}

}  // namespace ingot::kernels::gemm
