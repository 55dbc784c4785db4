#include "ingot/losses.h"

#include <gmock/gmock.h>

#include "nn/error_of.h"
#include "nn/wave.h"

// Numbers are PyTorch's, in f64, for the inputs of wave().
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

/// The loss, and the first three numbers of its sum's gradient.
void expect(const Scores& s, const Tensor& loss, const std::vector<double>& values, std::vector<double> gradient) {
  expect(loss, values);
  auto found = grad({sum(loss)}, {s.x})[0].to_vector<double>();
  found.resize(3);
  EXPECT_THAT(found, Pointwise(DoubleNear(kTolerance), gradient));
}

TEST(CrossEntropy, IsPyTorchsWithoutOptions) {
  const Scores s;
  expect(s, cross_entropy(s.x, s.target, {.reduction = Reduction::none}),
         {2.36776853675, 0.243312354571, 1.60798649243, 0.301785153076}, {-0.906310442, 0.6436165394, 0.2626939026});
  expect(s, cross_entropy(s.x, s.target), {1.13021313421}, {-0.2265776105, 0.1609041349, 0.06567347565});
  expect(s, cross_entropy(s.x, s.target, {.reduction = Reduction::sum}), {4.52085253683},
         {-0.906310442, 0.6436165394, 0.2626939026});
}

TEST(CrossEntropy, IsPyTorchsWithWeightsSmoothingAndIgnoredTargets) {
  const Scores s;
  expect(s, cross_entropy(s.x, s.target, {.weight = s.weight}), {0.705830141109},
         {-0.08239185836, 0.05851059449, 0.02388126387});
  expect(s,
         cross_entropy(s.x, s.target,
                       {.weight = s.weight, .ignore_index = 2, .label_smoothing = 0.1, .reduction = Reduction::none}),
         {1.20876477555, 0.0, 1.76506141206, 0.0}, {-0.4135759171, 0.3313827057, 0.08219321147});
  expect(s, cross_entropy(s.x, s.target, {.weight = s.weight, .ignore_index = 2, .label_smoothing = 0.1}),
         {1.98255079175}, {-0.2757172781, 0.2209218038, 0.05479547431});
  expect(s, cross_entropy(s.x, s.target, {.label_smoothing = 0.3}), {1.2954752121},
         {-0.1765776105, 0.1359041349, 0.04067347565});
  expect(s, cross_entropy(s.x, s.target, {.weight = s.weight, .label_smoothing = 0.3}), {0.889065047894},
         {-0.06080314716, 0.06373301411, -0.002929866943});
}

TEST(CrossEntropy, TakesTargetProbabilities) {
  const Scores s;
  expect(s, cross_entropy(s.x, s.soft), {2.39451545989}, {-0.004039152631, 0.05020176275, -0.04616261012});
  expect(s, cross_entropy(s.x, s.soft, {.weight = s.weight, .label_smoothing = 0.2}), {2.50649492701},
         {0.01223834049, 0.1115528042, -0.1237911447});
  expect(cross_entropy(s.x, s.soft, {.weight = s.weight, .label_smoothing = 0.2, .reduction = Reduction::none}),
         {1.50346534173, 1.21479695306, 5.62800767989, 1.67970973335});
}

TEST(CrossEntropy, TakesImagesAndSingleSamples) {
  const Scores s;
  const Tensor x = wave({2, 3, 2, 2});
  const Tensor target = from_vector<int64_t>({0, 1, 2, 2, -100, 1, 0, -100}, {2, 2, 2});
  const CrossEntropyOptions options{.weight = s.weight, .label_smoothing = 0.1};
  expect(cross_entropy(x, target, options), {1.23139522843});
  CrossEntropyOptions none = options;
  none.reduction = Reduction::none;
  expect(cross_entropy(x, target, none),
         {0.34427614766, 1.85851496962, 3.1868511508, 0.60051445305, 0.0, 1.97708377797, 0.6525260999, 0.0});
  expect(cross_entropy(x, softmax(wave({2, 3, 2, 2}, 0.7, 0.2), 1)), {1.41987645866});
  expect(cross_entropy(wave({3}), from_vector<int64_t>({1}, {})), {0.440652165914});
}

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

TEST(Nll, IsPyTorchs) {
  const Scores s;
  expect(nll_loss(log_softmax(s.x, 1), s.target, {.weight = s.weight}), {0.705830141109});
}

TEST(KlDiv, IsPyTorchsAndZeroWhereTheTargetIs) {
  const Scores s;
  const Tensor log_q = log_softmax(s.x, 1);
  Tensor p = clone(s.soft);
  copy_into(p = slice(p, 0, 0, 1), from_vector<double>({0, 0.25, 0.75}, {1, 3}));
  const Tensor target = concat({p, slice(s.soft, 0, 1, 4)}, 0);
  expect(kl_div(log_q, target), {0.595832518497});
  expect(kl_div(log_q, target, {.reduction = Reduction::sum}), {7.14999022196});
  expect(kl_div(log_q, target, {.reduction = Reduction::batchmean}), {1.78749755549});
  expect(kl_div(log_q, log(s.soft), {.log_target = true}), {0.557467349691});
  expect(slice(kl_div(log_q, target, {.reduction = Reduction::none}), 0, 0, 1), {0.0, -0.236410548802, 0.78681279049});
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

TEST(MultiMargin, IsPyTorchs) {
  const Scores s;
  expect(s, multi_margin_loss(s.x, s.target), {0.609750756711}, {-0.1666666667, 0.08333333333, 0.08333333333});
  expect(s, multi_margin_loss(s.x, s.target, {.p = 2, .margin = 0.7, .weight = s.weight, .reduction = Reduction::none}),
         {1.64968515407, 0.0, 1.41300929743, 0.0}, {-1.452706371, 0.8757054569, 0.5770009145});
  EXPECT_EQ(error_of([&] { multi_margin_loss(s.x, s.target, {.p = 3}); }),
            "[multi_margin_loss] p is 3, it must be 1 or 2");
  EXPECT_EQ(error_of([&] { multi_margin_loss(s.x, full({4}, -1, DType::i64)); }),
            "[multi_margin_loss] the target -1 is outside [0, 3)");
}

}  // namespace
}  // namespace ingot
