#include "kernels/gemm.h"

#include <algorithm>
#include <limits>

#include "kernels/elementwise_kernels.h"

namespace ingot::kernels::gemm {
namespace {

/// k whose weights stay in the first-level cache while the panels pass by.
constexpr int64_t kSlice = 256;
constexpr int64_t kFewPanels = 8;

bool is_clip(Activation activation) {
  return activation == Activation::none || activation == Activation::relu || activation == Activation::relu6;
}

}  // namespace

Clip clip_of(Activation activation) {
  Clip clip;
  if (activation == Activation::relu || activation == Activation::relu6) clip.low = 0;
  if (activation == Activation::relu6) clip.high = 6;
  return clip;
}

void activate_rows(Activation activation, double alpha, float* data, int64_t stride, int64_t rows, int64_t columns) {
  if (is_clip(activation)) return;
  const MapKernel kernel = simd_kernel(activation);
  for (int64_t i = 0; i < rows; ++i, data += stride) {
    const void* const in[] = {data};
    kernel(in, data, columns, alpha);
  }
}

int64_t strips_of(int64_t columns) {
  const int64_t width = tile().columns;
  return (columns + width - 1) / width;
}

int64_t panels_of(int64_t rows) {
  const int64_t most = tile().rows;
  return (rows + most - 1) / most;
}

int64_t sums_size(int64_t panels) { return panels * tile().rows * tile().columns; }

int64_t Panels::size(int64_t rows, int taps) { return panels_of(rows) * taps * tile().rows; }

void Panels::cut(int64_t rows, int taps) {
  const int64_t panels = panels_of(rows);
  taps_ = taps;
  height_[0] = static_cast<int>((rows + panels - 1) / panels);
  height_[1] = height_[0] - 1;
  count_[0] = rows - panels * height_[1];
  count_[1] = panels - count_[0];
}

namespace {

/// One strip by panels of one height, slice after slice of k.
class Sweep {
 public:
  Sweep(const Product& p, int64_t strip, const PanelRange& range, float* sums) : p_(p), range_(range) {
    const int64_t width = tile().columns, at = strip * width;
    const Output& o = p.output;
    const Clip clip = clip_of(o.activation);
    call_.rows = range.pointers;
    call_.panels = static_cast<int>(range.panels);
    call_.panel_step = int64_t{p.shape.taps} * tile().rows;
    call_.weights = p.weights + strip * p.shape.strip_size();
    call_.sums = sums;
    call_.out = o.data + range.first_row * o.stride + at;
    call_.out_stride = o.stride;
    call_.columns = std::min(width, o.columns - at);
    call_.bias = o.bias == nullptr ? nullptr : o.bias + at;
    call_.residual = o.residual == nullptr ? nullptr : o.residual + range.first_row * o.residual_stride + at;
    call_.residual_stride = o.residual_stride;
    call_.low = clip.low, call_.high = clip.high;
  }

  /// Slices of about equal length, of several taps where these are short. While one runs, the next is fetched;
  /// `more`: whether another strip's weights follow.
  void run(bool more) {
    const int taps = p_.shape.taps;
    const int64_t depth = p_.shape.depth;
    const int64_t pieces = (depth + kSlice - 1) / kSlice, groups = (taps * depth + kSlice - 1) / kSlice;
    const int64_t piece = ((depth + pieces - 1) / pieces + 7) / 8 * 8;
    const int group = pieces > 1 ? 1 : static_cast<int>((taps + groups - 1) / groups);
    for (int t = 0; t < taps; t += group)
      for (int64_t k = 0; k < depth; k += piece) {
        call_.rows = range_.pointers + int64_t{t} * tile().rows;
        call_.taps = std::min(group, taps - t);
        call_.depth = std::min(piece, depth - k);
        call_.offset = p_.offset + k;
        call_.first = t == 0 && k == 0;
        call_.last = t + call_.taps == taps && k + call_.depth == depth;
        const int64_t length = call_.taps * call_.depth * tile().columns;
        const bool fetches = !call_.last || more;
        call_.next = fetches ? reinterpret_cast<const char*>(call_.weights + length) : nullptr;
        call_.next_end = fetches ? call_.next + length * static_cast<int64_t>(sizeof(float)) : nullptr;
        run_strip(range_.height, call_);
        call_.weights += length;
      }
    activate_rows(p_.output.activation, p_.output.alpha, call_.out, call_.out_stride, range_.panels * range_.height,
                  call_.columns);
  }

 private:
  const Product& p_;
  const PanelRange& range_;
  Strip call_;
};

}  // namespace

void multiply(const Product& p, int64_t begin, int64_t end, float* sums) {
  // Panels pass by a strip whose weights stay in the first-level cache. Where a strip is short, few at a time: then the
  // strips' results of a row, which lie side by side, are written while its lines are in the cache.
  const bool is_short = p.shape.taps * p.shape.depth <= kSlice;
  const int64_t most = is_short ? kFewPanels : std::numeric_limits<int64_t>::max();
  p.rows->for_ranges(most, [&](const PanelRange& range) {
    for (int64_t strip = begin; strip < end; ++strip) Sweep(p, strip, range, sums).run(strip + 1 < end || p.continues);
  });
}

}  // namespace ingot::kernels::gemm
