#include "ingot/schedulers.h"

#include <gmock/gmock.h>

#include <functional>

#include "error_of.h"
#include "golden.h"

namespace ingot {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

using Make = std::function<std::unique_ptr<LRScheduler>(Optimizer&)>;

std::unique_ptr<LRScheduler> warm_up_and_cosine(Optimizer& o) {
  std::vector<std::unique_ptr<LRScheduler>> schedules;
  schedules.push_back(
      std::make_unique<LinearLR>(o, LinearLROptions{.start_factor = 0.1, .end_factor = 1, .total_iters = 10}));
  schedules.push_back(std::make_unique<CosineAnnealingLR>(o, 90));
  return std::make_unique<SequentialLR>(o, std::move(schedules), std::vector<int64_t>{10});
}

struct Schedule {
  const char* name;
  Make make;
};

class Schedules : public testing::TestWithParam<Schedule> {};

// 120 steps from a base of 0.4.
TEST_P(Schedules, ArePyTorchsInBothForms) {
  const auto rates = golden("optim").at(GetParam().name).to_vector<double>();
  Tensor x = zeros({1}).set_requires_grad();
  SGD sgd({x}, {.lr = 0.4});
  const auto schedule = GetParam().make(sgd);
  std::vector<double> stepped{sgd.lr()}, closed{schedule->closed_form(0.4, 0)};
  for (size_t t = 1; t < rates.size(); ++t) {
    schedule->step();
    stepped.push_back(sgd.lr());
    closed.push_back(schedule->closed_form(0.4, static_cast<int64_t>(t)));
  }
  EXPECT_THAT(stepped, Pointwise(DoubleNear(1e-12), rates));
  EXPECT_THAT(closed, Pointwise(DoubleNear(1e-12), rates));
  EXPECT_EQ(schedule->last_step(), static_cast<int64_t>(rates.size()) - 1);
  schedule->set_step(2);
  EXPECT_NEAR(schedule->last_lr()[0], rates[2], 1e-12);
  schedule->step();
  EXPECT_NEAR(sgd.lr(), rates[3], 1e-12);
}

INSTANTIATE_TEST_SUITE_P(
    Golden, Schedules,
    testing::Values(Schedule{"step", [](Optimizer& o) { return std::make_unique<StepLR>(o, 7, 0.5); }},
                    Schedule{"multi_step",
                             [](Optimizer& o) {
                               return std::make_unique<MultiStepLR>(o, std::vector<int64_t>{3, 3, 7, 90}, 0.5);
                             }},
                    Schedule{"exponential", [](Optimizer& o) { return std::make_unique<ExponentialLR>(o, 0.97); }},
                    Schedule{"constant", [](Optimizer& o) { return std::make_unique<ConstantLR>(o, 0.25, 40); }},
                    Schedule{"linear",
                             [](Optimizer& o) {
                               return std::make_unique<LinearLR>(
                                   o, LinearLROptions{.start_factor = 0.1, .end_factor = 0.8, .total_iters = 60});
                             }},
                    Schedule{"cosine", [](Optimizer& o) { return std::make_unique<CosineAnnealingLR>(o, 50, 0.01); }},
                    Schedule{"sequential", warm_up_and_cosine}),
    [](const auto& info) { return info.param.name; });

TEST(LRScheduler, SeveralOnOneOptimizerCombine) {
  const auto expected = golden("optim").at("two_at_once").to_vector<double>();
  Tensor x = zeros({1}).set_requires_grad();
  SGD sgd({x}, {.lr = 0.4});
  LinearLR warm_up(sgd, {.start_factor = 0.1, .end_factor = 1, .total_iters = 20});
  ExponentialLR decay(sgd, 0.98);
  std::vector<double> rates{sgd.lr()};
  while (rates.size() < expected.size()) {
    warm_up.step();
    decay.step();
    rates.push_back(sgd.lr());
  }
  EXPECT_THAT(rates, Pointwise(DoubleNear(1e-12), expected));
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
