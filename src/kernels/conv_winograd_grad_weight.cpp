#include <algorithm>
#include <array>

#include "base/parallel.h"
#include "kernels/conv_layout.h"
#include "kernels/conv_views.h"
#include "kernels/conv_winograd_grad.h"
#include "kernels/cut.h"
#include "kernels/gemm.h"
#include "kernels/outer_products.h"
#include "kernels/scratch.h"
#include "kernels/winograd_tiles.h"
#include "kernels/winograd_transforms.h"

namespace ingot::kernels {
namespace {

using winograd::Filter;
using winograd::Transform;

/// What follows from the sizes alone. Tiles are numbered over all images, and transformed a window at a time: it should
/// stay in the last-level cache.
struct Plan {
  Filter filter;
  int64_t products, channels, outputs;
  winograd::Tiles tiles;
  Cut windows;               // of the tiles
  int64_t row_width, width;  // of strips of outputs and of channels
  int64_t row_strips, column_strips;
  int64_t row_strip, column_strip;  // floats from one strip to the next
  int64_t size;                     // of the sums, [product][outputs][channels]

  Plan(int m, const Array& x, const Array& g)
      : filter{m, 3},
        products(filter.products()),
        channels(x.shape[1]),
        outputs(g.shape[1]),
        tiles(filter.results(), g),
        row_width(outer::row_width()),
        width(gemm::tile().columns),
        row_strips(parts_of(outputs, row_width)),
        column_strips(parts_of(channels, width)),
        size(products * outputs * channels) {
    constexpr int64_t kFloats = 2048 * 1024, kFewest = 64;
    windows = {tiles.count, parts_of(tiles.count, std::max(kFewest, kFloats / (products * (channels + outputs))))};
    row_strip = windows.most() * row_width, column_strip = windows.most() * width;
  }
  int64_t u_plane() const { return row_strips * row_strip; }
  int64_t v_plane() const { return column_strips * column_strip; }
};

/// u: A g A^T, [product][strip][tile][row_width]; v: B^T x B likewise.
struct Memory {
  float *zeros, *u, *v, *sums, *result;

  Memory(const Plan& p, bool in_place, Scratch& s)
      : zeros(s.array<float>(std::max(p.channels, p.outputs))),
        u(s.array<float>(p.products * p.u_plane())),
        v(s.array<float>(p.products * p.v_plane())),
        sums(s.array<float>(p.size)),
        result(in_place ? nullptr : s.array<float>(p.outputs * 9 * p.channels)) {}
};

class GradWeight {
 public:
  GradWeight(const Array& x, const Array& g, const ConvGeometry& geometry, const Plan& p, const Memory& memory)
      : x_(x), g_(g), padding_(geometry.padding), p_(p), memory_(memory) {}

  void add_window(int64_t window) const {
    const int64_t first = p_.windows.begin(window), tiles = p_.windows.size(window);
    parallel_jobs(parts_of(tiles, kTiles), [&](int64_t job, int) {
      for (int64_t i = job * kTiles; i < std::min(tiles, (job + 1) * kTiles); ++i) {
        transform_x(first + i, memory_.v + i * p_.width);
        transform_g(first + i, memory_.u + i * p_.row_width);
      }
    });
    parallel_jobs(p_.products * p_.row_strips,
                  [&](int64_t job, int) { add(job / p_.row_strips, job % p_.row_strips, tiles, window == 0); });
  }

  /// [outputs][3][3][channels], without gaps.
  void write(float* out) const {
    parallel_for(p_.outputs, 1, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        std::array<const float*, winograd::kMostProducts> in;
        for (int64_t q = 0; q < p_.products; ++q) in[q] = memory_.sums + (q * p_.outputs + o) * p_.channels;
        winograd::transform(
            Transform::weight_sums, p_.filter,
            {.in = in.data(), .channels = p_.channels, .out = out + o * 9 * p_.channels, .plane = p_.channels});
      }
    });
  }

 private:
  static constexpr int64_t kTiles = 16;

