#include "kernels/conv_depthwise_pointwise.h"

#include <algorithm>

#include "base/parallel.h"
#include "kernels/conv_depthwise.h"
#include "kernels/conv_gemm.h"
#include "kernels/conv_views.h"
#include "kernels/depthwise.h"
#include "kernels/gemm.h"
#include "kernels/packed_weights.h"

namespace ingot::kernels {
namespace {

/// What follows from the sizes alone.
struct Plan {
  int64_t channels, outputs, height, width;
  gemm::Weights weights;
  int64_t blocks;  // of rows, of an image
  int64_t jobs;

  /// The pixels of a block should stay in the second-level cache beside a strip of weights, be enough for the products
  /// to read the weights seldom, and blocks enough for threads that are not equally fast.
  explicit Plan(const DepthwisePointwiseArgs& a)
      : channels(a.depthwise.y.shape[1]),
        outputs(a.pointwise.y.shape[1]),
        height(a.depthwise.y.shape[2]),
        width(a.depthwise.y.shape[3]),
        weights{.taps = 1, .depth = channels} {
    constexpr int64_t kBlockFloats = 32 * 1024, kFewest = 24, kJobs = 16;
    const int64_t images = std::max<int64_t>(1, a.depthwise.y.shape[0]);
    const int64_t most_rows = std::max<int64_t>(1, kBlockFloats / (channels * width));
    const int64_t least_rows = std::min((kFewest + width - 1) / width, height);
    const int64_t rows = std::clamp(images * height / kJobs, least_rows, std::max(least_rows, most_rows));
    blocks = (height + rows - 1) / rows;
    jobs = a.depthwise.y.shape[0] * blocks;
  }
  int64_t begin(int64_t block) const { return height * block / blocks; }
  int64_t most_pixels() const { return (height + blocks - 1) / blocks * width; }
};

/// What one thread works in.
struct Room {
  const float** pointers;
  float *sums, *pixels;  // pixels: a block of the depthwise results

  Room(const Plan& p, Scratch& s)
      : pointers(s.array<const float*>(gemm::Panels::size(p.most_pixels(), 1))),
        sums(s.array<float>(gemm::sums_size(gemm::panels_of(p.most_pixels())))),
        pixels(s.array<float>(p.most_pixels() * p.channels)) {}
};

void multiply(const ConvArgs& a, const Plan& p, const float* weights, int64_t n, int64_t first, int64_t count,
              const Room& room) {
  gemm::Panels rows(room.pointers);
  rows.cut(count, 1);
  const float* pixel = room.pixels;
  rows.fill([&](const float** pointer) {
    *pointer = pixel;
    pixel += p.channels;
  });
  const int64_t distance = pixel_distance(a.y);
  gemm::Output output{.columns = p.outputs,
                      .data = a.y.as<float>() + n * a.y.strides[0] + first * distance,
                      .stride = distance,
                      .bias = a.bias.as<float>(),
                      .activation = a.activation,
                      .alpha = a.alpha};
  if (a.residual) {
    output.residual_stride = pixel_distance(a.residual);
    output.residual = a.residual.as<float>() + n * a.residual.strides[0] + first * output.residual_stride;
  }
  gemm::multiply({.rows = &rows, .shape = p.weights, .weights = weights, .output = output}, 0,
                 gemm::strips_of(p.outputs), room.sums);
}

}  // namespace

bool conv_depthwise_pointwise_supports(const DepthwisePointwiseArgs& args) {
  const ConvArgs& p = args.pointwise;
  const ConvGeometry& g = p.geometry;
  const Pads& pads = g.padding;
  return conv_depthwise_supports(args.depthwise) && !args.depthwise.residual && conv_gemm_supports(p) &&
         args.depthwise.y.same_shape(p.x) && p.weight.shape[2] == 1 && p.weight.shape[3] == 1 && g.stride == Pair(1) &&
         pads == Pads(0) && g.groups == 1;
}

size_t conv_depthwise_pointwise_scratch(const DepthwisePointwiseArgs& args) {
  if (args.pointwise.y.numel() == 0) return 0;
  const Plan p(args);
  const depthwise::Correlation c = depthwise::correlation_of(args.depthwise, nullptr);
  Scratch count(nullptr);
  depthwise::Rows(c, p.channels, depthwise::Fetches::none, count);
  Rooms<Plan, Room>(p, num_threads(), count);
  return count.used();
}

void conv_depthwise_pointwise(const DepthwisePointwiseArgs& args, const void* packed_depthwise,
                              const void* packed_pointwise, void* scratch) {
  if (args.pointwise.y.numel() == 0) return;
  const Plan p(args);
  const float* const weights = packed_body_here(packed_pointwise);
  const depthwise::Correlation c = depthwise::correlation_of(args.depthwise, packed_body(packed_depthwise));
  Scratch memory(scratch);
  depthwise::Rows rows(c, p.channels, depthwise::fetches_of({&c, 1}, args.depthwise.x.shape[0], p.channels), memory);
  rows.cut();
  const Rooms<Plan, Room> rooms(p, num_threads(), memory);
  parallel_jobs(p.jobs, [&](int64_t job, int thread) {
    const Room room = rooms.of(thread);
    const int64_t n = job / p.blocks, begin = p.begin(job % p.blocks), end = p.begin(job % p.blocks + 1);
    for (int64_t row = begin; row < end; ++row)
      rows.run({.n = n,
                .row = row,
                .begin = 0,
                .end = rows.tiles(),
                .residual = nullptr,
                .residual_pixel = 0,
                .out = room.pixels + (row - begin) * p.width * p.channels,
                .out_pixel = p.channels});
    multiply(args.pointwise, p, weights, n, begin * p.width, (end - begin) * p.width, room);
  });
}

}  // namespace ingot::kernels
