#include "kernels/depthwise.h"

#include <algorithm>
#include <iterator>
#include <new>

#include "base/parallel.h"
#include "kernels/conv_taps.h"
#include "kernels/cut.h"
#include "kernels/gemm.h"

namespace ingot::kernels::depthwise {
namespace {

/// Rows of an image that are a job, from the sizes alone.
int64_t blocks_of(const Correlation& c, int64_t images) {
  constexpr int64_t kJobs = 16, kLeastRows = 2;
  return std::clamp<int64_t>(parts_of(kJobs, images), 1, parts_of(c.y_size.height, kLeastRows));
}

}  // namespace

int64_t strips_of(int64_t channels) { return parts_of(channels, kStrip); }
int64_t weights_size(int64_t channels, Pair kernel) { return strips_of(channels) * kernel.h * kernel.w * kStrip; }

Correlation correlation_of(const ConvArgs& a, const float* weights) {
  const ConvGeometry& g = a.geometry;
  Correlation c{.x = a.x.as<float>(),
                .x_view = view_of(a.x),
                .x_size = {a.x.shape[2], a.x.shape[3]},
                .weights = weights,
                .kernel = {a.weight.shape[2], a.weight.shape[3]},
                .stride = g.stride,
                .dilation = g.dilation,
                .top = g.padding.top,
                .left = g.padding.left,
                .bias = a.bias.as<float>(),
                .activation = a.activation,
                .alpha = a.alpha,
                .y = a.y.as<float>(),
                .y_view = view_of(a.y),
                .y_size = {a.y.shape[2], a.y.shape[3]}};
  if (a.residual) c.residual = a.residual.as<float>(), c.residual_view = view_of(a.residual);
  return c;
}

Rows::Rows(const Correlation& correlation, int64_t channels, Fetches fetches, Scratch& scratch)
    : c_(correlation),
      channels_(channels),
      columns_(scratch.array<ColumnTile>(correlation.y_size.width)),
      fetches_(correlation.dilation == Pair(1) ? fetches : Fetches::none) {}

void Rows::cut() {
  const int64_t taps = c_.kernel.w, stride = c_.stride.w, dilation = c_.dilation.w;
  const bool checks = has_tile_kernel(taps, stride, dilation);
  const auto taps_of = [&](int64_t j) { return Taps(j * stride - c_.left, dilation, taps, c_.x_size.width); };
  for (int64_t first = 0; first < c_.y_size.width;) {
    const Taps counting = taps_of(first);
    const auto belongs = [&](const Taps& t) {
      return counting.is_empty() || checks ? t.is_empty() == counting.is_empty() : t == counting;
    };
    int64_t end = first + 1;
    while (end < c_.y_size.width && belongs(taps_of(end))) ++end;
    const int64_t count = end - first, pieces = parts_of(count, kMostWidth);
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const int64_t begin = first + count * piece / pieces;
      const int64_t start = begin * stride - c_.left;
      ColumnTile& tile = columns_[tiles_++];
      tile = {.first = begin, .column = start, .width = static_cast<int>(first + count * (piece + 1) / pieces - begin)};
      tile.first_tap = checks ? 0 : static_cast<int>(counting.begin);
      tile.taps = static_cast<int>(counting.is_empty() ? 0 : checks ? taps : counting.end - counting.begin);
      tile.column += tile.first_tap * dilation;
      const int64_t columns = (tile.width - 1) * stride + tile.taps;
      tile.begin = checks ? static_cast<int>(std::clamp<int64_t>(-start, 0, columns)) : 0;
      tile.end = static_cast<int>(checks ? std::clamp<int64_t>(c_.x_size.width - start, 0, columns) : columns);
    }
    first = end;
  }
}