  void transform_x(int64_t tile, float* out) const {
    std::array<const float*, winograd::kMostProducts> pixels;
    const auto [n, top, left] = p_.tiles.corner(tile);
    winograd::point_to_pixels(x_, {n, top - padding_.top, left - padding_.left}, p_.filter.pixels(), memory_.zeros,
                              pixels.data());
    winograd::transform(Transform::input, p_.filter,
                        {.in = pixels.data(),
                         .channels = p_.channels,
                         .out = out,
                         .plane = p_.v_plane(),
                         .width = p_.width,
                         .strip = p_.column_strip});
  }
  void transform_g(int64_t tile, float* out) const {
    std::array<const float*, winograd::kMostProducts> pixels;
    winograd::point_to_pixels(g_, p_.tiles.corner(tile), p_.filter.results(), memory_.zeros, pixels.data());
    winograd::transform(Transform::gradient, p_.filter,
                        {.in = pixels.data(),
                         .channels = p_.outputs,
                         .out = out,
                         .plane = p_.u_plane(),
                         .width = p_.row_width,
                         .strip = p_.row_strip});
  }

  /// The sums over a window's tiles of one product and one strip of outputs, by slices that are short, for the sake of
  /// rounding, and stay in the first-level cache.
  void add(int64_t product, int64_t strip, int64_t tiles, bool first) const {
    constexpr int64_t kSlice = 64;
    const Cut slices{tiles, parts_of(tiles, kSlice)};
    const float* const u = memory_.u + product * p_.u_plane() + strip * p_.row_strip;
    const float* const v = memory_.v + product * p_.v_plane();
    float* const sums = memory_.sums + (product * p_.outputs + strip * p_.row_width) * p_.channels;
    for (int64_t s = 0; s < slices.parts; ++s)
      for (int64_t c = 0; c < p_.column_strips; ++c)
        outer::run(std::min(p_.row_width, p_.outputs - strip * p_.row_width),
                   {.a = {.data = u + slices.begin(s) * p_.row_width, .plane = 0, .row = 0, .step = p_.row_width},
                    .b = {.data = v + c * p_.column_strip + slices.begin(s) * p_.width,
                          .plane = 0,
                          .row = 0,
                          .step = p_.width},
                    .planes = 1,
                    .rows = 1,
                    .length = slices.size(s),
                    .sums = sums + c * p_.width,
                    .sums_stride = p_.channels,
                    .columns = std::min(p_.width, p_.channels - c * p_.width),
                    .first = first && s == 0});
  }

  const Array &x_, &g_;
  const Pads& padding_;
  const Plan& p_;
  const Memory& memory_;
};

}  // namespace

bool conv_winograd_grad_supports(const Array& x, const Array& weight, const Array& g, const ConvGeometry& geometry) {
  return has_own_gradient(x, g, weight) && weight.shape[2] == 3 && weight.shape[3] == 3 && geometry.stride == Pair(1) &&
         geometry.dilation == Pair(1) && geometry.groups == 1;
}

size_t conv_winograd_grad_weight_scratch(int m, const Array& x, const Array& g, const ConvGeometry&,
                                         const Array& dweight) {
  Scratch count(nullptr);
  Memory(Plan(m, x, g), is_channels_last(dweight), count);
  return count.used();
}

void conv_winograd_grad_weight(int m, const Array& x, const Array& g, const ConvGeometry& geometry,
                               const Array& dweight, void* scratch) {
  const Plan p(m, x, g);
  const bool in_place = is_channels_last(dweight);
  Scratch pieces(scratch);
  const Memory memory(p, in_place, pieces);
  std::fill_n(memory.zeros, std::max(p.channels, p.outputs), 0.0f);
  const GradWeight work(x, g, geometry, p, memory);
  for (int64_t window = 0; window < p.windows.parts; ++window) work.add_window(window);
  work.write(in_place ? dweight.as<float>() : memory.result);
  if (!in_place) copy_4d(channels_last(dweight, DType::f32, memory.result), dweight);
}

}  // namespace ingot::kernels
