#include "kernels/conv_winograd.h"

#include <algorithm>
#include <limits>

#include "base/parallel.h"
#include "kernels/conv_views.h"
#include "kernels/gemm.h"
#include "kernels/packed_weights.h"
#include "kernels/scratch.h"
#include "kernels/winograd_tiles.h"
#include "kernels/winograd_weights.h"

namespace ingot::kernels {
namespace {

using winograd::Filter;
using winograd::Form;

/// What follows from the sizes and the thread count. Tiles are numbered over all images.
struct Plan {
  Filter filter;
  Form form;
  winograd::Tiles tiles;
  // Where few outputs are made of each channel's tile, a thread transforms its tiles for itself and makes all outputs
  // of them: they stay in its second-level cache. Else tiles are transformed for all threads, `window` of them at a
  // time, and the threads share the outputs: the weights, which are large, are then read once a window. Tiles of lines
  // are small: these are shared only where they are too few for a job of each thread.
  bool shared;
  int64_t window;
  int64_t chunk;                   // tiles of a job
  int64_t tile_plane, sums_plane;  // floats from a product's tiles, or sums, to the next one's

  Plan(int size, const ConvArgs& a)
      : filter(winograd::filter_of(size, a.weight)),
        form{.channels = a.weight.shape[1],
             .outputs = a.weight.shape[0],
             .width = gemm::tile().columns,
             .products = filter.products()},
        tiles(filter.results(), a.y) {
    constexpr int64_t kOwnFloats = 72 * 1024, kSharedFloats = 2048 * 1024, kManyChannels = 192;
    const int64_t tile = form.products * form.channels, rows = gemm::tile().rows, most = 64 / rows * rows;
    const int64_t own = std::clamp(kOwnFloats / tile / rows * rows, rows, most), threads = num_threads();
    shared = filter.is_line() ? tiles.count < threads * rows : form.channels >= kManyChannels || tiles.count < 8 * own;
    window = shared ? std::min(tiles.count, std::max(most, kSharedFloats / tile)) : tiles.count;
    window = Cut{tiles.count, parts_of(tiles.count, window)}.most();
    chunk = std::min(window, best_chunk(shared ? most : own, rows, threads));
    tile_plane = spread((shared ? window : chunk) * form.channels);
    sums_plane = spread(chunk * form.block_width());
  }
  int64_t chunks(int64_t count) const { return parts_of(count, chunk); }

 private:
  /// The chunk of at most so many tiles, in whole panels, with which the threads are done first.
  int64_t best_chunk(int64_t most, int64_t rows, int64_t threads) const {
    constexpr int64_t kReadingWeights = 4;  // what each job takes besides, in tiles
    const int64_t planes = shared ? form.blocks() : 1;
    int64_t best = most, least = std::numeric_limits<int64_t>::max();
    for (int64_t chunk = most; chunk >= rows; chunk -= rows) {
      const int64_t whole = planes * (window / chunk), rest = window % chunk, rests = rest == 0 ? 0 : planes;
      const int64_t tiles = whole % threads == 0
                                ? whole / threads * chunk + parts_of(rests, threads) * rest
                                : std::max(parts_of(whole, threads) * chunk, parts_of(planes * window, threads));
      const int64_t time = tiles + kReadingWeights * parts_of(whole + rests, threads);
      if (time < least) least = time, best = chunk;
    }
    return best;
  }
};

/// What one thread works in.
struct Room {
  const float** pointers;
  float *partial, *sums, *tiles;  // tiles: its own, unless they are shared

  Room(const Plan& p, Scratch& s)
      : pointers(s.array<const float*>(gemm::Panels::size(p.chunk, 1))),
        partial(s.array<float>(gemm::sums_size(gemm::panels_of(p.chunk)))),
        sums(s.array<float>(p.form.products * p.sums_plane)),
        tiles(p.shared ? nullptr : s.array<float>(p.form.products * p.tile_plane)) {}
};
struct Memory {
  float *zeros, *tiles;  // tiles: those that are shared
  Rooms<Plan, Room> rooms;

  Memory(const Plan& p, Scratch& s)
      : zeros(s.array<float>(p.form.channels)),
        tiles(p.shared ? s.array<float>(p.form.products * p.tile_plane) : nullptr),
        rooms(p, num_threads(), s) {}
};

class Convolution {
 public:
  Convolution(const ConvArgs& a, const Plan& p, const float* weights, const Memory& memory)
      : a_(a), p_(p), weights_(weights), memory_(memory) {}

  void run() const {
    if (!p_.shared) {
      parallel_jobs(p_.chunks(p_.tiles.count), [&](int64_t job, int thread) {
        const int64_t begin = job * p_.chunk, count = std::min(p_.chunk, p_.tiles.count - begin);
        const Room room = memory_.rooms.of(thread);
        for (int64_t i = 0; i < count; ++i) transform(begin + i, room.tiles + i * p_.form.channels);
        for (int64_t block = 0; block < p_.form.blocks(); ++block) multiply(begin, count, room.tiles, block, room);
      });
      return;
    }
    for (int64_t first = 0; first < p_.tiles.count; first += p_.window) {
      const int64_t window = std::min(p_.window, p_.tiles.count - first), chunks = p_.chunks(window);
      parallel_for(window, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) transform(first + i, memory_.tiles + i * p_.form.channels);
      });
      parallel_jobs(p_.form.blocks() * chunks, [&](int64_t job, int thread) {
        const int64_t begin = job % chunks * p_.chunk, count = std::min(p_.chunk, window - begin);
        multiply(first + begin, count, memory_.tiles + begin * p_.form.channels, job / chunks,
                 memory_.rooms.of(thread));
      });
    }
  }

