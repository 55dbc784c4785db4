#include "ingot/lbfgs.h"

#include <gmock/gmock.h>

#include "error_of.h"
#include "golden.h"
#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "nn/wave.h"

namespace ingot {
namespace {

using testing::HasSubstr;

Tensor head(const Tensor& x) { return slice(x, 0, 0, x.size(0).value() - 1); }
Tensor tail(const Tensor& x) { return slice(x, 0, 1, x.size(0).value()); }

/// Rosenbrock's function, in a chain.
Tensor valley(const Tensor& x) { return sum(square(tail(x) - square(head(x))) * 100.0 + square(1.0 - head(x))); }
Tensor bowl(const Tensor& x) {
  std::vector<double> numbers;
  for (int64_t i = 1; i <= x.numel(); ++i) numbers.push_back(static_cast<double>(i) / 2);
  const Tensor squares = square(x);
  return sum(from_vector(numbers, x.shape()) * squares + 0.1 * square(squares) - x) + 0.3 * sum(tail(x) * head(x));
}

struct Case {
  const char* name;
  Tensor (*function)(const Tensor&);
  LBFGSOptions options;
};

class LbfgsGolden : public testing::TestWithParam<Case> {};

// Six parameters and the loss before each of twelve steps. A second optimiser takes over in the middle.
TEST_P(LbfgsGolden, TakesPyTorchsSteps) {
  Tensor a = wave({2}).set_requires_grad(), b = wave({4}, 0.9, 0.4).set_requires_grad();
  auto optimizer = std::make_unique<LBFGS>(Tensors{a, b}, GetParam().options);
  const auto closure = [&] {
    optimizer->zero_grad();
    const Tensor loss = GetParam().function(concat({a, b}, 0));
    backward(loss);
    return loss;
  };
  Tensors rows;
  for (int step = 0; step < 12; ++step) {
    const Tensor before = concat({detach(a), detach(b)}, 0);
    rows.push_back(concat({before, from_vector(std::vector<double>{optimizer->step(closure)}, {1})}, 0));
    if (step != 5) continue;
    const LBFGS::State state = optimizer->state();
    optimizer = std::make_unique<LBFGS>(Tensors{a, b}, GetParam().options);
    optimizer->load_state(state);
  }
  expect_close(stack(rows), golden("optim").at(std::string("lbfgs/") + GetParam().name), 1e-9, GetParam().name);
}

constexpr LineSearch kWolfe = LineSearch::strong_wolfe;
INSTANTIATE_TEST_SUITE_P(
    All, LbfgsGolden,
    testing::Values(Case{"bowl", bowl, {.max_iter = 4}},
                    Case{"short", bowl, {.lr = 0.6, .max_iter = 4, .history_size = 2}},
                    Case{"valley", valley, {.max_iter = 5, .line_search_fn = kWolfe}},
                    Case{"once", valley, {.max_iter = 1, .history_size = 3, .line_search_fn = kWolfe}},
                    Case{"to_the_end", valley, {.max_iter = 40, .line_search_fn = kWolfe}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Lbfgs, FindsTheLeastOfAQuadraticInOneStep) {
  Tensor x = full({3}, 5, DType::f32).set_requires_grad();
  LBFGS optimizer({x}, {.line_search_fn = kWolfe});
  int64_t calls = 0;
  const auto closure = [&] {
    ++calls;
    optimizer.zero_grad();
    const Tensor loss = sum(square(x - from_vector(std::vector<float>{1, -2, 3}, {3})));
    backward(loss);
    return loss;
  };
  EXPECT_EQ(optimizer.step(closure), 16 + 49 + 4);
  EXPECT_THAT(x.to_vector<float>(), testing::ElementsAre(1, -2, 3));
  EXPECT_EQ(optimizer.state().func_evals, calls);
  const int64_t iterations = optimizer.state().n_iter;
  optimizer.step(closure);  // there is nothing to do
  EXPECT_EQ(optimizer.state().n_iter, iterations);
}

TEST(Lbfgs, RefusesWhatHasNoMeaning) {
  const Tensor x = ones({2}).set_requires_grad();
  const auto refusal = [&](const LBFGSOptions& options) { return error_of([&] { LBFGS({x}, options); }); };
  EXPECT_EQ(refusal({.lr = 0}), "LBFGS: lr is 0, it must be positive");
  EXPECT_EQ(refusal({.max_iter = 0}), "LBFGS: max_iter is 0, it must be positive");
  EXPECT_EQ(refusal({.max_eval = 0}), "LBFGS: max_eval is 0, it must be positive");
  EXPECT_EQ(refusal({.history_size = 0}), "LBFGS: history_size is 0, it must be positive");
  EXPECT_THAT(refusal({.tolerance_grad = -1}), HasSubstr("they must not be negative"));
  EXPECT_EQ(error_of([&] { LBFGS({x, x}); }), "LBFGS: parameter 1 is given twice");
  EXPECT_EQ(error_of([&] { LBFGS({Tensor()}); }), "LBFGS: parameter 0 is undefined");
  LBFGS optimizer({x});
  EXPECT_EQ(error_of([&] { optimizer.load_state({.n_iter = 1, .d = {1}, .prev_flat_grad = {1}}); }),
            "LBFGS: the state is not of 2 parameters' elements");
}

}  // namespace
}  // namespace ingot
