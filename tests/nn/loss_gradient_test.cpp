// Gradients of the losses in random cases: shapes, strides, options and reductions that nobody chose.
#include <gmock/gmock.h>

#include <limits>
#include <set>

#include "cases.h"
#include "ingot/losses.h"
#include "ops/random_case.h"

namespace ingot::test {
namespace {

Reduction draw_reduction(RandomCase& c) { return c.pick({Reduction::none, Reduction::mean, Reduction::sum}); }

std::optional<Tensor> maybe_constant(RandomCase& c, const Shape& shape) {
  if (c.chance()) return std::nullopt;
  return uniform(shape, 0.5, 2, RandomKey{static_cast<uint64_t>(c.number(0, 1000))}, DType::f64);
}

/// Scores [N,C,d...] or [C], and a class each.
struct Classes {
  Shape shape;
  int64_t classes;
  Operand x;
  Tensor target;

  Classes(RandomCase& c, int64_t least_rank, int64_t most_rank, int64_t least_classes = 1)
      : shape(c.shape(least_rank, most_rank)) {
    Dim& d = shape[shape.size() == 1 ? 0 : 1];
    classes = std::max(d.value(), least_classes);
    d = classes;
    x = c.operand(shape);
    Shape rest = shape;
    rest.erase(shape.size() == 1 ? 0 : 1);
    target = c.indices(rest, classes);
  }
};

/// Targets that need not count, by a class's own index or the usual one.
int64_t draw_ignored(RandomCase& c, Classes& s) {
  if (c.chance(40)) return c.number(0, s.classes - 1);
  if (c.chance()) s.target = where(c.booleans(s.target.shape()), s.target, full({}, -100, DType::i64));
  return -100;
}

Body draw_cross_entropy(RandomCase& c) {
  Classes s(c, 1, 4);
  CrossEntropyOptions o{.weight = maybe_constant(c, {s.classes}),
                        .label_smoothing = c.chance() ? c.real(0, 1) : 0,
                        .reduction = draw_reduction(c)};
  if (c.chance(40)) {
    const Operand soft = c.operand(s.shape, kProbability);
    return [=](const Operands& in) { return cross_entropy(in[s.x], in[soft], o); };
  }
  o.ignore_index = draw_ignored(c, s);
  return [=](const Operands& in) { return cross_entropy(in[s.x], s.target, o); };
}

Body draw_cross_entropy_sum(RandomCase& c) {
  Classes s(c, 1, 4);
  const CrossEntropyOptions o{.weight = maybe_constant(c, {s.classes}), .ignore_index = draw_ignored(c, s)};
  return [=](const Operands& in) { return cross_entropy_sum(in[s.x], s.target, o).sum; };
}

Body draw_nll(RandomCase& c, bool as_sum) {
  Classes s(c, 1, 4);
  const NllOptions o{
      .weight = maybe_constant(c, {s.classes}), .ignore_index = draw_ignored(c, s), .reduction = draw_reduction(c)};
  return [=](const Operands& in) {
    return as_sum ? nll_loss_sum(in[s.x], s.target, o).sum : nll_loss(in[s.x], s.target, o);
  };
}

Body draw_mean_of(RandomCase& c) {
  const Operand sum = c.operand({});
  const Tensor denominator = scalar(static_cast<double>(c.number(0, 3)), DType::f64);
  return [=](const Operands& in) { return mean_of({in[sum], denominator}); };
}

Body draw_kl_div(RandomCase& c) {
  const Shape shape = c.shape(1, 4);
  const bool logarithms = c.chance();
  const Operand x = c.operand(shape), target = c.operand(shape, logarithms ? kAny : kProbability);
  const KlDivOptions o{.reduction = c.pick({Reduction::none, Reduction::mean, Reduction::sum, Reduction::batchmean}),
                       .log_target = logarithms};
  return [=](const Operands& in) { return kl_div(in[x], in[target], o); };
}

Body draw_entropy(RandomCase& c) {
  const Shape shape = c.shape(1, 4);
  const Operand p = c.operand(shape, kProbability);
  const int64_t dim = c.dim(static_cast<int64_t>(shape.size()));
  return [=](const Operands& in) { return entropy(in[p], dim); };
}

Body draw_hinge(RandomCase& c) {
  const Shape shape = c.shape(0, 4);
  const Operand x = c.operand(shape);
  const Tensor target = c.chance() ? c.signs(shape) : cast(c.booleans(shape), DType::f64);
  const HingeOptions o{.squared = c.chance(), .reduction = draw_reduction(c)};
  return [=](const Operands& in) { return hinge_loss(in[x], target, o); };
}

Body draw_multi_margin(RandomCase& c) {
  const Classes s(c, 2, 2);
  const MultiMarginOptions o{.p = static_cast<int>(c.number(1, 2)),
                             .margin = c.gap(kAny),
                             .weight = maybe_constant(c, {s.classes}),
                             .reduction = draw_reduction(c)};
  return [=](const Operands& in) { return multi_margin_loss(in[s.x], s.target, o); };
}

Body draw_crammer_singer(RandomCase& c) {
  const Classes s(c, 2, 2, 2);
  const HingeOptions o{.squared = c.chance(), .reduction = draw_reduction(c)};
  return [=](const Operands& in) { return crammer_singer_loss(in[s.x], s.target, o); };
}

Body draw_multilabel_margin(RandomCase& c) {
  const Shape shape = c.shape(1, 2);
  const Operand x = c.operand(shape);
  const Tensor target = c.indices(shape, shape.back().value(), -1);
  const Reduction reduction = draw_reduction(c);
  return [=](const Operands& in) { return multilabel_margin_loss(in[x], target, reduction); };
}

Body draw_hinge_embedding(RandomCase& c) {
  const Shape shape = c.shape(0, 4);
  const Operand x = c.operand(shape);
  const Tensor target = c.signs(shape);
  const MarginOptions o{.margin = c.edge(kAny), .reduction = draw_reduction(c)};
  return [=](const Operands& in) { return hinge_embedding_loss(in[x], target, o); };
}

Body draw_margin_ranking(RandomCase& c) {
  const Shape shape = c.shape(0, 4);
  const Operand a = c.operand(c.broadcast(shape)), b = c.operand(c.broadcast(shape));
  const Tensor target = c.signs(c.broadcast(shape));
  const MarginOptions o{.margin = c.gap(kAny), .reduction = draw_reduction(c)};
  return [=](const Operands& in) { return margin_ranking_loss(in[a], in[b], target, o); };
}

/// Vectors of some length: the angle of one that is nearly 0 is anything.
Body draw_cosine_embedding(RandomCase& c) {
  Shape shape = c.shape(1, 2);
  if (shape.back() == 1) shape.back() = 2;  // else the cosine is a sign
  const Operand a = c.operand(shape, kPositive), b = c.operand(shape, kPositive);
  const double sign = c.pick({1.0, -1.0});
  const Tensor target = c.signs(shape.size() == 1 ? Shape{} : Shape{shape[0]});
  const MarginOptions o{.margin = c.real(-0.9, 0.9), .reduction = draw_reduction(c)};
  return [=](const Operands& in) { return cosine_embedding_loss(in[a] * sign, in[b], target, o); };
}

Body draw_soft_margin(RandomCase& c) {
  const Shape shape = c.shape(0, 4);
  const Operand x = c.operand(shape);
  const Tensor target = c.signs(shape);
  const Reduction reduction = draw_reduction(c);
  return [=](const Operands& in) { return soft_margin_loss(in[x], target, reduction); };
}

Body draw_triplet_margin(RandomCase& c) {
  const Shape shape = c.shape(1, 3);
  const Operand anchor = c.operand(shape), positive = c.operand(shape), negative = c.operand(shape);
  const TripletMarginOptions o{.margin = c.gap(kAny),
                               .p = c.pick({1.0, 2.0, 3.0, 4.5, std::numeric_limits<double>::infinity()}),
                               .swap = c.chance(),
                               .reduction = draw_reduction(c)};
  return [=](const Operands& in) { return triplet_margin_loss(in[anchor], in[positive], in[negative], o); };
}

Body draw_binary(RandomCase& c, bool logits) {
  const Shape shape = c.shape(0, 4);
  const Operand x = c.operand(shape, logits ? kAny : kProbability), target = c.operand(shape, kProbability);
  BinaryOptions o{.weight = maybe_constant(c, c.broadcast(shape)), .reduction = draw_reduction(c)};
  if (logits) o.pos_weight = maybe_constant(c, c.broadcast(shape));
  return [=](const Operands& in) {
    return logits ? binary_cross_entropy_with_logits(in[x], in[target], o) : binary_cross_entropy(in[x], in[target], o);
  };
}

Body draw_focal(RandomCase& c) {
  const Shape shape = c.shape(0, 4);
  const Operand x = c.operand(shape), target = c.operand(shape, kProbability);
  const FocalOptions o{.alpha = c.pick({-1.0, 0.0, 0.25, 1.0}),
                       .gamma = c.pick({0.0, 0.5, 1.0, 2.0, 3.0}),
                       .reduction = draw_reduction(c)};
  return [=](const Operands& in) { return sigmoid_focal_loss(in[x], in[target], o); };
}

Body draw_dice(RandomCase& c) {
  const Shape shape = c.shape(2, 4);
  const Operand x = c.operand(shape, kProbability), target = c.operand(shape, kProbability);
  const DiceOptions o{.smooth = c.real(0.5, 2), .reduction = draw_reduction(c)};
  return [=](const Operands& in) { return dice_loss(in[x], in[target], o); };
}

/// Losses of differences, with a parameter that lies where no difference does.
GradientCases of_difference(std::string name, Tensor (*f)(const Tensor&, const Tensor&, double, Reduction)) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Shape shape = c.shape(0, 4);
            const Operand x = c.operand(shape), target = c.operand(shape);
            const double number = c.gap(kAny);
            const Reduction reduction = draw_reduction(c);
            return [=](const Operands& in) { return f(in[x], in[target], number, reduction); };
          }};
}

