#include <tuple>

#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/gradient_cases.h"

namespace ingot::test {
namespace {

/// Matrices, stacks of them that broadcast, vectors on either side.
Body draw_matmul(RandomCase& c) {
  const int64_t rows = c.number(1, 4), inner = c.number(1, 4), columns = c.number(1, 4);
  const Shape batch = c.chance() ? Shape{} : c.shape(1, 2);
  const auto stacked = [&](int64_t h, int64_t w) {
    Shape shape = c.broadcast(batch);
    shape.push_back(h);
    shape.push_back(w);
    return shape;
  };
  const Operand a = c.operand(c.chance(20) ? Shape{inner} : stacked(rows, inner));
  const Operand b = c.operand(c.chance(20) ? Shape{inner} : stacked(inner, columns));
  return [=](const Operands& in) { return matmul(in[a], in[b]); };
}

struct Linear {
  Operand x, weight, bias;
};
Linear draw_operands(RandomCase& c, int64_t least_rank) {
  Shape shape = c.shape(least_rank, 4);
  const int64_t out = c.number(1, 5);
  return {c.operand(shape), c.operand({out, shape.back()}), c.maybe_operand({out})};
}

Body draw_linear(RandomCase& c) {
  const Linear l = draw_operands(c, 1);
  return [=](const Operands& in) { return linear(in[l.x], in[l.weight], in.optional(l.bias)); };
}

Body draw_linear_fused(RandomCase& c) {
  const Linear l = draw_operands(c, 2);
  const auto [kind, alpha] = draw_activation(c);
  return [=, kind = kind, alpha = alpha](const Operands& in) {
    return linear_fused(in[l.x], in[l.weight], in.optional(l.bias), kind, alpha);
  };
}

/// One side of a convolution: what the kernel needs of the input, and a little more.
struct Side {
  int64_t kernel, stride, dilation, before, after, size;

  explicit Side(RandomCase& c)
      : kernel(c.number(1, 3)),
        stride(c.number(1, 3)),
        dilation(c.number(1, 2)),
        before(c.number(0, 2)),
        after(c.number(0, 2)),
        size(std::max<int64_t>(1, dilation * (kernel - 1) + 1 - before - after) + c.number(0, 2)) {}
  int64_t out() const { return (size + before + after - dilation * (kernel - 1) - 1) / stride + 1; }
};

struct Channels {
  int64_t n, groups, in, out;  // in and out: of each group

  explicit Channels(RandomCase& c)
      : n(c.number(1, 2)), groups(c.number(1, 2)), in(c.number(1, 2)), out(c.number(1, 2)) {}
};

struct Conv2d {
  Channels channels;
  Side h, w;
  Conv2dOptions options;
  Operand x, weight, bias;

