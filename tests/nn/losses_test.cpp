#include "ingot/losses.h"

#include <gmock/gmock.h>

#include "error_of.h"
#include "golden.h"
#include "nn/wave.h"

namespace ingot {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

const double kTolerance = 1e-9;

struct Scores {
  Tensor x = wave({4, 3}).set_requires_grad();
  Tensor target = from_vector<int64_t>({0, 2, 1, 2}, {4});
  Tensor weight = from_vector<double>({0.5, 1, 2}, {3});
  Tensor soft = softmax(wave({4, 3}, 0.7, 0.2), 1);
};

void expect(const Tensor& loss, const std::vector<double>& values) {
  EXPECT_THAT(loss.to_vector<double>(), Pointwise(DoubleNear(kTolerance), values));
}

// ---- What PyTorch computes

using Run = std::function<Tensor(const Tensors&, Reduction)>;

/// A loss in the three reductions that all of them have.
std::vector<GoldenCase> reductions(const std::string& name, const Run& run) {
  std::vector<GoldenCase> cases;
  for (const auto& [reduction, text] :
       {std::pair(Reduction::none, ".none"), std::pair(Reduction::mean, ".mean"), std::pair(Reduction::sum, ".sum")})
    cases.push_back({name + text, [run, reduction = reduction](const Tensors& in) { return run(in, reduction); }});
  return cases;
}

std::vector<GoldenCase> cross_entropy_case(const std::string& name, const CrossEntropyOptions& options = {}) {
  return reductions("cross_entropy" + name, [options](const Tensors& in, Reduction reduction) {
    CrossEntropyOptions all = options;
    all.reduction = reduction;
    if (in.size() > 2) all.weight = in[2];
    return cross_entropy(in[0], in[1], all);
  });
}

std::vector<GoldenCase> multi_margin_case(const std::string& name, const MultiMarginOptions& options) {
  return reductions("multi_margin." + name, [options](const Tensors& in, Reduction reduction) {
    MultiMarginOptions all = options;
    all.reduction = reduction;
    if (in.size() > 2) all.weight = in[2];
    return multi_margin_loss(in[0], in[1], all);
  });
}

std::vector<GoldenCase> kl_div_case(const std::string& name, bool log_target) {
  const auto run = [log_target](const Tensors& in, Reduction reduction) {
    return kl_div(log_softmax(in[0], 1), in[1], {.reduction = reduction, .log_target = log_target});
  };
  auto cases = reductions(name, run);
  cases.push_back({name + ".batchmean", [run](const Tensors& in) { return run(in, Reduction::batchmean); }});
  return cases;
}

std::vector<GoldenCase> triplet_case(const std::string& name, const TripletMarginOptions& options) {
  return reductions("triplet" + name, [options](const Tensors& in, Reduction reduction) {
    TripletMarginOptions all = options;
    all.reduction = reduction;
    return triplet_margin_loss(in[0], in[1], in[2], all);
  });
}

Tensor logits(const Tensors& in, Reduction reduction) {
  return binary_cross_entropy_with_logits(in[0], in[1], {.reduction = reduction});
}

std::vector<GoldenCase> golden_cases() {
  const std::vector<std::vector<GoldenCase>> lists{
      cross_entropy_case(""),
      cross_entropy_case(".weight"),
      cross_entropy_case(".ignore", {.ignore_index = 2}),
      cross_entropy_case(".smoothing", {.label_smoothing = 0.3}),
      cross_entropy_case(".everything", {.ignore_index = 2, .label_smoothing = 0.1}),
      cross_entropy_case(".soft"),
      cross_entropy_case(".soft_everything", {.label_smoothing = 0.2}),
      cross_entropy_case(".huge"),
      cross_entropy_case(".image", {.label_smoothing = 0.1}),
      cross_entropy_case(".single"),
      cross_entropy_case(".batch_of_one"),
      reductions("nll",
                 [](const Tensors& in, Reduction reduction) {
                   return nll_loss(in[0], in[1], {.weight = in[2], .ignore_index = 1, .reduction = reduction});
                 }),
      reductions("mse", [](const Tensors& in, Reduction reduction) { return mse_loss(in[0], in[1], reduction); }),
      reductions("hinge", [](const Tensors& in,
                             Reduction reduction) { return hinge_loss(in[0], in[1], {.reduction = reduction}); }),
      reductions("squared_hinge",
                 [](const Tensors& in, Reduction reduction) {
                   return hinge_loss(in[0], in[1], {.squared = true, .reduction = reduction});
                 }),
      multi_margin_case("1", {}),
      multi_margin_case("2", {.p = 2}),
      multi_margin_case("1.weight", {.margin = 0.7}),
      multi_margin_case("2.weight", {.p = 2, .margin = 0.7}),
      reductions("crammer_singer",
                 [](const Tensors& in, Reduction r) { return crammer_singer_loss(in[0], in[1], {.reduction = r}); }),
      reductions("multilabel_margin",
                 [](const Tensors& in, Reduction r) { return multilabel_margin_loss(in[0], in[1], r); }),
      reductions("multilabel_margin.single",
                 [](const Tensors& in, Reduction r) { return multilabel_margin_loss(in[0], in[1], r); }),
      reductions("hinge_embedding",
                 [](const Tensors& in, Reduction r) {
                   return hinge_embedding_loss(in[0], in[1], {.margin = 0.8, .reduction = r});
                 }),
      reductions("margin_ranking",
                 [](const Tensors& in, Reduction r) {
                   return margin_ranking_loss(in[0], in[1], in[2], {.margin = 0.3, .reduction = r});
                 }),
      reductions("cosine_embedding",
                 [](const Tensors& in, Reduction r) {
                   return cosine_embedding_loss(in[0], in[1], in[2], {.margin = 0.2, .reduction = r});
                 }),
      reductions("soft_margin", [](const Tensors& in, Reduction r) { return soft_margin_loss(in[0], in[1], r); }),
      triplet_case("", {}),
      triplet_case(".swap", {.margin = 2, .swap = true}),
      triplet_case(".cubic", {.margin = 0.5, .p = 3}),
      triplet_case(".city", {.p = 1, .eps = 1e-3}),
      reductions("bce",
                 [](const Tensors& in, Reduction r) { return binary_cross_entropy(in[0], in[1], {.reduction = r}); }),
      reductions("bce.weight",
                 [](const Tensors& in, Reduction r) {
                   return binary_cross_entropy(in[0], in[1], {.weight = in[2], .reduction = r});
                 }),
      reductions("bce_logits", logits),
      reductions("bce_logits.huge", logits),
      reductions("bce_logits.weights",
                 [](const Tensors& in, Reduction r) {
                   return binary_cross_entropy_with_logits(in[0], in[1],
                                                           {.weight = in[2], .pos_weight = in[3], .reduction = r});
                 }),
      reductions("focal",
                 [](const Tensors& in, Reduction r) { return sigmoid_focal_loss(in[0], in[1], {.reduction = r}); }),
      reductions("focal.plain",
                 [](const Tensors& in, Reduction r) {
                   return sigmoid_focal_loss(in[0], in[1], {.alpha = -1, .gamma = 0.5, .reduction = r});
                 }),
      reductions("dice", [](const Tensors& in,
                            Reduction r) { return dice_loss(in[0], in[1], {.smooth = 0.5, .reduction = r}); }),
      reductions("l1", [](const Tensors& in, Reduction r) { return l1_loss(in[0], in[1], r); }),
      reductions("smooth_l1", [](const Tensors& in, Reduction r) { return smooth_l1_loss(in[0], in[1], 0.7, r); }),
      reductions("huber", [](const Tensors& in, Reduction r) { return huber_loss(in[0], in[1], 0.7, r); }),
      reductions("poisson",
                 [](const Tensors& in, Reduction r) { return poisson_nll_loss(in[0], in[1], {.reduction = r}); }),
      reductions("poisson.full",
                 [](const Tensors& in, Reduction r) {
                   return poisson_nll_loss(in[0], in[1],
                                           {.log_input = false, .full = true, .eps = 1e-3, .reduction = r});
                 }),
      reductions("gaussian",
                 [](const Tensors& in, Reduction r) {
                   return gaussian_nll_loss(in[0], in[1], in[2], {.eps = 1e-3, .reduction = r});
                 }),
      reductions("gaussian.shared",
                 [](const Tensors& in, Reduction r) {
                   return gaussian_nll_loss(in[0], in[1], in[2], {.full = true, .reduction = r});
                 }),
      kl_div_case("kl_div", false),
      kl_div_case("kl_div.log_target", true),
      {{"entropy", [](const Tensors& in) { return entropy(in[0]); }}},
  };
  std::vector<GoldenCase> cases;
  for (const auto& list : lists) cases.insert(cases.end(), list.begin(), list.end());
  return cases;
}

class Losses : public testing::TestWithParam<GoldenCase> {};

TEST_P(Losses, ArePyTorchs) { expect_golden("losses", GetParam()); }

INSTANTIATE_TEST_SUITE_P(Golden, Losses, testing::ValuesIn(golden_cases()), golden_name);

// ---- What else they promise

TEST(CrossEntropy, PartsOfABatchAddUpToItsMean) {
  const Scores s;
  const CrossEntropyOptions options{.weight = s.weight, .ignore_index = 1};
  const LossSum a = cross_entropy_sum(slice(s.x, 0, 0, 1), slice(s.target, 0, 0, 1), options);
  const LossSum b = cross_entropy_sum(slice(s.x, 0, 1, 4), slice(s.target, 0, 1, 4), options);
  const LossSum whole{a.sum + b.sum, a.denominator + b.denominator};
  EXPECT_NEAR(mean_of(whole).item<double>(), cross_entropy(s.x, s.target, options).item<double>(), kTolerance);
  EXPECT_EQ(whole.denominator.item<double>(), 4.5);
}

TEST(CrossEntropy, AllIgnoredIsZeroWithoutGradient) {
  const Scores s;
  const Tensor loss = cross_entropy(s.x, full({4}, -100, DType::i64));
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_THAT(grad({loss}, {s.x})[0].to_vector<double>(), testing::Each(0.0));
}

TEST(CrossEntropy, IsStableForHugeScores) {
  Tensor x = from_vector<float>({1e4F, -1e4F, 0, -1e4F, 1e4F, 0}, {2, 3}).set_requires_grad();
  const Tensor loss = cross_entropy(x, from_vector<int64_t>({0, 0}, {2}), {.reduction = Reduction::none});
  EXPECT_THAT(loss.to_vector<float>(), testing::ElementsAre(0, 2e4F));
  EXPECT_THAT(grad({sum(loss)}, {x})[0].to_vector<float>(), testing::ElementsAre(0, 0, 0, -1, 1, 0));
}

TEST(CrossEntropy, IsDivergencePlusEntropy) {
  const Scores s;
  const Tensor divergence = kl_div(log_softmax(s.x, 1), s.soft, {.reduction = Reduction::batchmean});
  EXPECT_NEAR(cross_entropy(s.x, s.soft).item<double>(), (divergence + mean(entropy(s.soft))).item<double>(), 1e-12);
}

TEST(CrossEntropy, GradientsAgreeWithFiniteDifferences) {
  const Scores s;
  gradcheck(
      [&](const Tensors& in) {
        return Tensors{cross_entropy(in[0], s.target, {.weight = s.weight, .label_smoothing = 0.2})};
      },
      {detach(s.x)}, {.second = true});
  gradcheck([&](const Tensors& in) { return Tensors{cross_entropy(in[0], softmax(in[1], 1), {.weight = s.weight})}; },
            {detach(s.x), wave({4, 3}, 0.3)});
}

TEST(CrossEntropy, RefusesWhatDoesNotFit) {
  const Scores s;
  EXPECT_EQ(error_of([&] { cross_entropy(s.x, zeros({3}, DType::i64)); }),
            "[cross_entropy] the target [3] must be [4] for scores [4, 3]");
  EXPECT_EQ(error_of([&] { cross_entropy(s.x, full({4}, 3, DType::i64)); }),
            "[cross_entropy] the target 3 is outside [0, 3)");
  EXPECT_EQ(error_of([&] { cross_entropy(s.x, zeros({4})); }),
            "[cross_entropy] class indices must be i64, the target is f32");
  EXPECT_EQ(error_of([&] { cross_entropy(s.x, s.target, {.weight = ones({4})}); }),
            "[cross_entropy] the class weights [4] must be [3]");
  EXPECT_EQ(error_of([&] { cross_entropy(s.x, s.target, {.label_smoothing = 2}); }),
            "[cross_entropy] label_smoothing is 2, it must be between 0 and 1");
  EXPECT_EQ(error_of([&] { cross_entropy(s.x, s.target, {.reduction = Reduction::batchmean}); }),
            "[cross_entropy] the reduction batchmean is for kl_div only");
}

TEST(KlDiv, HasNoNaNAtZeroTargets) {
  Tensor log_q = from_vector<double>({-INFINITY, 0}, {1, 2}).set_requires_grad();
  Tensor p = from_vector<double>({0, 1}, {1, 2}).set_requires_grad();
  const Tensor loss = kl_div(log_q, p, {.reduction = Reduction::sum});
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_THAT(grad({loss}, {log_q})[0].to_vector<double>(), testing::ElementsAre(0, -1));
}

TEST(Entropy, IsZeroForCertaintyAndLogOfTheNumberForEvenOdds) {
  expect(entropy(from_vector<double>({1, 0, 0, 0, 0.25, 0.25, 0.25, 0.25}, {2, 4})), {0, std::log(4.0)});
}

TEST(Mse, IsTheMeanOfSquares) {
  expect(mse_loss(from_vector<double>({1, 2}, {2}), from_vector<double>({4, 0}, {2})), {6.5});
  EXPECT_EQ(error_of([] { mse_loss(ones({2}), ones({2, 1})); }),
            "[mse_loss] the target [2, 1] must have the shape [2] of the input");
}

TEST(Hinge, CountsWhatIsWithinTheMargin) {
  const Tensor x = from_vector<double>({2, 0.5, -1, -3}, {4});
  const Tensor y = from_vector<double>({1, 1, 1, -1}, {4}), binary = from_vector<double>({1, 1, 1, 0}, {4});
  for (const Tensor& target : {y, binary}) {
    expect(hinge_loss(x, target, {.reduction = Reduction::none}), {0, 0.5, 2, 0});
    expect(hinge_loss(x, target, {.squared = true}), {4.25 / 4});
  }
  EXPECT_EQ(error_of([&] { hinge_loss(x, full({4}, 2)); }), "[hinge_loss] the target 2 is neither +1 nor -1 (or 0)");
}

TEST(MultiMargin, RefusesWhatDoesNotFit) {
  const Scores s;
  EXPECT_EQ(error_of([&] { multi_margin_loss(s.x, s.target, {.p = 3}); }),
            "[multi_margin_loss] p is 3, it must be 1 or 2");
  EXPECT_EQ(error_of([&] { multi_margin_loss(s.x, full({4}, -1, DType::i64)); }),
            "[multi_margin_loss] the target -1 is outside [0, 3)");
}

// ---- Scores of any size

TEST(Losses, AreFiniteForHugeScores) {
  const Tensor far = from_vector<float>({1e4F, -1e4F, 0, -1e4F, 1e4F, 0}, {2, 3});
  const Tensor signs = from_vector<float>({1, 1, 1, -1, -1, -1}, {2, 3}), classes = from_vector<int64_t>({0, 0}, {2});
  const Tensor binary = (signs + 1.0) / 2.0;
  const std::vector<std::function<Tensor(const Tensor&)>> all{
      [&](const Tensor& x) { return crammer_singer_loss(x, classes); },
      [&](const Tensor& x) { return multi_margin_loss(x, classes, {.p = 2}); },
      [&](const Tensor& x) { return soft_margin_loss(x, signs); },
      [&](const Tensor& x) { return binary_cross_entropy_with_logits(x, binary); },
      [&](const Tensor& x) { return binary_cross_entropy(sigmoid(x), binary); },
      [&](const Tensor& x) { return sigmoid_focal_loss(x, binary); },
      [&](const Tensor& x) { return sigmoid_focal_loss(x, binary, {.gamma = 0.5}); },
      [&](const Tensor& x) { return dice_loss(sigmoid(x), binary); },
      [&](const Tensor& x) { return cosine_embedding_loss(x, neg(x), from_vector<float>({1, -1}, {2})); },
      [&](const Tensor& x) { return huber_loss(x, signs); },
  };
  for (size_t i = 0; i < all.size(); ++i) {
    const Tensor x = clone(far).set_requires_grad();
    const Tensor loss = all[i](x);
    EXPECT_TRUE(std::isfinite(loss.item<float>())) << i;
    for (const float g : grad({loss}, {x})[0].to_vector<float>()) EXPECT_TRUE(std::isfinite(g)) << i;
  }
  const auto of_one = [](double logit, double t) {
    return binary_cross_entropy_with_logits(scalar(logit), scalar(t)).item<float>();
  };
  EXPECT_EQ(of_one(1e4, 0), 1e4F);
  EXPECT_EQ(of_one(-1e4, 0), 0);
  EXPECT_EQ(of_one(-1e4, 1), 1e4F);
}

TEST(Losses, ABoundedLogarithmHasNoNaN) {
  const Tensor p = from_vector<float>({0, 1, 0, 1}, {4}).set_requires_grad();
  const Tensor loss = binary_cross_entropy(p, from_vector<float>({0, 1, 1, 0}, {4}), {.reduction = Reduction::none});
  EXPECT_THAT(loss.to_vector<float>(), testing::ElementsAre(0, 0, 100, 100));
  for (const float g : grad({sum(loss)}, {p})[0].to_vector<float>()) EXPECT_TRUE(std::isfinite(g));
}

TEST(Losses, SecondDerivativesAgreeWithFiniteDifferences) {
  const Tensor x = wave({4, 3}), other = wave({4, 3}, 0.7, 0.4), third = wave({4, 3}, 0.3, 2.0);
  const Tensor classes = from_vector<int64_t>({0, 2, 1, 2}, {4});
  const Tensor signs = from_vector<double>({1, -1, -1, 1}, {4});
  const Tensor binary = cast(other > 0.0, DType::f64);
  using Loss = std::function<Tensor(const Tensors&)>;
  const std::vector<std::pair<Loss, Tensors>> all{
      {[&](const Tensors& in) { return multi_margin_loss(in[0], classes, {.p = 2}); }, {x}},
      {[&](const Tensors& in) { return crammer_singer_loss(in[0], classes, {.squared = true}); }, {x}},
      {[&](const Tensors& in) { return cosine_embedding_loss(in[0], in[1], signs); }, {x, other}},
      {[&](const Tensors& in) { return triplet_margin_loss(in[0], in[1], in[2], {.margin = 5}); }, {x, other, third}},
      {[&](const Tensors& in) { return soft_margin_loss(in[0], binary * 2.0 - 1.0); }, {x}},
      {[&](const Tensors& in) { return binary_cross_entropy(sigmoid(in[0]), sigmoid(in[1])); }, {x, other}},
      {[&](const Tensors& in) { return binary_cross_entropy_with_logits(in[0], sigmoid(in[1])); }, {x, other}},
      {[&](const Tensors& in) { return sigmoid_focal_loss(in[0], binary); }, {x}},
      {[&](const Tensors& in) { return dice_loss(sigmoid(in[0]), binary); }, {x}},
      {[&](const Tensors& in) { return huber_loss(in[0], in[1], 0.4); }, {x, other}},
      {[&](const Tensors& in) { return smooth_l1_loss(in[0], in[1], 0.4); }, {x, other}},
      {[&](const Tensors& in) { return poisson_nll_loss(in[0], square(in[1])); }, {x, other}},
      {[&](const Tensors& in) { return gaussian_nll_loss(in[0], in[1], exp(in[2])); }, {x, other, third}},
  };
  for (const auto& [loss, inputs] : all)
    gradcheck([&loss = loss](const Tensors& in) { return Tensors{loss(in)}; }, inputs, {.second = true});
}

TEST(Losses, RefuseWhatDoesNotFit) {
  const Tensor x = ones({2, 3}), y = ones({2, 3}), classes = zeros({2}, DType::i64);
  EXPECT_EQ(error_of([&] { crammer_singer_loss(ones({2, 1}), classes); }),
            "[crammer_singer_loss] there is one class, there must be others");
  EXPECT_EQ(error_of([&] { multilabel_margin_loss(x, full({2, 3}, 3, DType::i64)); }),
            "[multilabel_margin_loss] the target 3 is outside [-1, 3)");
  EXPECT_EQ(error_of([&] { soft_margin_loss(x, y * 0.5); }), "[soft_margin_loss] the target 0.5 is neither +1 nor -1");
  EXPECT_EQ(error_of([&] { hinge_embedding_loss(x, zeros({2, 3})); }),
            "[hinge_embedding_loss] the target 0 is neither +1 nor -1");
  EXPECT_EQ(error_of([&] { cosine_embedding_loss(x, y, ones({3})); }),
            "[cosine_embedding_loss] the target [3] must be [2] for inputs [2, 3]");
  EXPECT_EQ(error_of([&] { triplet_margin_loss(x, y, ones({3})); }),
            "[triplet_margin_loss] anchor, positive and negative are [2, 3], [2, 3] and [3], they must have one shape "
            "[N,D] or [D]");
  EXPECT_EQ(error_of([&] { binary_cross_entropy(x * 2.0, y); }),
            "[binary_cross_entropy] the input 2 is outside [0, 1]: it must be a probability");
  EXPECT_EQ(error_of([&] { binary_cross_entropy(x, y, {.pos_weight = y}); }),
            "[binary_cross_entropy] pos_weight is for binary_cross_entropy_with_logits only");
  EXPECT_EQ(error_of([&] { sigmoid_focal_loss(x, y, {.gamma = -1}); }),
            "[sigmoid_focal_loss] gamma is -1, it must not be negative");
  EXPECT_EQ(error_of([&] { dice_loss(ones({2}), ones({2})); }), "[dice_loss] the input is [2], it must be [N,d...]");
  EXPECT_EQ(error_of([&] { smooth_l1_loss(x, y, -1); }), "[smooth_l1_loss] beta is -1, it must not be negative");
  EXPECT_EQ(error_of([&] { huber_loss(x, y, 0); }), "[huber_loss] delta is 0, it must be positive");
  EXPECT_EQ(error_of([&] { gaussian_nll_loss(x, y, -y); }), "[gaussian_nll_loss] the variance -1 is negative");
  EXPECT_EQ(error_of([&] { gaussian_nll_loss(x, y, ones({2})); }),
            "[gaussian_nll_loss] the variance [2] must be [2, 3], or have size 1 in its last dimension");
  EXPECT_EQ(error_of([&] { l1_loss(x, y, Reduction::batchmean); }),
            "[l1_loss] the reduction batchmean is for kl_div only");
}

}  // namespace
}  // namespace ingot
