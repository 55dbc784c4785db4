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

}  // namespace
}  // namespace ingot
