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

/// Makes a schedule of a type from its constructor's arguments, but for the optimiser.
template <class S, class... Args>
Make make(Args... args) {
  return [=](Optimizer& o) { return std::make_unique<S>(o, args...); };
}
template <class... M>
std::vector<std::unique_ptr<LRScheduler>> all(Optimizer& o, const M&... make_one) {
  std::vector<std::unique_ptr<LRScheduler>> schedules;
  (schedules.push_back(make_one(o)), ...);
  return schedules;
}

std::unique_ptr<LRScheduler> warm_up_and_cosine(Optimizer& o) {
  const LinearLROptions warm_up{.start_factor = 0.1, .end_factor = 1, .total_iters = 10};
  return std::make_unique<SequentialLR>(o, all(o, make<LinearLR>(warm_up), make<CosineAnnealingLR>(90)),
                                        std::vector<int64_t>{10});
}
std::unique_ptr<LRScheduler> three_at_once(Optimizer& o) {
  return std::make_unique<ChainedScheduler>(
      o, all(o, make<ConstantLR>(0.2, 25), make<StepLR>(40, 0.7), make<CosineAnnealingLR>(200, 0.001)));
}
double hyperbola(int64_t t) { return 1 / (1 + static_cast<double>(t)); }
double slower(int64_t t) { return 1 - 1 / (static_cast<double>(t) + 20); }

struct Schedule {
  const char* name;
  Make make;
};

const std::vector<Schedule>& schedules() {
  static const std::vector<Schedule> kinds{
      {"step", make<StepLR>(7, 0.5)},
      {"multi_step", make<MultiStepLR>(std::vector<int64_t>{3, 3, 7, 90}, 0.5)},
      {"exponential", make<ExponentialLR>(0.97)},
      {"constant", make<ConstantLR>(0.25, 40)},
      {"linear", make<LinearLR>(LinearLROptions{.start_factor = 0.1, .end_factor = 0.8, .total_iters = 60})},
      {"cosine", make<CosineAnnealingLR>(50, 0.01)},
      {"lambda", make<LambdaLR>(hyperbola)},
      {"multiplicative", make<MultiplicativeLR>(slower)},
      {"polynomial", make<PolynomialLR>(80, 1.7)},
      {"restarts", make<CosineAnnealingWarmRestarts>(30, 1, 0.02)},
      {"longer_restarts", make<CosineAnnealingWarmRestarts>(10, 3)},
      {"one_cycle", make<OneCycleLR>(OneCycleLROptions{.max_lr = 0.8, .total_steps = 500})},
      {"three_phases", make<OneCycleLR>(OneCycleLROptions{.max_lr = 0.8,
                                                          .total_steps = 500,
                                                          .pct_start = 0.2,
                                                          .anneal_strategy = AnnealStrategy::linear,
                                                          .base_momentum = 0.7,
                                                          .div_factor = 10,
                                                          .final_div_factor = 100,
                                                          .three_phase = true})},
      {"cyclic",
       make<CyclicLR>(CyclicLROptions{.base_lr = 0.1, .max_lr = 0.6, .step_size_up = 20, .step_size_down = 35})},
      {"cyclic_halved",
       make<CyclicLR>(CyclicLROptions{
           .base_lr = 0.1, .max_lr = 0.6, .step_size_up = 40, .mode = CyclicMode::triangular2, .base_momentum = 0.5})},
      {"cyclic_shrunk", make<CyclicLR>(CyclicLROptions{.base_lr = 0.1,
                                                       .max_lr = 0.6,
                                                       .step_size_up = 40,
                                                       .mode = CyclicMode::exp_range,
                                                       .gamma = 0.99,
                                                       .cycle_momentum = false})},
      {"chained", three_at_once},
      {"sequential", warm_up_and_cosine},
  };
  return kinds;
}

class Schedules : public testing::TestWithParam<Schedule> {};

// 500 steps from a base of 0.4, of rates and, where a schedule moves it, momentum.
TEST_P(Schedules, ArePyTorchsInBothForms) {
  const std::string name = GetParam().name;
  const auto rates = golden("optim").at(name).to_vector<double>();
  ASSERT_EQ(rates.size(), 500u);
  Tensor x = zeros({1}).set_requires_grad();
  SGD sgd({x}, {.lr = 0.4, .momentum = 0.9});
  const auto schedule = GetParam().make(sgd);
  std::vector<double> stepped{sgd.lr()}, closed{schedule->closed_form(0.4, 0)}, momenta{sgd.momentum()};
  for (size_t t = 1; t < rates.size(); ++t) {
    schedule->step();
    stepped.push_back(sgd.lr());
    momenta.push_back(sgd.momentum());
    closed.push_back(schedule->closed_form(0.4, static_cast<int64_t>(t)));
  }
  EXPECT_THAT(stepped, Pointwise(DoubleNear(1e-12), rates));
  EXPECT_THAT(closed, Pointwise(DoubleNear(1e-12), rates));
  const auto momentum = golden("optim").find(name + "/momentum");
  ASSERT_EQ(momentum != golden("optim").end(), schedule->momentum(0).has_value());
  EXPECT_THAT(momenta,
              Pointwise(DoubleNear(1e-12), momentum == golden("optim").end() ? std::vector<double>(rates.size(), 0.9)
                                                                             : momentum->second.to_vector<double>()));
  EXPECT_EQ(schedule->last_step(), static_cast<int64_t>(rates.size()) - 1);
  schedule->set_step(2);
  EXPECT_NEAR(schedule->last_lr()[0], rates[2], 1e-12);
  schedule->step();
  EXPECT_NEAR(sgd.lr(), rates[3], 1e-12);
  EXPECT_NEAR(sgd.momentum(), momenta[3], 1e-12);
}

