#include "kernels/optim.h"

#include <gmock/gmock.h>

#include <cmath>

#include "arrays.h"
#include "base/check.h"

namespace ingot::kernels {
namespace {

/// One parameter element with its states, updated by the formula of the paper in doubles.
struct Element {
  double theta, grad;
  std::array<double, 3> state;
};
using Reference = std::function<void(Element&, int64_t t)>;
using Step = std::function<void(DType, std::span<const ParameterRun>, int64_t t)>;

/// Several parameters of odd sizes take `steps` steps; theta and states must stay with the reference.
void check(const Step& step, const Reference& reference, int states, int64_t steps = 3) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    std::vector<std::array<TestArray, 5>> arrays;
    std::vector<std::vector<Element>> expected;
    std::vector<ParameterRun> runs;
    for (const int64_t n : kOddSizes) {
      const TestArray blank(dtype, {n});
      auto& a = arrays.emplace_back(std::array<TestArray, 5>{blank, blank, blank, blank, blank});
      a[0].randomise(-1, 1, unsigned(n));
    }
    for (auto& a : arrays) {
      std::vector<Element> elements;
      for (int64_t i = 0; i < a[0].numel(); ++i) elements.push_back({a[0][i], 0, {}});
      expected.push_back(elements);
      runs.push_back({a[0].array().data, a[1].array().data, {}, a[0].numel()});
      for (int k = 0; k < states; ++k) runs.back().state[size_t(k)] = a[size_t(k + 2)].array().data;
    }
    for (int64_t t = 1; t <= steps; ++t) {
      for (size_t p = 0; p < arrays.size(); ++p) {
        arrays[p][1].randomise(-1, 1, unsigned(100 * t) + unsigned(p));
        for (size_t i = 0; i < expected[p].size(); ++i) expected[p][i].grad = arrays[p][1][int64_t(i)];
        for (Element& e : expected[p]) reference(e, t);
      }
      step(dtype, runs, t);
    }
    const double eps = dtype == DType::f64 ? 1e-12 : 2e-6;
    for (size_t p = 0; p < arrays.size(); ++p) {
      for (size_t i = 0; i < expected[p].size(); ++i) {
        ASSERT_NEAR(arrays[p][0][int64_t(i)], expected[p][i].theta, eps);
        for (int k = 0; k < states; ++k)
          ASSERT_NEAR(arrays[p][size_t(k + 2)][int64_t(i)], expected[p][i].state[size_t(k)], eps);
      }
      for (const TestArray& a : arrays[p]) ASSERT_TRUE(a.guards_intact());
    }
  }
}

double effective(const Element& e, bool maximize, double weight_decay) {
  return (maximize ? -e.grad : e.grad) + weight_decay * e.theta;
}

TEST(Optim, Sgd) {
  for (int options = 0; options < 16; ++options) {
    SgdStep s{.lr = 0.1,
              .momentum = options & 1 ? 0.9 : 0,
              .dampening = options & 2 ? 0.25 : 0,
              .weight_decay = options & 4 ? 0.01 : 0,
              .nesterov = (options & 9) == 9,
              .maximize = (options & 8) != 0};
    const auto step = [&](DType dtype, auto runs, int64_t t) {
      s.first = t == 1;
      sgd_step(s, dtype, runs);
    };
    const auto reference = [&](Element& e, int64_t t) {
      double g = effective(e, s.maximize, s.weight_decay);
      if (s.momentum != 0) {
        e.state[0] = t == 1 ? g : s.momentum * e.state[0] + (1 - s.dampening) * g;
        g = s.nesterov ? g + s.momentum * e.state[0] : e.state[0];
      }
      e.theta -= s.lr * g;
    };
    check(step, reference, s.momentum != 0);
  }
}

TEST(Optim, Adagrad) {
  for (const bool maximize : {false, true})
    check(
        [&](DType dtype, auto runs, int64_t t) {
          adagrad_step({.lr = 0.1, .lr_decay = 0.5, .weight_decay = 0.01, .maximize = maximize, .t = t}, dtype, runs);
        },
        [&](Element& e, int64_t t) {
          const double g = effective(e, maximize, 0.01);
          e.state[0] += g * g;
          e.theta -= 0.1 / (1 + double(t - 1) * 0.5) * g / (std::sqrt(e.state[0]) + 1e-10);
        },
        1);
}

