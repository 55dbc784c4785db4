#include <limits>

#include "networks.h"

// Every op in an engine against the same graph run op by op, in guarded memory.
namespace ingot::testing {
namespace {

struct Row {
  std::string name;
  std::vector<Shape> inputs;
  std::function<Tensors(const Tensors&)> run;
};

const Shape kImage{4, 6, 5, 7};

Tensor chain(const Tensor& x, const std::function<Tensor(const Tensor&)>& f) { return f(x * 2.0) + x; }

std::vector<Row> rows() {
  std::vector<Row> out;
  const auto add_unary = [&](const std::string& name, std::function<Tensor(const Tensor&)> f) {
    out.push_back({name, {kImage}, [f](const Tensors& in) { return Tensors{chain(in[0], f)}; }});
  };
  const auto positive = [](const Tensor& x) { return abs(x) + 0.5; };
  add_unary("relu", relu);
  add_unary("relu6", relu6);
  add_unary("leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.2); });
  add_unary("elu", [](const Tensor& x) { return elu(x, 0.7); });
  add_unary("sigmoid", sigmoid);
  add_unary("tanh", tanh);
  add_unary("silu", silu);
  add_unary("gelu", gelu);
  add_unary("hardswish", hardswish);
  add_unary("hardsigmoid", hardsigmoid);
  add_unary("mish", mish);
  add_unary("neg", neg);
  add_unary("abs", abs);
  add_unary("sign", sign);
  add_unary("square", square);
  add_unary("sqrt", [=](const Tensor& x) { return sqrt(positive(x)); });
  add_unary("rsqrt", [=](const Tensor& x) { return rsqrt(positive(x)); });
  add_unary("exp", exp);
  add_unary("log", [=](const Tensor& x) { return log(positive(x)); });
  add_unary("reciprocal", [=](const Tensor& x) { return reciprocal(positive(x)); });
  add_unary("floor", floor);
  add_unary("erf", erf);
  add_unary("clamp", [](const Tensor& x) { return clamp(x, -0.5, 0.25); });
  add_unary("cast", [](const Tensor& x) { return cast(cast(x, DType::bf16), DType::f32); });
  add_unary("dropout", [](const Tensor& x) { return dropout(x, 0.4, RandomKey{5}); });
  add_unary("softmax", [](const Tensor& x) { return softmax(x, 1); });
  add_unary("log_softmax", [](const Tensor& x) { return log_softmax(x, 3); });
  add_unary("contiguous", [](const Tensor& x) { return contiguous(transpose(transpose(x, 2, 3) * 2.0, 2, 3)); });

  const auto add_binary = [&](const std::string& name, std::function<Tensor(const Tensor&, const Tensor&)> f) {
    out.push_back({name, {kImage, kImage}, [f](const Tensors& in) {
                     const Tensor a = in[0] * 3.0, b = in[1] * 0.5, row = sum(in[1], {2, 3}, true);
                     return Tensors{f(a, b) + f(b, row), f(row, a)};
                   }});
  };
  add_binary("add", add);
  add_binary("sub", sub);
  add_binary("mul", mul);
  add_binary("div", [=](const Tensor& a, const Tensor& b) { return div(a, positive(b)); });
  add_binary("pow", [=](const Tensor& a, const Tensor& b) { return pow(positive(a), b); });
  add_binary("maximum", [](const Tensor& a, const Tensor& b) { return maximum(a, b); });
  add_binary("minimum", [](const Tensor& a, const Tensor& b) { return minimum(a, b); });
  const auto compare = [&](const std::string& name, std::function<Tensor(const Tensor&, const Tensor&)> f) {
    add_binary(name, [f](const Tensor& a, const Tensor& b) { return where(f(a, b), a * 2.0, b); });
  };
  compare("eq", [](const Tensor& a, const Tensor& b) { return eq(floor(a), floor(b)); });
  compare("ne", [](const Tensor& a, const Tensor& b) { return ne(floor(a), floor(b)); });
  compare("lt", [](const Tensor& a, const Tensor& b) { return lt(a, b); });
  compare("le", [](const Tensor& a, const Tensor& b) { return le(a, b); });
  compare("gt", [](const Tensor& a, const Tensor& b) { return gt(a, b); });
  compare("ge", [](const Tensor& a, const Tensor& b) { return ge(a, b); });

  const auto add = [&](const std::string& name, std::vector<Shape> in, std::function<Tensors(const Tensors&)> f) {
    out.push_back({name, std::move(in), std::move(f)});
  };
  add("sum", {kImage},
      [](const Tensors& in) { return Tensors{sum(in[0], {2}), sum(in[0]), sum(in[0], {1, 3}, true)}; });
  add("mean", {kImage}, [](const Tensors& in) { return Tensors{mean(in[0], {2, 3}), mean(in[0], {0})}; });
  add("amax", {kImage}, [](const Tensors& in) { return Tensors{amax(in[0], {1}), amin(in[0], {2, 3}, true)}; });
  add("var", {kImage}, [](const Tensors& in) { return Tensors{var(in[0], {1})}; });
  add("argmax", {kImage}, [](const Tensors& in) { return Tensors{argmax(in[0], 1)}; });
  add("views", {kImage}, [](const Tensors& in) {
    const Tensor x = in[0] * 2.0, flat = flatten(x, 1);
    return Tensors{flat, reshape(relu(flat), {0, 5, 42}), permute(x, {0, 2, 3, 1}), transpose(flat, 0, 1) * 2.0};
  });
  add("expand", {{4, 1, 5, 7}}, [](const Tensors& in) {
    const Tensor wide = expand(in[0] * 2.0, {-1, 3, -1, -1});
    return Tensors{wide, wide * 2.0};
  });
  add("slice", {kImage}, [](const Tensors& in) {
    const Tensor x = relu(in[0]);
    return Tensors{slice(x, 1, 1, 5, 2), neg(slice(x, 3, 2, 6)), select(x, 2, 3)};
  });
  add("pad", {kImage}, [](const Tensors& in) { return Tensors{pad(in[0], {0, 0, 1, -1}, {0, 2, -2, 3}, 0.5)}; });
  add("gather", {{4, 9}}, [](const Tensors& in) {
    return Tensors{gather(in[0], 1, reshape(cast(argmax(in[0], 1), DType::i64), {-1, 1}))};
  });
  add("concat", {kImage, {4, 2, 5, 7}},
      [](const Tensors& in) { return Tensors{concat({relu(in[0]), in[1], neg(in[1])}, 1)}; });
  add("matmul", {{4, 3, 6}, {4, 6, 5}}, [](const Tensors& in) { return Tensors{matmul(in[0] * 2.0, in[1])}; });
  add("linear", {{4, 10}}, [](const Tensors& in) {
    const Tensor h = relu(linear(in[0], random({8, 10}, 1), random({8}, 2)));
    return Tensors{linear(h, random({3, 8}, 3))};
  });
  add("conv2d", {kImage}, [](const Tensors& in) {
    const Tensor h = conv2d(in[0], random({8, 6, 3, 3}, 1), random({8}, 2), {.padding = 1});
    const Tensor g = conv2d(relu(h), random({8, 2, 3, 3}, 3), {}, {.stride = 2, .padding = 1, .groups = 4});
    return Tensors{conv2d(g, random({5, 8, 1, 1}, 4))};
  });
  for (const Activation kind : {Activation::relu, Activation::relu6, Activation::leaky_relu, Activation::elu,
                                Activation::sigmoid, Activation::tanh, Activation::silu, Activation::gelu,
                                Activation::hardswish, Activation::hardsigmoid, Activation::mish})
    add("conv2d_fused" + std::to_string(static_cast<int>(kind)), {kImage}, [kind](const Tensors& in) {
      const Tensor w = random({6, 6, 3, 3}, 1);
      const Tensor h = activate(conv2d(in[0], w, random({6}, 2), {.padding = 1}), kind, 0.3);
      return Tensors{activate(conv2d(h, w, random({6}, 4), {.padding = 1}) + h, kind, 0.3)};
    });
  add("conv2d_depthwise_pointwise", {kImage}, [](const Tensors& in) {
    const Tensor w = random({6, 1, 3, 3}, 1), v = random({6, 6, 1, 1}, 3), x = tanh(in[0]);
    const Tensor h = relu6(conv2d(x, w, random({6}, 2), {.padding = 1, .groups = 6}));
    return Tensors{relu(conv2d(h, v, random({6}, 4)) + x)};
  });
  add("conv2d_siblings", {kImage}, [](const Tensors& in) {
    const Tensor x = tanh(in[0]);
    return Tensors{silu(conv2d(x, random({6, 6, 1, 1}, 1), random({6}, 2)) + x), conv2d(x, random({9, 6, 1, 1}, 3))};
  });
  add("batch_norm", {kImage}, [](const Tensors& in) {
    const auto norm = [](const Tensor& x) {
      return batch_norm(x, random({6}, 1), abs(random({6}, 2)) + 0.1, random({6}, 3), random({6}, 4));
    };
    return Tensors{relu(norm(in[0] * 2.0)), tanh(norm(in[0] * 3.0))};
  });
  add("batch_norm_train", {kImage}, [](const Tensors& in) {
    const auto r = batch_norm_train_fused(in[0], random({6}, 3), random({6}, 4), in[0], true);
    return Tensors{r.y, r.mean, r.var};
  });
  add("max_pool2d", {kImage},
      [](const Tensors& in) { return Tensors{max_pool2d(relu(in[0]), {.kernel = 3, .stride = 2, .padding = 1})}; });
  add("avg_pool2d", {kImage}, [](const Tensors& in) {
    return Tensors{avg_pool2d(relu(in[0]), {.kernel = 2, .ceil_mode = false, .count_include_pad = false}),
                   adaptive_avg_pool2d(in[0], {2, 3})};
  });
  add("gradients", {{4, 6, 6, 6}}, [](const Tensors& in) {
    const Tensor w = random({4, 6, 3, 3}, 1);
    Tensor x = in[0];
    const auto loss = [&](const Tensor& at) {
      return sum(softmax(mean(avg_pool2d(relu(conv2d(at, w, {}, {.padding = 1})), {.kernel = 2}), {2, 3})));
    };
    x = x * 1.0;
    x.set_requires_grad();
    return grad({loss(x)}, {x});
  });
  return out;
}

class EngineOps : public ::testing::TestWithParam<Row> {};

TEST_P(EngineOps, RunsAsTheGraph) { expect_compiles(GetParam().run, GetParam().inputs); }

TEST_P(EngineOps, RunsUnoptimised) {
  CompileOptions options{.elide_concats = false, .time_tactics = false};
  for (const std::string& pass : pass_names()) options.disabled_passes.insert(pass);
  expect_compiles(GetParam().run, GetParam().inputs, options);
}

INSTANTIATE_TEST_SUITE_P(All, EngineOps, ::testing::ValuesIn(rows()), [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ingot::testing