INSTANTIATE_TEST_SUITE_P(Golden, Schedules, testing::ValuesIn(schedules()),
                         [](const auto& info) { return std::string(info.param.name); });

using Plateau = ReduceLROnPlateauOptions;
const std::vector<std::pair<const char*, Plateau>> kPlateaus{
    {"default", {}},
    {"max", {.mode = Plateau::Mode::max, .patience = 5, .cooldown = 7}},
    {"abs",
     {.factor = 0.5, .patience = 3, .threshold = 0.05, .threshold_mode = Plateau::Threshold::abs, .min_lr = 0.01}},
    {"max_abs",
     {.mode = Plateau::Mode::max,
      .factor = 0.9,
      .patience = 0,
      .threshold_mode = Plateau::Threshold::abs,
      .eps = 1e-3}},
};

TEST(ReduceLROnPlateau, FollowsAMeasureAsPyTorchDoes) {
  const auto measure = golden("optim").at("plateau/measure").to_vector<double>();
  for (const auto& [name, options] : kPlateaus) {
    Tensor x = zeros({1}).set_requires_grad();
    SGD sgd({x}, {.lr = 0.4});
    auto schedule = std::make_unique<ReduceLROnPlateau>(sgd, options);
    std::vector<double> rates;
    for (const double value : measure) {
      schedule->step(value);
      rates.push_back(sgd.lr());
      if (rates.size() != 77) continue;  // one that goes on from the state of another
      const auto state = schedule->state();
      schedule = std::make_unique<ReduceLROnPlateau>(sgd, options);
      schedule->load_state(state);
    }
    EXPECT_LT(rates.back(), 0.4) << name;
    EXPECT_THAT(rates,
                Pointwise(DoubleNear(1e-15), golden("optim").at(std::string("plateau/") + name).to_vector<double>()))
        << name;
  }
}

TEST(LRScheduler, AMomentumIsAnAdamsFirstBeta) {
  Tensor x = zeros({1}).set_requires_grad();
  Adam adam({x});
  OneCycleLR schedule(adam, {.max_lr = 1, .total_steps = 10});
  EXPECT_EQ(adam.options().betas[0], 0.95);
  EXPECT_EQ(adam.options().betas[1], 0.999);
  Adagrad adagrad({x});
  EXPECT_EQ(error_of([&] { OneCycleLR(adagrad, {.max_lr = 1, .total_steps = 10}); }),
            "Adagrad has no momentum: neither 'momentum' nor 'betas' is among its options");
  for (int t = 1; t < 10; ++t) schedule.step();
  const double last = adam.lr();
  schedule.step();  // after the last step of training, whose rate nobody takes
  EXPECT_EQ(adam.lr(), last);
  EXPECT_EQ(error_of([&] { schedule.step(); }), "OneCycleLR: step 11, there are 10 in all");
}

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
  EXPECT_EQ(error_of([&] { PolynomialLR(sgd, 0); }), "PolynomialLR: total_iters is 0, it must be positive");
  EXPECT_EQ(error_of([&] { CosineAnnealingWarmRestarts(sgd, 0); }),
            "CosineAnnealingWarmRestarts: t_0 is 0, it must be positive");
  EXPECT_EQ(error_of([&] { OneCycleLR(sgd, {.total_steps = 5}); }),
            "OneCycleLR: max_lr is 0, it must be given and positive");
  EXPECT_EQ(error_of([&] { OneCycleLR(sgd, {.max_lr = 1}); }),
            "OneCycleLR: total_steps is 0, it must be given and positive");
  EXPECT_EQ(error_of([&] { OneCycleLR(sgd, {.max_lr = 1, .total_steps = 9, .pct_start = 2}); }),
            "OneCycleLR: pct_start is 2, it must be in [0, 1]");
  EXPECT_EQ(error_of([&] { CyclicLR(sgd, {}); }), "CyclicLR: max_lr is 0, it must be given and positive");
  EXPECT_EQ(error_of([&] { CyclicLR(sgd, {.max_lr = 1, .step_size_down = 0}); }),
            "CyclicLR: step_size_up and step_size_down are 2000 and 0, they must be positive");
  EXPECT_EQ(error_of([&] { ChainedScheduler(sgd, {}); }), "ChainedScheduler: there are no schedules");
  EXPECT_EQ(error_of([&] { ReduceLROnPlateau(sgd, {.factor = 1}); }),
            "ReduceLROnPlateau: factor is 1, it must be in [0, 1)");
  EXPECT_EQ(error_of([&] { StepLR(sgd, 0); }), "StepLR: step_size is 0, it must be positive");
  EXPECT_EQ(error_of([&] { LinearLR(sgd, {.start_factor = 0}); }), "LinearLR: start_factor is 0, it must be in (0, 1]");
  EXPECT_EQ(error_of([&] { SequentialLR(sgd, {}, {1}); }), "SequentialLR: 0 schedules need 0 milestones, there are 1");
}

}  // namespace
}  // namespace ingot
