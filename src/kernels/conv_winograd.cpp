#include "kernels/conv_winograd.h"

#include <algorithm>
#include <limits>
#include <utility>

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
///
/// A thread transforms the tiles of its jobs for itself, even where another one makes other outputs of the same tiles:
/// that costs less than handing them over, which takes half as long again where lines are slow from core to core.
struct Plan {
  Filter filter;
  Form form;
  winograd::Tiles tiles;
  int64_t chunk;                   // tiles of a job
  Cut groups;                      // of the blocks of outputs, into jobs
  int64_t tile_plane, sums_plane;  // floats from a product's tiles, or sums, to the next one's

  Plan(int size, const ConvArgs& a)
      : filter(winograd::filter_of(size, a.weight, a.geometry.stride.h)),
        form(winograd::form_of(filter, a.weight, gemm::tile().columns)),
        tiles(filter.results(), a.y) {
    cut();
    tile_plane = spread(chunk * form.channels);
    sums_plane = spread(chunk * form.block_width());
  }
  int64_t jobs() const { return parts_of(tiles.count, chunk) * groups.parts; }

 private:
  /// Chunks of as many tiles as stay in a cache, but of many channels, whose weights are large, of as many as keep the
  /// reading of these in bounds. Of such chunks of about equal size, and of groups, those with which the threads are
  /// done first.
  void cut() {
    constexpr int64_t kFloats = 72 * 1024, kMostFloats = 2048 * 1024, kMost = 64, kManyChannels = 192, kFewJobs = 8;
    const int64_t tile = filter.products() * form.channels, rows = gemm::tile().rows;
    const int64_t few = std::clamp(kFloats / tile, rows, kMost), many = std::clamp(kMostFloats / tile, rows, kMost);
    const bool is_long = filter.stride > 1 || form.channels >= kManyChannels || tiles.count < kFewJobs * few;
    const int64_t least_chunks = parts_of(tiles.count, is_long ? many : few), blocks = form.blocks();
    const int64_t threads = num_threads();
    double least = std::numeric_limits<double>::infinity();
    for (int64_t g = 1; g <= std::min(blocks, threads); ++g) {
      const int64_t rounds = parts_of(least_chunks * g, threads);  // jobs of a thread
      const int64_t size = parts_of(tiles.count, rounds * threads / g);
      const double t = static_cast<double>(rounds) * time(size, Cut{blocks, g}.most());
      if (t < least) least = t, chunk = size, groups = {blocks, g};
    }
  }
  /// That a job takes, in terms of a tile's products with a block of outputs.
  double time(int64_t of_tiles, int64_t of_blocks) const {
    constexpr double kReadingWeights = 4, kTransform = 8;  // of a block, and of a tile in terms of one output
    const auto count = static_cast<double>(of_tiles);
    return (count + kReadingWeights) * static_cast<double>(of_blocks) +
           count * kTransform / static_cast<double>(form.block_width());
  }
};

/// What one thread works in.
struct Room {
  int64_t* held;  // the chunk whose tiles these are
  const float** pointers;
  float *partial, *sums, *tiles;

  Room(const Plan& p, Scratch& s)
      : held(s.array<int64_t>(1)),
        pointers(s.array<const float*>(gemm::Panels::size(p.chunk, 1))),
        partial(s.array<float>(gemm::sums_size(gemm::panels_of(p.chunk)))),
        sums(s.array<float>(p.filter.products() * p.sums_plane)),
        tiles(s.array<float>(p.filter.products() * p.tile_plane)) {}
};
struct Memory {
  float* zeros;
  Rooms<Plan, Room> rooms;

  Memory(const Plan& p, Scratch& s) : zeros(s.array<float>(p.form.channels)), rooms(p, num_threads(), s) {}
};

class Convolution {
 public:
  Convolution(const ConvArgs& a, const Plan& p, const float* weights, const Memory& memory)
      : a_(a), p_(p), weights_(weights), memory_(memory) {}

  void run() const {
    for (int thread = 0; thread < num_threads(); ++thread) *memory_.rooms.of(thread).held = -1;
    parallel_jobs(p_.jobs(), [&](int64_t job, int thread) {
      const Room room = memory_.rooms.of(thread);
      const int64_t chunk = job / p_.groups.parts, group = job % p_.groups.parts;
      const int64_t begin = chunk * p_.chunk, count = std::min(p_.chunk, p_.tiles.count - begin);
      if (std::exchange(*room.held, chunk) != chunk)
        for (int64_t i = 0; i < count; ++i) transform(begin + i, room.tiles + i * p_.form.channels);
      for (int64_t block = p_.groups.begin(group); block < p_.groups.begin(group + 1); ++block)
        multiply(begin, count, block, room);
    });
  }

 private:
  void transform(int64_t tile, float* out) const {
    const auto [n, top, left] = p_.tiles.corner(tile);
    const Pads& pads = a_.geometry.padding;
    const float* pixels[winograd::kMostProducts];
    const int64_t stride = p_.filter.stride;
    winograd::point_to_pixels(a_.x, {n, top * stride - pads.top, left * stride - pads.left}, p_.filter.pixels(),
                              memory_.zeros, pixels);
    winograd::transform(winograd::Transform::input, p_.filter,
                        {.in = pixels, .channels = p_.form.channels, .out = out, .plane = p_.tile_plane});
  }

  /// The products of `count` tiles with a block of outputs, and those outputs.
  void multiply(int64_t first, int64_t count, int64_t block, const Room& room) const {
    const Form& form = p_.form;
    gemm::Panels rows(room.pointers);
    rows.cut(count, 1);
    const float* row = room.tiles;
    rows.fill([&](const float** pointer) {
      *pointer = row;
      row += form.channels;
    });
    const int64_t width = form.block_width();
    float* const sums = room.sums;
    const float* const weights = weights_ + form.block_at(block);
    const int products = p_.filter.products();
    for (int q = 0; q < products; ++q) {
      const bool more = q + 1 < products;
      gemm::multiply({.rows = &rows,
                      .row_distance = more ? form.channels : 0,
                      .next_rows = p_.tile_plane,
                      .shape = {.taps = 1, .depth = form.channels},
                      .weights = weights + p_.filter.weight_of(q) * form.plane_size(block),
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
  const Pair kernel{a.weight.shape[2], a.weight.shape[3]};
  return has_own_form(a) && conv_winograd_filters(m, kernel) && g.dilation == Pair(1) && g.groups == 1 &&
         (g.stride == Pair(1) || (g.stride == Pair(2) && kernel == Pair(3)));
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
  const Plan plan(m, args);
  run(args, plan, winograd::packed_here(packed, plan.filter), scratch);
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
