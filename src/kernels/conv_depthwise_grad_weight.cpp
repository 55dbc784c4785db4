#include <algorithm>

#include "base/parallel.h"
#include "kernels/conv_depthwise.h"
#include "kernels/conv_taps.h"
#include "kernels/conv_views.h"
#include "kernels/depthwise.h"

namespace ingot::kernels {
namespace {

using depthwise::kStrip;

/// What follows from the sizes alone. A job adds up some channels over a part of the rows of g, all images' in a row.
struct Plan {
  int64_t channels, strips, rows, chunks, parts;
  int64_t strip_size;    // floats
  int64_t rows_at_once;  // of g: their cache lines, of which a vector is a half, should stay
  int64_t sums_size() const { return strips * strip_size; }

  Plan(const Array& g, const Array& dweight)
      : channels(g.shape[1]), strips(depthwise::strips_of(channels)), rows(g.shape[0] * g.shape[2]) {
    constexpr int64_t kJobs = 16, kLeastStrips = 2, kLeastRows = 4, kPixels = 128;
    strip_size = dweight.shape[2] * dweight.shape[3] * kStrip;
    rows_at_once = std::max<int64_t>(1, kPixels / g.shape[3]);
    chunks = std::clamp<int64_t>(strips / kLeastStrips, 1, kJobs);
    parts = std::clamp<int64_t>(kJobs / chunks, 1, std::max<int64_t>(1, rows / kLeastRows));
  }
};

class GradWeight {
 public:
  GradWeight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight, const Plan& plan,
             float* sums)
      : x_(x), g_(g), geometry_(geometry), dweight_(dweight), plan_(plan), sums_(sums) {}

  void run() const {
    parallel_jobs(plan_.parts * plan_.chunks, [&](int64_t job, int) {
      const int64_t part = job / plan_.chunks, chunk = job % plan_.chunks;
      add_part(part, plan_.strips * chunk / plan_.chunks, plan_.strips * (chunk + 1) / plan_.chunks);
    });
    parallel_for(plan_.strips, 16, [&](int64_t begin, int64_t end) {
      for (int64_t strip = begin; strip < end; ++strip) write(strip);
    });
  }

 private:
  void add_part(int64_t part, int64_t first_strip, int64_t end_strip) const {
    float* const sums = sums_ + part * plan_.sums_size() + first_strip * plan_.strip_size;
    std::fill(sums, sums + (end_strip - first_strip) * plan_.strip_size, 0.0f);
    const int64_t end = plan_.rows * (part + 1) / plan_.parts;
    for (int64_t row = plan_.rows * part / plan_.parts; row < end;) {
      const int64_t n = row / g_.shape[2], i = row % g_.shape[2];
      const int64_t last = std::min(g_.shape[2], i + std::min(plan_.rows_at_once, end - row));
      int64_t count = 1;
      while (i + count < last && taps_of(i + count) == taps_of(i)) ++count;
      add_rows(n, i, count, first_strip, end_strip, sums);
      row += count;
    }
  }

  Taps taps_of(int64_t row) const {
    return Taps(row * geometry_.stride.h - geometry_.padding.top, geometry_.dilation.h, dweight_.shape[2], x_.shape[2]);
  }

  /// Rows i to i + count of image n's gradient, which the same taps meet.
  void add_rows(int64_t n, int64_t i, int64_t count, int64_t first_strip, int64_t end_strip, float* sums) const {
    const ConvGeometry& c = geometry_;
    const View x = view_of(x_), g = view_of(g_);
    const int64_t channel = first_strip * kStrip, kw = dweight_.shape[3], s = c.stride.w;
    // Results whose taps are all padding are left out.
    const int64_t first = std::max<int64_t>(0, (c.padding.left - kw + s) / s);
    const int64_t last = std::min(g_.shape[3], (x_.shape[3] + c.padding.left + s - 1) / s);
    if (first >= last) return;
    const int64_t top = i * c.stride.h - c.padding.top, left = first * s - c.padding.left;
    const Taps taps = taps_of(i);
    depthwise::GradRows rows{.taps = static_cast<int>(kw),
                             .stride = s,
                             .channels = std::min(plan_.channels, end_strip * kStrip) - channel,
                             .width = last - first,
                             .count = count,
                             .g = g_.as<float>() + n * g.image + i * g.row + first * g.pixel + channel,
                             .g_row = g.row,
                             .g_pixel = g.pixel,
                             .x_step = c.stride.h * x.row,
                             .x_row = c.dilation.h * x.row,
                             .x_pixel = x.pixel,
                             .column = left,
                             .x_width = x_.shape[3],
                             .sums_row = kw * kStrip,
                             .sums_strip = plan_.strip_size};
    const int64_t most = depthwise::grad_rows(kw);
    for (int64_t u = taps.begin; u < taps.end; u += most) {
      rows.rows = static_cast<int>(std::min(most, taps.end - u));
      rows.x = x_.as<float>() + n * x.image + (top + u * c.dilation.h) * x.row + left * x.pixel + channel;
      rows.sums = sums + u * rows.sums_row;
      depthwise::add_grad_rows(rows);
    }
  }

  /// The parts' sums, in their order.
  void write(int64_t strip) const {
    float* const sums = sums_ + strip * plan_.strip_size;
    for (int64_t part = 1; part < plan_.parts; ++part) {
      const float* const more = sums + part * plan_.sums_size();
      for (int64_t i = 0; i < plan_.strip_size; ++i) sums[i] += more[i];
    }
    const float* from = sums;
    const int64_t channel = strip * kStrip, count = std::min(kStrip, plan_.channels - channel);
    float* const to = dweight_.as<float>() + channel * dweight_.strides[0];
    for (int64_t u = 0; u < dweight_.shape[2]; ++u)
      for (int64_t v = 0; v < dweight_.shape[3]; ++v, from += kStrip)
        for (int64_t c = 0; c < count; ++c)
          to[c * dweight_.strides[0] + u * dweight_.strides[2] + v * dweight_.strides[3]] = from[c];
  }

  const Array &x_, &g_;
  const ConvGeometry& geometry_;
  const Array& dweight_;
  const Plan& plan_;
  float* sums_;
};

}  // namespace

bool conv_depthwise_grad_weight_supports(const Array& x, const Array& g, const ConvGeometry& geometry,
                                         const Array& dweight) {
  return has_own_planes(g, dweight, geometry.groups, x) &&
         depthwise::has_grad_kernel(dweight.shape[3], geometry.stride.w, geometry.dilation.w);
}

size_t conv_depthwise_grad_weight_scratch(const Array&, const Array& g, const ConvGeometry&, const Array& dweight) {
  const Plan plan(g, dweight);
  return static_cast<size_t>(plan.parts * plan.sums_size()) * sizeof(float);
}

void conv_depthwise_grad_weight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight,
                                void* scratch) {
  const Plan plan(g, dweight);
  GradWeight(x, g, geometry, dweight, plan, static_cast<float*>(scratch)).run();
}

}  // namespace ingot::kernels
