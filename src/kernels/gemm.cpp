#include "kernels/gemm.h"

#include <algorithm>
#include <limits>

#include "kernels/cut.h"
#include "kernels/elementwise_kernels.h"

namespace ingot::kernels::gemm {
namespace {

/// k whose weights stay in the first-level cache while the panels pass by.
constexpr int64_t kSlice = 256;
constexpr int64_t kFewPanels = 16;
/// Floats of rows that stay in the second-level cache while the strips pass by.
constexpr int64_t kRangeFloats = 32 * 1024;

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

int64_t strips_of(int64_t columns) { return parts_of(columns, tile().columns); }

int64_t panels_of(int64_t rows) { return parts_of(rows, tile().rows); }

int64_t sums_size(int64_t panels) { return panels * tile().rows * tile().columns; }

int64_t Panels::size(int64_t rows, int taps) { return panels_of(rows) * taps * tile().rows; }

void Panels::cut(int64_t rows, int taps) {
  const int64_t panels = panels_of(rows);
  taps_ = taps;
  height_[0] = static_cast<int>(parts_of(rows, panels));
  height_[1] = height_[0] - 1;
  count_[0] = rows - panels * height_[1];
  count_[1] = panels - count_[0];
}

namespace {

/// The slices of a sum over taps and k: of about equal length, of several taps where these are short.
struct Slices {
  int taps;       // of each
  int64_t depth;  // of each
  int64_t count;

  explicit Slices(const Weights& w) {
    constexpr int64_t kStep = 8;  // of the micro-kernel
    depth = even_part(w.depth, kSlice, kStep);
    taps = depth < w.depth ? 1 : static_cast<int>(parts_of(w.taps, parts_of(w.taps * w.depth, kSlice)));
    count = parts_of(w.taps, taps) * parts_of(w.depth, depth);
  }
};

Lines lines(const float* begin, int64_t floats) {
  return {reinterpret_cast<const char*>(begin), reinterpret_cast<const char*>(begin + floats)};
}

/// Memory that is fetched bit by bit, in whole lines.
class Shares {
 public:
  Shares(const float* begin, int64_t floats, int64_t shares)
      : left_(lines(begin, floats)), length_(((left_.end - left_.begin) / shares / 64 + 1) * 64) {}
  Lines next() {
    const Lines share{left_.begin, std::min(left_.begin + length_, left_.end)};
    left_.begin = share.end;
    return share;
  }

 private:
  Lines left_;
  int64_t length_;
};

/// Panels of one height by one strip after the other.
class Sweep {
 public:
  Sweep(const Product& p, const PanelRange& range, float* sums)
      : p_(p), range_(range), kernel_(strip_kernel(range.height)), tile_(tile()), slices_(p.shape) {
    const Clip clip = clip_of(p.output.activation);
    call_.panels = static_cast<int>(range.panels);
    call_.panel_step = int64_t{p.shape.taps} * tile_.rows;
    call_.sums = sums;
    call_.out_stride = p.output.stride;
    call_.residual_stride = p.output.residual_stride;
    call_.low = clip.low, call_.high = clip.high;
  }

  void run(int64_t begin, int64_t end) {
    const int64_t floats = range_.panels * range_.height * p_.row_distance;
    const int64_t distance = p_.next_rows != 0 ? p_.next_rows : floats;
    Shares following(range_.pointers[0] + p_.offset + distance, floats, (end - begin) * slices_.count);
    for (int64_t strip = begin; strip < end; ++strip) run_strip(strip, strip + 1 < end || p_.continues, following);
  }

 private:
  /// Slice after slice. While one runs, the next one's weights are fetched, then a share of the rows that come after
  /// these. `more`: whether another strip's weights follow.
  void run_strip(int64_t strip, bool more, Shares& rows) {
    const Output& o = p_.output;
    const int64_t at = strip * tile_.columns, depth = p_.shape.depth;
    call_.weights = p_.weights + strip * p_.shape.taps * depth * tile_.columns;
    call_.out = o.data + range_.first_row * o.stride + at;
    call_.columns = std::min<int64_t>(tile_.columns, o.columns - at);
    call_.bias = o.bias == nullptr ? nullptr : o.bias + at;
    call_.residual = o.residual == nullptr ? nullptr : o.residual + range_.first_row * o.residual_stride + at;
    for (int t = 0; t < p_.shape.taps; t += slices_.taps)
      for (int64_t k = 0; k < depth; k += slices_.depth) {
        call_.rows = range_.pointers + int64_t{t} * tile_.rows;
        call_.taps = std::min(slices_.taps, p_.shape.taps - t);
        call_.depth = std::min(slices_.depth, depth - k);
        call_.offset = p_.offset + k;
        call_.first = t == 0 && k == 0;
        call_.last = t + call_.taps == p_.shape.taps && k + call_.depth == depth;
        const float* const after = call_.weights + call_.taps * call_.depth * tile_.columns;
        call_.next[0] = !call_.last || more ? lines(after, after - call_.weights) : Lines{};
        call_.next[1] = rows.next();
        kernel_(call_);
        call_.weights = after;
      }
    activate_rows(o.activation, o.alpha, call_.out, o.stride, range_.panels * range_.height, call_.columns);
  }

  const Product& p_;
  const PanelRange& range_;
  const StripKernel kernel_;
  const Tile tile_;
  const Slices slices_;
  Strip call_;
};

/// Panels that pass by a strip, whose weights stay in the first-level cache, before the next strip's turn. Few where a
/// strip is short: then the strips' results of a row, which lie side by side, are written while its lines are in the
/// cache. Fewer than all where others are fetched meanwhile.
int64_t panels_at_once(const Product& p) {
  if (p.shape.taps * p.shape.depth <= kSlice) return kFewPanels;
  if (p.row_distance == 0) return std::numeric_limits<int32_t>::max();
  return std::max(kFewPanels, kRangeFloats / (p.shape.depth * tile().rows));
}

}  // namespace

void multiply(const Product& p, int64_t begin, int64_t end, float* sums) {
  p.rows->for_ranges(panels_at_once(p), [&](const PanelRange& range) { Sweep(p, range, sums).run(begin, end); });
}

}  // namespace ingot::kernels::gemm