  explicit Conv2d(RandomCase& c)
      : channels(c),
        h(c),
        w(c),
        options{.stride = {h.stride, w.stride},
                .padding = {h.before, w.before, h.after, w.after},
                .dilation = {h.dilation, w.dilation},
                .groups = channels.groups},
        x(c.operand({channels.n, channels.groups * channels.in, h.size, w.size})),
        weight(c.operand({channels.groups * channels.out, channels.in, h.kernel, w.kernel})),
        bias(c.maybe_operand({channels.groups * channels.out})) {}
};

Body draw_conv2d(RandomCase& c) {
  const Conv2d v(c);
  return [=](const Operands& in) { return conv2d(in[v.x], in[v.weight], in.optional(v.bias), v.options); };
}

Body draw_conv2d_fused(RandomCase& c) {
  const Conv2d v(c);
  const Operand residual = c.maybe_operand({v.channels.n, v.channels.groups * v.channels.out, v.h.out(), v.w.out()});
  const auto [kind, alpha] = draw_activation(c);
  return [=, kind = kind, alpha = alpha](const Operands& in) {
    return conv2d_fused(in[v.x], in[v.weight], in.optional(v.bias), in.optional(residual), v.options, kind, alpha);
  };
}

Body draw_conv2d_depthwise_pointwise(RandomCase& c) {
  const Channels channels(c);
  const Side h(c), w(c);
  DepthwisePointwiseAttrs attrs;
  attrs.stride = {h.stride, w.stride};
  attrs.padding = {h.before, w.before, h.after, w.after};
  attrs.dilation = {h.dilation, w.dilation};
  attrs.groups = channels.in;
  std::tie(attrs.activation, attrs.alpha) = draw_activation(c);
  std::tie(attrs.pointwise_activation, attrs.pointwise_alpha) = draw_activation(c);
  const Operand x = c.operand({channels.n, channels.in, h.size, w.size});
  const Operand weight = c.operand({channels.in, 1, h.kernel, w.kernel});
  const Operand bias = c.maybe_operand({channels.in});
  const Operand pointwise = c.operand({channels.out, channels.in, 1, 1});
  const Operand pointwise_bias = c.maybe_operand({channels.out});
  const Operand residual = c.maybe_operand({channels.n, channels.out, h.out(), w.out()});
  return [=](const Operands& in) {
    const auto or_none = [&](Operand o) { return in.optional(o).value_or(Tensor()); };
    return apply(kConv2dDepthwisePointwise,
                 {in[x], in[weight], or_none(bias), in[pointwise], or_none(pointwise_bias), or_none(residual)}, attrs);
  };
}

/// Two siblings, whose results are joined.
Body draw_conv2d_siblings(RandomCase& c) {
  const Channels channels(c);
  const Side h(c), w(c);
  ConvSiblingsAttrs attrs;
  attrs.stride = {h.stride, w.stride};
  attrs.padding = {h.before, w.before, h.after, w.after};
  attrs.dilation = {h.dilation, w.dilation};
  std::vector<Operand> weights, biases, residuals;
  const Operand x = c.operand({channels.n, channels.in, h.size, w.size});
  for (const int64_t outputs : {channels.out, int64_t{2}}) {
    const auto [activation, alpha] = draw_activation(c);
    attrs.activations.push_back(activation), attrs.alphas.push_back(alpha);
    weights.push_back(c.operand({outputs, channels.in, h.kernel, w.kernel}));
    biases.push_back(c.maybe_operand({outputs}));
    residuals.push_back(c.maybe_operand({channels.n, outputs, h.out(), w.out()}));
  }
  return [=](const Operands& in) {
    Tensors operands{in[x]};
    for (size_t i = 0; i < weights.size(); ++i) {
      operands.push_back(in[weights[i]]);
      for (const Operand o : {biases[i], residuals[i]}) operands.push_back(in.optional(o).value_or(Tensor()));
    }
    return concat(apply_all(kConv2dSiblings, operands, attrs), 1);
  };
}

Body draw_conv1d(RandomCase& c) {
  const Channels channels(c);
  Side l(c);
  l.after = l.before;
  l.size = std::max(l.size, l.dilation * (l.kernel - 1) + 1 - 2 * l.before);
  const Conv1dOptions options{
      .stride = l.stride, .padding = l.before, .dilation = l.dilation, .groups = channels.groups};
  const Operand x = c.operand({channels.n, channels.groups * channels.in, l.size});
  const Operand weight = c.operand({channels.groups * channels.out, channels.in, l.kernel});
  const Operand bias = c.maybe_operand({channels.groups * channels.out});
  return [=](const Operands& in) { return conv1d(in[x], in[weight], in.optional(bias), options); };
}

Body draw_conv3d(RandomCase& c) {
  const Channels channels(c);
  Conv3dOptions o{.groups = channels.groups};
  Triple kernel, size;
  for (int64_t Triple::* side : {&Triple::d, &Triple::h, &Triple::w}) {
    kernel.*side = c.number(1, 2);
    o.stride.*side = c.number(1, 2);
    o.padding.*side = c.number(0, 1);
    o.dilation.*side = c.number(1, 2);
    const int64_t reach = o.dilation.*side * (kernel.*side - 1) + 1;
    size.*side = std::max<int64_t>(1, reach - 2 * o.padding.*side) + c.number(0, 1);
  }
  const Operand x = c.operand({channels.n, channels.groups * channels.in, size.d, size.h, size.w});
  const Operand weight = c.operand({channels.groups * channels.out, channels.in, kernel.d, kernel.h, kernel.w});
  const Operand bias = c.maybe_operand({channels.groups * channels.out});
  return [=](const Operands& in) { return conv3d(in[x], in[weight], in.optional(bias), o); };
}

Body draw_conv_transpose2d(RandomCase& c) {
  const Channels channels(c);
  const Side h(c), w(c);
  // Big enough that the padding leaves something of the result.
  const auto size = [&](const Side& s) { return c.number(1, 2) + (s.before + s.after + s.stride - 1) / s.stride; };
  const auto extra = [&](const Side& s) { return c.number(0, std::max(s.stride, s.dilation) - 1); };
  const ConvTranspose2dOptions o{.stride = {h.stride, w.stride},
                                 .padding = {h.before, w.before, h.after, w.after},
                                 .output_padding = {extra(h), extra(w)},
                                 .dilation = {h.dilation, w.dilation},
                                 .groups = channels.groups};
  const Operand x = c.operand({channels.n, channels.groups * channels.in, size(h), size(w)});
  const Operand weight = c.operand({channels.groups * channels.in, channels.out, h.kernel, w.kernel});
  const Operand bias = c.maybe_operand({channels.groups * channels.out});
  return [=](const Operands& in) { return conv_transpose2d(in[x], in[weight], in.optional(bias), o); };
}

}  // namespace

std::vector<GradientCases> product_gradients() {
  return {
      {"matmul", draw_matmul},
      {"linear", draw_linear},
      {"linear_fused", draw_linear_fused},
      {"conv2d", draw_conv2d},
      {"conv2d_fused", draw_conv2d_fused},
      {"conv2d_depthwise_pointwise", draw_conv2d_depthwise_pointwise},
      {"conv2d_siblings", draw_conv2d_siblings},
      {"conv1d", draw_conv1d},
      {"conv3d", draw_conv3d},
      {"conv_transpose2d", draw_conv_transpose2d},
  };
}

}  // namespace ingot::test
