#include "ingot/schedulers.h"

#include <gmock/gmock.h>

#include <functional>

#include "nn/error_of.h"

namespace ingot {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

using Make = std::function<std::unique_ptr<LRScheduler>(Optimizer&)>;

std::unique_ptr<LRScheduler> warm_up_and_cosine(Optimizer& o) {
  std::vector<std::unique_ptr<LRScheduler>> schedules;
  schedules.push_back(
      std::make_unique<LinearLR>(o, LinearLROptions{.start_factor = 0.1, .end_factor = 1, .total_iters = 4}));
  schedules.push_back(std::make_unique<CosineAnnealingLR>(o, 8));
  return std::make_unique<SequentialLR>(o, std::move(schedules), std::vector<int64_t>{4});
}

// PyTorch 2.15's rates from a base of 0.4.
struct Schedule {
  const char* name;
  Make make;
  std::vector<double> rates;
};

class Schedules : public testing::TestWithParam<Schedule> {};

TEST_P(Schedules, ArePyTorchsInBothForms) {
  Tensor x = zeros({1}).set_requires_grad();
  SGD sgd({x}, {.lr = 0.4});
  const auto schedule = GetParam().make(sgd);
  std::vector<double> stepped{sgd.lr()}, closed{schedule->closed_form(0.4, 0)}, jumped;
  for (size_t t = 1; t < GetParam().rates.size(); ++t) {
    schedule->step();
    stepped.push_back(sgd.lr());
    closed.push_back(schedule->closed_form(0.4, static_cast<int64_t>(t)));
  }
  EXPECT_THAT(stepped, Pointwise(DoubleNear(1e-12), GetParam().rates));
  EXPECT_THAT(closed, Pointwise(DoubleNear(1e-12), GetParam().rates));
  EXPECT_EQ(schedule->last_step(), static_cast<int64_t>(GetParam().rates.size()) - 1);
  schedule->set_step(2);
  EXPECT_NEAR(schedule->last_lr()[0], GetParam().rates[2], 1e-12);
  schedule->step();
  EXPECT_NEAR(sgd.lr(), GetParam().rates[3], 1e-12);
}

INSTANTIATE_TEST_SUITE_P(
    All, Schedules,
    testing::Values(
        Schedule{"step",
                 [](Optimizer& o) { return std::make_unique<StepLR>(o, 4, 0.5); },
                 {0.4, 0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05}},
        Schedule{"multi_step",
                 [](Optimizer& o) { return std::make_unique<MultiStepLR>(o, std::vector<int64_t>{3, 3, 7}, 0.5); },
                 {0.4, 0.4, 0.4, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05}},
        Schedule{"exponential",
                 [](Optimizer& o) { return std::make_unique<ExponentialLR>(o, 0.9); },
                 {0.4, 0.36, 0.324, 0.2916, 0.26244, 0.236196, 0.2125764, 0.19131876, 0.172186884}},
        Schedule{"constant",
                 [](Optimizer& o) { return std::make_unique<ConstantLR>(o, 0.25, 4); },
                 {0.1, 0.1, 0.1, 0.1, 0.4, 0.4, 0.4}},
        Schedule{
            "linear",
            [](Optimizer& o) {
              return std::make_unique<LinearLR>(
                  o, LinearLROptions{.start_factor = 0.1, .end_factor = 0.8, .total_iters = 6});
            },
            {0.04, 0.086666666666667, 0.13333333333333, 0.18, 0.22666666666667, 0.27333333333333, 0.32, 0.32, 0.32}},
        Schedule{"cosine",
                 [](Optimizer& o) { return std::make_unique<CosineAnnealingLR>(o, 5, 0.01); },
                 {0.4, 0.36275831390311, 0.26525831390311, 0.14474168609689, 0.047241686096885, 0.01, 0.047241686096885,
                  0.14474168609689, 0.26525831390311, 0.36275831390311, 0.4, 0.36275831390312, 0.26525831390311,
                  0.14474168609689, 0.047241686096885}},
        Schedule{"sequential",
                 warm_up_and_cosine,
                 {0.04, 0.13, 0.22, 0.31, 0.4, 0.38477590650226, 0.34142135623731, 0.27653668647302, 0.2,
                  0.12346331352698, 0.058578643762691, 0.015224093497743, 0.0, 0.015224093497743, 0.058578643762691}}),
    [](const auto& info) { return info.param.name; });

TEST(LRScheduler, SeveralOnOneOptimizerCombine) {
  Tensor x = zeros({1}).set_requires_grad();
  SGD sgd({x}, {.lr = 0.4});
  LinearLR warm_up(sgd, {.start_factor = 0.1, .end_factor = 1, .total_iters = 4});
  ExponentialLR decay(sgd, 0.9);
  std::vector<double> rates{sgd.lr()};
  for (int t = 1; t < 8; ++t) {
    warm_up.step();
    decay.step();
    rates.push_back(sgd.lr());
  }
  EXPECT_THAT(rates, Pointwise(DoubleNear(1e-12), std::vector<double>{0.04, 0.117, 0.1782, 0.22599, 0.26244, 0.236196,
                                                                      0.2125764, 0.19131876}));
}

TEST(LRScheduler, AResumedRunHasTheSameRatesToTheBit) {
  Tensor x = zeros({1}).set_requires_grad(), y = zeros({1}).set_requires_grad();
  SGD first({x}, {.lr = 0.4}), second({y}, {.lr = 0.4});
  CosineAnnealingLR schedule(first, 7), resumed(second, 7);
  for (int t = 0; t < 3; ++t) schedule.step();
  second.load_state_dict(first.state_dict());
  resumed.resume(schedule.last_step());
  for (int t = 0; t < 6; ++t) {
    schedule.step();
    resumed.step();
    EXPECT_EQ(first.lr(), second.lr());
  }
}

TEST(LRScheduler, EachGroupHasItsOwnBase) {
  Tensor x = zeros({1}).set_requires_grad(), y = zeros({1}).set_requires_grad();
  SGD sgd({{{x}, {.lr = 1}}, {{y}, {.lr = 10}}});
  StepLR schedule(sgd, 1, 0.5);
  schedule.step();
  EXPECT_THAT(schedule.last_lr(), testing::ElementsAre(0.5, 5));
}

TEST(LRScheduler, RefusesWhatHasNoMeaning) {
  Tensor x = zeros({1}).set_requires_grad();
  SGD sgd({x}, {.lr = 1});
  EXPECT_EQ(error_of([&] { StepLR(sgd, 0); }), "StepLR: step_size is 0, it must be positive");
  EXPECT_EQ(error_of([&] { LinearLR(sgd, {.start_factor = 0}); }), "LinearLR: start_factor is 0, it must be in (0, 1]");
  EXPECT_EQ(error_of([&] { SequentialLR(sgd, {}, {1}); }), "SequentialLR: 0 schedules need 0 milestones, there are 1");
}

}  // namespace
}  // namespace ingot
