#include "ops/attrs.h"
#include "ops/gradient_cases.h"
#include "ops/ops.h"

namespace ingot::test {
namespace {

double draw_eps(RandomCase& c) { return c.pick({1e-2, 0.1, 1.0}); }

/// [N,C,...] with more than one value a channel.
Shape batch_shape(RandomCase& c) {
  Shape shape = c.shape(2, 5);
  if (numel(shape) == shape[1]) shape[0] = 2;
  return shape;
}

Body draw_batch_norm_train(RandomCase& c) {
  const Shape shape = batch_shape(c);
  const Operand x = c.operand(shape), gamma = c.maybe_operand({shape[1]});
  const Operand beta = gamma.given ? c.operand({shape[1]}) : gamma;
  const double eps = draw_eps(c);
  return [=](const Operands& in) { return batch_norm_train(in[x], in.optional(gamma), in.optional(beta), eps).y; };
}

Body draw_batch_norm_train_fused(RandomCase& c) {
  const Shape shape = batch_shape(c);
  const Operand x = c.operand(shape), gamma = c.maybe_operand({shape[1]});
  const Operand beta = gamma.given ? c.operand({shape[1]}) : gamma, residual = c.maybe_operand(shape);
  const bool relu = c.chance();
  const double eps = draw_eps(c);
  return [=](const Operands& in) {
    return batch_norm_train_fused(in[x], in.optional(gamma), in.optional(beta), in.optional(residual), relu, eps).y;
  };
}

Body draw_batch_norm(RandomCase& c, bool relu) {
  const Shape shape = c.shape(2, 5), channels{shape[1]};
  const Operand x = c.operand(shape), mean = c.operand(channels), var = c.operand(channels, kPositive);
  const Operand gamma = c.maybe_operand(channels), beta = gamma.given ? c.operand(channels) : gamma;
  const double eps = draw_eps(c);
  return [=](const Operands& in) {
    return (relu ? batch_norm_relu : batch_norm)(in[x], in[mean], in[var], in.optional(gamma), in.optional(beta), eps);
  };
}

Body draw_layer_norm(RandomCase& c) {
  const Shape shape = c.shape(1, 5);
  Shape last;
  for (auto d = static_cast<size_t>(c.number(0, static_cast<int64_t>(shape.size()) - 1)); d < shape.size(); ++d)
    last.push_back(shape[d]);
  const Operand x = c.operand(shape), gamma = c.maybe_operand(last);
  const Operand beta = gamma.given ? c.maybe_operand(last) : gamma;
  const double eps = draw_eps(c);
  return [=](const Operands& in) { return layer_norm(in[x], last, in.optional(gamma), in.optional(beta), eps); };
}

Body draw_group_norm(RandomCase& c) {
  const int64_t groups = c.number(1, 3);
  Shape shape = c.shape(2, 4);
  shape[1] = groups * c.number(1, 3);
  const Operand x = c.operand(shape), gamma = c.maybe_operand({shape[1]}), beta = c.maybe_operand({shape[1]});
  const double eps = draw_eps(c);
  return [=](const Operands& in) { return group_norm(in[x], groups, in.optional(gamma), in.optional(beta), eps); };
}

Body draw_instance_norm(RandomCase& c) {
  Shape shape = c.shape(3, 5);
  if (numel(shape) == shape[0] * shape[1]) shape[2] = 2;
  const Operand x = c.operand(shape), gamma = c.maybe_operand({shape[1]}), beta = c.maybe_operand({shape[1]});
  const double eps = draw_eps(c);
  return [=](const Operands& in) { return instance_norm(in[x], in.optional(gamma), in.optional(beta), eps); };
}

Body draw_cross_entropy(RandomCase& c) {
  const Shape shape = c.shape(2, 4);
  const int64_t classes = shape[1].value();
  Shape rest = shape;
  rest.erase(1);
  const Operand x = c.operand(shape);
  const Tensor target = c.indices(rest, classes);
  std::optional<Tensor> weight;
  if (c.chance()) weight = uniform({classes}, 0.5, 2, RandomKey{static_cast<uint64_t>(c.number(0, 1000))}, DType::f64);
  const CrossEntropyAttrs attrs{.ignore_index = c.number(-1, classes - 1),
                                .label_smoothing = c.chance() ? c.real(0, 1) : 0};
  return [=](const Operands& in) { return cross_entropy_elements(in[x], target, weight, attrs).loss; };
}

Body draw_dropout(RandomCase& c) {
  const Operand x = c.operand(c.shape(1, 5));
  const double p = c.real(0, 0.9);
  const RandomKey key{static_cast<uint64_t>(c.number(0, 1000))};
  const auto counter = static_cast<uint64_t>(c.number(0, 1000));
  return [=](const Operands& in) { return dropout(in[x], p, key, counter); };
}

}  // namespace

std::vector<GradientCases> normalisation_gradients() {
  return {
      {"batch_norm_train", draw_batch_norm_train},
      {"batch_norm_train_fused", draw_batch_norm_train_fused},
      {"batch_norm", [](RandomCase& c) { return draw_batch_norm(c, false); }},
      {"batch_norm_relu", [](RandomCase& c) { return draw_batch_norm(c, true); }},
      {"layer_norm", draw_layer_norm},
      {"group_norm", draw_group_norm},
      {"instance_norm", draw_instance_norm},
      {"cross_entropy", draw_cross_entropy},
      {"dropout", draw_dropout},
  };
}

}  // namespace ingot::test