TEST(Optim, AdamAndAdamW) {
  for (int options = 0; options < 8; ++options) {
    AdamStep s{.lr = 0.01,
               .weight_decay = 0.1,
               .amsgrad = (options & 1) != 0,
               .decoupled = (options & 2) != 0,
               .maximize = (options & 4) != 0};
    const auto step = [&](DType dtype, auto runs, int64_t t) {
      s.t = t;
      adam_step(s, dtype, runs);
    };
    const auto reference = [&](Element& e, int64_t t) {
      const double g = effective(e, s.maximize, s.decoupled ? 0 : s.weight_decay);
      if (s.decoupled) e.theta *= 1 - s.lr * s.weight_decay;
      auto& [m, v, most] = e.state;
      m = s.beta1 * m + (1 - s.beta1) * g;
      v = s.beta2 * v + (1 - s.beta2) * g * g;
      if (s.amsgrad) most = std::max(most, v);
      const double c1 = 1 - std::pow(s.beta1, t), c2 = 1 - std::pow(s.beta2, t);
      e.theta -= s.lr / c1 * m / (std::sqrt(s.amsgrad ? most : v) / std::sqrt(c2) + s.eps);
    };
    check(step, reference, s.amsgrad ? 3 : 2);
  }
}

TEST(Optim, Adadelta) {
  check([](DType dtype, auto runs, int64_t) { adadelta_step({.weight_decay = 0.01}, dtype, runs); },
        [](Element& e, int64_t) {
          const double g = effective(e, false, 0.01);
          auto& [v, a, unused] = e.state;
          v = 0.9 * v + 0.1 * g * g;
          const double d = std::sqrt(a + 1e-6) / std::sqrt(v + 1e-6) * g;
          e.theta -= d;
          a = 0.9 * a + 0.1 * d * d;
        },
        2);
}

TEST(Optim, Rmsprop) {
  for (const bool centered : {false, true})
    for (const double momentum : {0.0, 0.5}) {
      const RmspropStep s{.lr = 1e-3, .alpha = 0.9, .eps = 1e-2, .momentum = momentum, .centered = centered};
      check([&](DType dtype, auto runs, int64_t) { rmsprop_step(s, dtype, runs); },
            [&](Element& e, int64_t) {
              double& v = e.state[0];
              v = s.alpha * v + (1 - s.alpha) * e.grad * e.grad;
              double spread = v;
              if (centered) {
                e.state[1] = s.alpha * e.state[1] + (1 - s.alpha) * e.grad;
                spread -= e.state[1] * e.state[1];
              }
              double d = e.grad / (std::sqrt(spread) + s.eps);
              if (momentum != 0) d = e.state[1 + centered] = momentum * e.state[1 + centered] + d;
              e.theta -= s.lr * d;
            },
            1 + centered + (momentum != 0));
    }
}

TEST(Optim, Adamax) {
  check([](DType dtype, auto runs, int64_t t) { adamax_step({.weight_decay = 0.01, .t = t}, dtype, runs); },
        [](Element& e, int64_t t) {
          const double g = effective(e, false, 0.01);
          auto& [m, u, unused] = e.state;
          m = 0.9 * m + 0.1 * g;
          u = std::max(0.999 * u, std::abs(g) + 1e-8);
          e.theta -= 2e-3 / (1 - std::pow(0.9, t)) * m / u;
        },
        2);
}

TEST(Optim, Lion) {
  check([](DType dtype, auto runs, int64_t) { lion_step({.lr = 0.01, .weight_decay = 0.1}, dtype, runs); },
        [](Element& e, int64_t) {
          const double c = 0.9 * e.state[0] + 0.1 * e.grad;
          e.theta = (1 - 0.01 * 0.1) * e.theta - 0.01 * double((c > 0) - (c < 0));
          e.state[0] = 0.99 * e.state[0] + 0.01 * e.grad;
        },
        1);
}