Body draw_poisson(RandomCase& c) {
  const Shape shape = c.shape(0, 4);
  const PoissonNllOptions o{.log_input = c.chance(), .full = c.chance(), .reduction = draw_reduction(c)};
  const Operand x = c.operand(shape, o.log_input ? kAny : kPositive), target = c.operand(shape, kPositive);
  return [=](const Operands& in) { return poisson_nll_loss(in[x], in[target], o); };
}

Body draw_gaussian(RandomCase& c) {
  const Shape shape = c.shape(0, 4);
  Shape variances = shape;
  if (!shape.empty() && c.chance()) variances.back() = 1;
  const Operand x = c.operand(shape), target = c.operand(shape), variance = c.operand(variances, kPositive);
  const GaussianNllOptions o{.full = c.chance(), .reduction = draw_reduction(c)};
  return [=](const Operands& in) { return gaussian_nll_loss(in[x], in[target], in[variance], o); };
}

std::vector<GradientCases> all_losses() {
  return {
      {"cross_entropy", draw_cross_entropy},
      {"cross_entropy_sum", draw_cross_entropy_sum},
      {"nll_loss", [](RandomCase& c) { return draw_nll(c, false); }},
      {"nll_loss_sum", [](RandomCase& c) { return draw_nll(c, true); }},
      {"mean_of", draw_mean_of},
      {"kl_div", draw_kl_div},
      {"entropy", draw_entropy},
      {"hinge_loss", draw_hinge},
      {"multi_margin_loss", draw_multi_margin},
      {"crammer_singer_loss", draw_crammer_singer},
      {"multilabel_margin_loss", draw_multilabel_margin},
      {"hinge_embedding_loss", draw_hinge_embedding},
      {"margin_ranking_loss", draw_margin_ranking},
      {"cosine_embedding_loss", draw_cosine_embedding},
      {"soft_margin_loss", draw_soft_margin},
      {"triplet_margin_loss", draw_triplet_margin},
      {"binary_cross_entropy", [](RandomCase& c) { return draw_binary(c, false); }},
      {"binary_cross_entropy_with_logits", [](RandomCase& c) { return draw_binary(c, true); }},
      {"sigmoid_focal_loss", draw_focal},
      {"dice_loss", draw_dice},
      of_difference("mse_loss",
                    [](const Tensor& x, const Tensor& t, double, Reduction r) { return mse_loss(x, t, r); }),
      of_difference("l1_loss", [](const Tensor& x, const Tensor& t, double, Reduction r) { return l1_loss(x, t, r); }),
      of_difference("smooth_l1_loss", smooth_l1_loss),
      of_difference("huber_loss", huber_loss),
      {"poisson_nll_loss", draw_poisson},
      {"gaussian_nll_loss", draw_gaussian},
  };
}

class LossGradients : public testing::TestWithParam<GradientCases> {};

TEST_P(LossGradients, AgreeWithDifferencesInRandomCases) { EXPECT_EQ(wrong_gradient(GetParam(), cases(12)), ""); }

INSTANTIATE_TEST_SUITE_P(Random, LossGradients, testing::ValuesIn(all_losses()),
                         [](const auto& info) { return info.param.name; });

TEST(LossGradients, EveryLossIsAmongTheRandomCases) {
  std::vector<std::string> drawn;
  for (const GradientCases& each : all_losses()) drawn.push_back(each.name);
  EXPECT_THAT(functions_of("losses.h"), testing::UnorderedElementsAreArray(drawn));
}

}  // namespace
}  // namespace ingot::test