 private:
  void transform(int64_t tile, float* out) const {
    const auto [n, top, left] = p_.tiles.corner(tile);
    const Pads& pads = a_.geometry.padding;
    const float* pixels[winograd::kMostProducts];
    winograd::point_to_pixels(a_.x, {n, top - pads.top, left - pads.left}, p_.filter.pixels(), memory_.zeros, pixels);
    winograd::transform(winograd::Transform::input, p_.filter,
                        {.in = pixels, .channels = p_.form.channels, .out = out, .plane = p_.tile_plane});
  }

  /// The products of `count` tiles with a block of outputs, and those outputs.
  void multiply(int64_t first, int64_t count, const float* tiles, int64_t block, const Room& room) const {
    const Form& form = p_.form;
    gemm::Panels rows(room.pointers);
    rows.cut(count, 1);
    const float* row = tiles;
    rows.fill([&](const float** pointer) {
      *pointer = row;
      row += form.channels;
    });
    const int64_t width = form.block_width();
    float* const sums = room.sums;
    const float* const weights = weights_ + form.block_at(block);
    for (int q = 0; q < form.products; ++q) {
      const bool more = q + 1 < form.products;
      gemm::multiply({.rows = &rows,
                      .row_distance = more ? form.channels : 0,
                      .next_rows = p_.tile_plane,
                      .shape = {.taps = 1, .depth = form.channels},
                      .weights = weights + q * form.product_size(block),
                      .output = {.columns = form.columns(block), .data = sums + q * p_.sums_plane, .stride = width},
                      .offset = q * p_.tile_plane,
                      .continues = more},
                     0, form.strips(block), room.partial);
    }
    for (int64_t i = 0; i < count; ++i) write(first + i, sums + i * width, block);
  }

  void write(int64_t tile, const float* sums, int64_t block) const {
    const auto [n, top, left] = p_.tiles.corner(tile);
    const View v = view_of(a_.y), r = view_of(a_.residual ? a_.residual : a_.y);
    const int64_t column = block * p_.form.block_width();
    const gemm::Clip clip = gemm::clip_of(a_.activation);
    winograd::OutputTile out{.sums = sums,
                             .plane = p_.sums_plane,
                             .channels = p_.form.columns(block),
                             .bias = a_.bias ? a_.bias.as<float>() + column : nullptr,
                             .rows = static_cast<int>(std::min(p_.tiles.size.h, a_.y.shape[2] - top)),
                             .columns = static_cast<int>(std::min(p_.tiles.size.w, a_.y.shape[3] - left)),
                             .out = a_.y.as<float>() + n * v.image + top * v.row + left * v.pixel + column,
                             .out_row = v.row,
                             .out_pixel = v.pixel,
                             .residual = nullptr,
                             .residual_row = r.row,
                             .residual_pixel = r.pixel,
                             .low = clip.low,
                             .high = clip.high};
    if (a_.residual) out.residual = a_.residual.as<float>() + n * r.image + top * r.row + left * r.pixel + column;
    winograd::transform_output(p_.filter, out);
    for (int i = 0; i < out.rows; ++i)
      gemm::activate_rows(a_.activation, a_.alpha, out.out + i * v.row, v.pixel, out.columns, out.channels);
  }

  const ConvArgs& a_;
  const Plan& p_;
  const float* weights_;
  const Memory& memory_;
};

}  // namespace

bool conv_winograd_filters(int m, Pair kernel) {
  if (kernel == Pair(3)) return true;
  if (std::min(kernel.h, kernel.w) != 1) return false;
  const int64_t taps = std::max(kernel.h, kernel.w);
  return taps == 3 || (taps == 7 && m == 2);
}

bool conv_winograd_supports(int m, const ConvArgs& a) {
  const ConvGeometry& g = a.geometry;
  return has_own_form(a) && conv_winograd_filters(m, {a.weight.shape[2], a.weight.shape[3]}) && g.stride == Pair(1) &&
         g.dilation == Pair(1) && g.groups == 1;
}

size_t conv_winograd_scratch(int m, const ConvArgs& args) {
  if (args.y.numel() == 0) return 0;
  const Plan p(m, args);
  Scratch count(nullptr);
  Memory(p, count);
  return count.used();
}

namespace {

void run(const ConvArgs& args, const Plan& p, const float* weights, Scratch& scratch) {
  const Memory memory(p, scratch);
  std::fill_n(memory.zeros, p.form.channels, 0.0f);
  Convolution(args, p, weights, memory).run();
}

}  // namespace

void conv_winograd(int m, const ConvArgs& args, const void* packed, void* memory) {
  if (args.y.numel() == 0) return;
  Scratch scratch(memory);
  run(args, Plan(m, args), packed_body_here(packed), scratch);
}

size_t conv_winograd_unpacked_scratch(int m, const ConvArgs& args) {
  if (args.y.numel() == 0) return 0;
  const Plan p(m, args);
  Scratch count(nullptr);
  count.array<float>(p.form.size());
  Memory(p, count);
  return count.used();
}

void conv_winograd_unpacked(int m, const ConvArgs& args, void* memory) {
  if (args.y.numel() == 0) return;
  const Plan p(m, args);
  Scratch scratch(memory);
  auto* const weights = scratch.array<float>(p.form.size());
  winograd::transform_weights(p.filter, args.weight, p.form, weights);
  run(args, p, weights, scratch);
}

}  // namespace ingot::kernels