TEST(Optim, AdamLike) {
  for (const bool adaptive : {false, true}) {
    const AdamLikeStep s{.grad_rate = 0.002,
                         .momentum_rate = 0.01,
                         .v_correction = 0.1,
                         .weight_decay = 0.01,
                         .decay = 0.999,
                         .adaptive = adaptive};
    check([&](DType dtype, auto runs, int64_t) { adam_like_step(s, dtype, runs); },
          [&](Element& e, int64_t) {
            const double g = effective(e, false, s.weight_decay);
            auto& [m, v, unused] = e.state;
            m = s.beta1 * m + (1 - s.beta1) * g;
            v = s.beta2 * v + (1 - s.beta2) * g * g;
            const double d = s.grad_rate * g + s.momentum_rate * m;
            e.theta = s.decay * e.theta - (adaptive ? d / (std::sqrt(v) / s.v_correction + s.eps) : d);
          },
          2);
  }
}

TEST(Optim, Rprop) {
  const RpropStep s{.down = 0.6, .up = 1.3, .least = 0.005, .most = 0.02, .maximize = true};
  check([&](DType dtype, auto runs, int64_t) { rprop_step(s, dtype, runs); },
        [&](Element& e, int64_t) {
          auto& [previous, size, unused] = e.state;
          double g = -e.grad;
          const double turn = g * previous;
          size = std::clamp(turn > 0 ? size * s.up : turn < 0 ? size * s.down : size, s.least, s.most);
          if (turn < 0) g = 0;
          e.theta -= double((g > 0) - (g < 0)) * size;
          previous = g;
        },
        2, 6);
}

TEST(Optim, Asgd) {
  for (const double mu : {1.0, 0.25}) {
    const AsgdStep s{.eta = 0.05, .mu = mu, .lambd = 0.1, .weight_decay = 0.01};
    check([&](DType dtype, auto runs, int64_t) { asgd_step(s, dtype, runs); },
          [&](Element& e, int64_t) {
            const double g = effective(e, false, s.weight_decay);
            e.theta = e.theta * (1 - s.lambd * s.eta) - s.eta * g;
            e.state[0] += mu * (e.theta - e.state[0]);
          },
          1);
  }
}

TEST(Optim, LambDirection) {
  check([](DType dtype, auto runs, int64_t t) { lamb_direction_step({.eps = 1e-2, .t = t}, dtype, runs); },
        [](Element& e, int64_t t) {
          auto& [m, v, d] = e.state;
          m = 0.9 * m + 0.1 * e.grad;
          v = 0.999 * v + 0.001 * e.grad * e.grad;
          d = m / (1 - std::pow(0.9, t)) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-2) + 0.01 * e.theta;
        },
        3);
}

// The bits are those of plain floats in the rule's order, whatever the tier, the place in the run and the threads.
TEST(Optim, BitsAreThoseOfPlainFloats) {
  constexpr int64_t kCount = 100003;
  TestArray theta(DType::f32, {kCount}), grad = theta, s = theta;
  theta.randomise(-1, 1, 1);
  grad.randomise(-1, 1, 2);
  s.randomise(0, 1, 3);
  std::vector<float> expected;
  for (int64_t i = 0; i < kCount; ++i) {
    const auto g = float(grad[i]);
    const float square = g * g, sum = float(s[i]) + square, scaled = 0.1f * g;
    expected.push_back(float(theta[i]) - scaled / (std::sqrt(sum) + 1e-10f));
  }
  for (const int threads : {1, 2}) {
    TestArray t = theta, state = s;
    const std::vector<ParameterRun> runs{{t.array().data, grad.array().data, {state.array().data}, kCount}};
    with_threads(threads, [&] { adagrad_step({.lr = 0.1}, DType::f32, runs); });
    for (int64_t i = 0; i < kCount; ++i) ASSERT_EQ(t[i], expected[size_t(i)]);
  }
}

TEST(Optim, RefusesOtherDtypes) { EXPECT_THROW(sgd_step({.lr = 1}, DType::bf16, {}), Error); }

}  // namespace
}  // namespace ingot::kernels
