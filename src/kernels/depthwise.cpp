#include "kernels/depthwise.h"

#include <algorithm>
#include <iterator>
#include <new>

#include "base/parallel.h"
#include "kernels/conv_taps.h"
#include "kernels/gemm.h"

namespace ingot::kernels::depthwise {
namespace {

int64_t pieces_of(int64_t count, int64_t most) { return (count + most - 1) / most; }

/// How jobs are cut, from the sizes alone. A job is rows of an image for a chunk of channels; it goes down the rows of
/// a band of columns, so that a row that several windows read comes from the first-level cache.
struct Cut {
  int64_t chunks, blocks;  // of an image
  int64_t band;            // columns

  Cut(const Correlation& c, int64_t images, int64_t channels) {
    constexpr int64_t kMostStrips = 8, kJobs = 16, kLeastRows = 4, kCachedFloats = 6 * 1024;
    const int64_t strips = strips_of(channels), rows = std::max<int64_t>(1, c.y_size.height);
    const int64_t most_blocks = pieces_of(rows, kLeastRows);
    const int64_t wanted = pieces_of(kJobs, std::max<int64_t>(1, images * most_blocks));
    chunks = std::clamp(wanted, pieces_of(strips, kMostStrips), std::max<int64_t>(1, strips));
    blocks = std::clamp<int64_t>(pieces_of(kJobs, std::max<int64_t>(1, images * chunks)), 1, most_blocks);
    const int64_t chunk = pieces_of(strips, chunks) * kStrip;
    band = kCachedFloats / (chunk * (c.kernel.h + c.stride.h) * c.stride.w);
  }
};

}  // namespace

int64_t strips_of(int64_t channels) { return pieces_of(channels, kStrip); }
int64_t weights_size(int64_t channels, Pair kernel) { return strips_of(channels) * kernel.h * kernel.w * kStrip; }

Rows::Rows(const Correlation& correlation, Scratch& scratch)
    : c_(correlation), columns_(scratch.array<ColumnTile>(correlation.y_size.width)) {}

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
    const int64_t count = end - first, pieces = pieces_of(count, kMostWidth);
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
  const float* const x =
      c_.x + p.n * c_.x_view.image + (start + rows.begin * c_.dilation.h) * c_.x_view.row + p.channel;
  const float* const weights = c_.weights + p.channel * c_.kernel.h * c_.kernel.w + rows.begin * weight_row;
  Tile tile{.stride = c_.stride.w,
            .dilation = c_.dilation.w,
            .x_row = c_.dilation.h * c_.x_view.row,
            .x_pixel = c_.x_view.pixel,
            .weight_row = weight_row,
            .weight_strip = c_.kernel.h * weight_row,
            .channels = p.channels,
            .bias = c_.bias == nullptr ? nullptr : c_.bias + p.channel,
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
    run_tile(tile);
  }
  const int64_t first = first_of(p.begin);
  gemm::activate_rows(c_.activation, c_.alpha, p.out + first * p.out_pixel, p.out_pixel, first_of(p.end) - first,
                      p.channels);
}

void Rows::run(int64_t n, int64_t row, int64_t begin, int64_t end, int64_t channel, int64_t channels) const {
  const View &y = c_.y_view, &r = c_.residual_view;
  run({.n = n,
       .row = row,
       .begin = begin,
       .end = end,
       .channel = channel,
       .channels = channels,
       .residual = c_.residual == nullptr ? nullptr : c_.residual + n * r.image + row * r.row + channel,
       .residual_pixel = r.pixel,
       .out = c_.y + n * y.image + row * y.row + channel,
       .out_pixel = y.pixel});
}

namespace {

/// Each correlation's rows, cut unless scratch only counts.
Rows* place(std::span<const Correlation> correlations, Scratch& scratch) {
  Rows* const rows = scratch.array<Rows>(std::ssize(correlations));
  for (size_t i = 0; i < correlations.size(); ++i) {
    const Rows made(correlations[i], scratch);
    if (rows != nullptr) (new (rows + i) Rows(made))->cut();
  }
  return rows;
}

void run_block(const Rows& rows, const Cut& cut, int64_t n, int64_t block, int64_t channel, int64_t channels) {
  const int64_t begin = rows.height() * block / cut.blocks, end = rows.height() * (block + 1) / cut.blocks;
  for (int64_t tile = 0, next; tile < rows.tiles(); tile = next) {
    next = tile + 1;
    while (next < rows.tiles() && rows.first_of(next + 1) - rows.first_of(tile) <= cut.band) ++next;
    for (int64_t row = begin; row < end; ++row) rows.run(n, row, tile, next, channel, channels);
  }
}

}  // namespace

size_t scratch_bytes(std::span<const Correlation> correlations) {
  Scratch count(nullptr);
  place(correlations, count);
  return count.used();
}

void run(std::span<const Correlation> correlations, int64_t images, int64_t channels, void* scratch) {
  Scratch memory(scratch);
  const Rows* const rows = place(correlations, memory);
  const Cut cut(correlations[0], images, channels);
  const int64_t strips = strips_of(channels);
  parallel_jobs(images * cut.blocks * cut.chunks, [&](int64_t job, int) {
    const int64_t chunk = job % cut.chunks, block = job / cut.chunks % cut.blocks, n = job / (cut.chunks * cut.blocks);
    const int64_t channel = strips * chunk / cut.chunks * kStrip;
    const int64_t end = std::min(channels, strips * (chunk + 1) / cut.chunks * kStrip);
    for (size_t i = 0; i < correlations.size(); ++i) run_block(rows[i], cut, n, block, channel, end - channel);
  });
}

}  // namespace ingot::kernels::depthwise
