#include "ops/gradient_cases.h"

namespace ingot::test {
namespace {

/// One side of a pool. Its sides are long enough that every window holds something.
struct Side {
  int64_t kernel, stride, dilation, padding, size;

  Side(RandomCase& c, bool dilated, int64_t most_kernel)
      : kernel(c.number(1, most_kernel)),
        stride(c.number(1, 3)),
        dilation(dilated ? c.number(1, 2) : 1),
        padding(c.number(0, kernel / 2)),
        size(std::max(dilation, dilation * (kernel - 1) + 1 - 2 * padding) + c.number(0, 3)) {}
};

GradientCases pool1d(std::string name, Tensor (*f)(const Tensor&, const Pool1dOptions&), bool max) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Side l(c, max, 3);
            const Pool1dOptions o{.kernel = l.kernel,
                                  .stride = l.stride,
                                  .padding = l.padding,
                                  .dilation = l.dilation,
                                  .ceil_mode = c.chance(),
                                  .count_include_pad = c.chance()};
            const Operand x = c.operand({c.number(1, 2), c.number(1, 3), l.size});
            return [=](const Operands& in) { return f(in[x], o); };
          }};
}

struct Pool2d {
  Operand x;
  PoolOptions options;
};
Pool2d draw_pool2d(RandomCase& c, bool max, Range range = kAny) {
  const Side h(c, max, 3), w(c, max, 3);
  const PoolOptions o{.kernel = {h.kernel, w.kernel},
                      .stride = c.chance(80) ? std::optional(Pair(h.stride, w.stride)) : std::nullopt,
                      .padding = {h.padding, w.padding, c.number(0, h.padding), c.number(0, w.padding)},
                      .dilation = {h.dilation, w.dilation},
                      .ceil_mode = c.chance(),
                      .count_include_pad = c.chance()};
  // What a smaller padding at the end takes away, the input has more.
  const int64_t height = h.size + h.padding - o.padding.bottom, width = w.size + w.padding - o.padding.right;
  return {c.operand({c.number(1, 2), c.number(1, 2), height, width}, range), o};
}
GradientCases pool2d(std::string name, Tensor (*f)(const Tensor&, const PoolOptions&), bool max) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Pool2d p = draw_pool2d(c, max);
            return [=](const Operands& in) { return f(in[p.x], p.options); };
          }};
}

GradientCases pool3d(std::string name, Tensor (*f)(const Tensor&, const Pool3dOptions&), bool max) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Side d(c, max, 2), h(c, max, 2), w(c, max, 2);
            const Pool3dOptions o{.kernel = {d.kernel, h.kernel, w.kernel},
                                  .stride = Triple(d.stride, h.stride, w.stride),
                                  .padding = {d.padding, h.padding, w.padding},
                                  .dilation = {d.dilation, h.dilation, w.dilation},
                                  .ceil_mode = c.chance(),
                                  .count_include_pad = c.chance()};
            const Operand x = c.operand({1, c.number(1, 2), d.size, h.size, w.size});
            return [=](const Operands& in) { return f(in[x], o); };
          }};
}

Body draw_lp_pool1d(RandomCase& c) {
  const Side l(c, false, 3);
  const Pool1dOptions o{.kernel = l.kernel, .stride = l.stride, .ceil_mode = c.chance()};
  const Operand x = c.operand({c.number(1, 2), c.number(1, 3), l.size + l.kernel}, kPositive);
  const double p = c.pick({1.0, 2.0, 2.5, 3.0});
  return [=](const Operands& in) { return lp_pool1d(in[x], p, o); };
}
Body draw_lp_pool2d(RandomCase& c) {
  Pool2d p = draw_pool2d(c, false, kPositive);
  p.options.count_include_pad = true;
  const double norm = c.pick({1.0, 2.0, 2.5, 3.0});
  return [=](const Operands& in) { return lp_pool2d(in[p.x], norm, p.options); };
}

/// Fewer bins than places, as many, more.
GradientCases adaptive1d(std::string name, Tensor (*f)(const Tensor&, int64_t)) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Operand x = c.operand({c.number(1, 2), c.number(1, 2), c.number(1, 6)});
            const int64_t out = c.number(1, 7);
            return [=](const Operands& in) { return f(in[x], out); };
          }};
}
GradientCases adaptive2d(std::string name, Tensor (*f)(const Tensor&, Pair)) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Operand x = c.operand({c.number(1, 2), c.number(1, 2), c.number(1, 4), c.number(1, 4)});
            const Pair out{c.number(1, 5), c.number(1, 5)};
            return [=](const Operands& in) { return f(in[x], out); };
          }};
}
GradientCases adaptive3d(std::string name, Tensor (*f)(const Tensor&, Triple)) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Operand x = c.operand({1, c.number(1, 2), c.number(1, 3), c.number(1, 3), c.number(1, 3)});
            const Triple out{c.number(1, 4), c.number(1, 4), c.number(1, 3)};
            return [=](const Operands& in) { return f(in[x], out); };
          }};
}

Body draw_interpolate(RandomCase& c) {
  const int64_t sides = c.number(1, 3);
  InterpolateOptions o{.mode = c.pick({Interpolation::nearest, Interpolation::nearest_exact, Interpolation::linear})};
  if (sides == 2 && c.chance(30)) o.mode = Interpolation::cubic;
  o.align_corners = (o.mode == Interpolation::linear || o.mode == Interpolation::cubic) && c.chance();
  Shape shape{c.number(1, 2), c.number(1, 2)};
  const bool by_size = c.chance(), one_value = c.chance(30);
  for (int64_t d = 0; d < sides; ++d) {
    shape.push_back(c.number(1, 6 - sides));
    if (one_value && d > 0) continue;
    if (by_size)
      o.size.push_back(c.number(1, 6));
    else
      o.scale_factor.push_back(c.pick({1.0, 1.3, 1.7, 2.0, 3.0}));
  }
  const Operand x = c.operand(shape);
  return [=](const Operands& in) { return interpolate(in[x], o); };
}

}  // namespace

std::vector<GradientCases> pooling_gradients() {
  return {
      pool2d("max_pool2d", max_pool2d, true),
      pool2d("avg_pool2d", avg_pool2d, false),
      adaptive2d("adaptive_avg_pool2d", adaptive_avg_pool2d),
      adaptive2d("adaptive_max_pool2d", adaptive_max_pool2d),
      pool1d("max_pool1d", max_pool1d, true),
      pool1d("avg_pool1d", avg_pool1d, false),
      pool3d("max_pool3d", max_pool3d, true),
      pool3d("avg_pool3d", avg_pool3d, false),
      adaptive1d("adaptive_avg_pool1d", adaptive_avg_pool1d),
      adaptive1d("adaptive_max_pool1d", adaptive_max_pool1d),
      adaptive3d("adaptive_avg_pool3d", adaptive_avg_pool3d),
      adaptive3d("adaptive_max_pool3d", adaptive_max_pool3d),
      {"lp_pool1d", draw_lp_pool1d},
      {"lp_pool2d", draw_lp_pool2d},
      {"interpolate", draw_interpolate},
  };
}

}  // namespace ingot::test