void Rows::run(const Piece& p) const {
  const gemm::Clip clip = gemm::clip_of(c_.activation);
  const int64_t start = p.row * c_.stride.h - c_.top, weight_row = c_.kernel.w * kStrip;
  const Taps rows(start, c_.dilation.h, c_.kernel.h, c_.x_size.height);
  const float* const x = c_.x + p.n * c_.x_view.image + (start + rows.begin * c_.dilation.h) * c_.x_view.row;
  const float* const weights = c_.weights + rows.begin * weight_row;
  Tile tile{.stride = c_.stride.w,
            .dilation = c_.dilation.w,
            .x_row = c_.dilation.h * c_.x_view.row,
            .x_pixel = c_.x_view.pixel,
            .weight_row = weight_row,
            .weight_strip = c_.kernel.h * weight_row,
            .channels = channels_,
            .bias = c_.bias,
            .residual_pixel = p.residual_pixel,
            .out_pixel = p.out_pixel,
            .low = clip.low,
            .high = clip.high};
  for (int64_t i = p.begin; i < p.end; ++i) {
    const ColumnTile& columns = columns_[i];
    tile.width = columns.width;
    tile.taps = std::max(1, columns.taps);
    tile.rows = columns.taps == 0 || rows.is_empty() ? 0 : static_cast<int>(rows.end - rows.begin);
    tile.begin = columns.begin, tile.end = columns.end;
    tile.x = x + columns.column * c_.x_view.pixel;
    tile.weights = weights + columns.first_tap * kStrip;
    tile.out = p.out + columns.first * p.out_pixel;
    if (p.residual != nullptr) tile.residual = p.residual + columns.first * p.residual_pixel;
    const bool last = i + 1 == p.end;
    if (fetches_ == Fetches::all && tile.rows >= c_.stride.h) {
      const int64_t row = tile.rows - (last ? 0 : c_.stride.h);
      const int64_t column = columns_[last ? p.begin : i + 1].column + (last ? 0 : c_.kernel.w - c_.stride.w);
      tile.next_x = x + row * tile.x_row + column * c_.x_view.pixel;
    }
    tile.next_out = fetches_ == Fetches::none || last ? nullptr : tile.out + tile.width * tile.out_pixel;
    run_tile(tile);
  }
  const int64_t first = first_of(p.begin);
  gemm::activate_rows(c_.activation, c_.alpha, p.out + first * p.out_pixel, p.out_pixel, first_of(p.end) - first,
                      channels_);
}

void Rows::run(int64_t n, int64_t row) const {
  const View &y = c_.y_view, &r = c_.residual_view;
  run({.n = n,
       .row = row,
       .begin = 0,
       .end = tiles_,
       .residual = c_.residual == nullptr ? nullptr : c_.residual + n * r.image + row * r.row,
       .residual_pixel = r.pixel,
       .out = c_.y + n * y.image + row * y.row,
       .out_pixel = y.pixel});
}

namespace {

/// Each correlation's rows, cut unless scratch only counts. What the first fetches of x serves the others.
Rows* place(std::span<const Correlation> correlations, int64_t channels, Fetches fetches, Scratch& scratch) {
  Rows* const rows = scratch.array<Rows>(std::ssize(correlations));
  for (size_t i = 0; i < correlations.size(); ++i) {
    const bool reads_anew = fetches != Fetches::all || i == 0;
    const Rows made(correlations[i], channels, reads_anew ? fetches : Fetches::results, scratch);
    if (rows != nullptr) (new (rows + i) Rows(made))->cut();
  }
  return rows;
}

}  // namespace

Fetches fetches_of(std::span<const Correlation> correlations, int64_t images, int64_t channels) {
  constexpr int64_t kCachedFloats = 2 << 20;
  int64_t pixels = correlations[0].x_size.height * correlations[0].x_size.width;
  for (const Correlation& c : correlations) pixels += c.y_size.height * c.y_size.width;
  return images * channels * pixels > kCachedFloats ? Fetches::all : Fetches::none;
}

size_t scratch_bytes(std::span<const Correlation> correlations) {
  Scratch count(nullptr);
  place(correlations, 0, Fetches::none, count);
  return count.used();
}

void run(std::span<const Correlation> correlations, int64_t images, int64_t channels, void* scratch) {
  Scratch memory(scratch);
  const Correlation& first = correlations[0];
  const Rows* const all = place(correlations, channels, fetches_of(correlations, images, channels), memory);
  const int64_t blocks = blocks_of(first, images);
  parallel_jobs(images * blocks, [&](int64_t job, int) {
    const int64_t n = job / blocks, block = job % blocks;
    // The first has the most rows. Those beside each other read the same of x.
    for (int64_t row = first.y_size.height * block / blocks; row < first.y_size.height * (block + 1) / blocks; ++row)
      for (size_t i = 0; i < correlations.size(); ++i)
        if (row < correlations[i].y_size.height) all[i].run(n, row);
  });
}

}  // namespace ingot::kernels::depthwise
