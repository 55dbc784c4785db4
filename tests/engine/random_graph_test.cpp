#include <random>

#include "cases.h"
#include "networks.h"

// Networks that nobody thought of: random operations on random earlier results.
namespace ingot::testing {
namespace {

constexpr int kSide = 6;

/// Grows a network of 4-D tensors of one plane size, whose channels vary.
class Grower {
 public:
  explicit Grower(uint64_t seed) : random_(seed) {}

  Tensors operator()(const Tensors& inputs) {
    random_.seed(static_cast<unsigned>(seed_));
    made_ = {inputs[0], conv(inputs[0], 8)};
    for (int i = 0; i < 14; ++i) made_.push_back(step());
    Tensors out{made_.back()};
    if (pick(2) == 0) out.push_back(made_[static_cast<size_t>(pick(static_cast<int>(made_.size())))]);
    if (pick(3) == 0) out.push_back(flatten(any(), 1));
    return out;
  }
  void set_seed(uint64_t seed) { seed_ = seed; }

 private:
  int pick(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  // Rather the newest, so that chains grow.
  const Tensor& any() {
    const int n = static_cast<int>(made_.size());
    return made_[static_cast<size_t>(n - 1 - std::min(pick(n), pick(n)))];
  }
  Tensor weight(const Shape& shape) { return random(shape, random_()) * 0.3; }
  static int64_t channels(const Tensor& x) { return x.shape()[1].value(); }

  Tensor conv(const Tensor& x, int64_t out_channels) {
    const int64_t kernel = pick(2) == 0 ? 1 : 3;
    return conv2d(x, weight({out_channels, channels(x), kernel, kernel}), weight({out_channels}),
                  {.padding = kernel / 2});
  }

  /// A depthwise convolution and the 1x1 after it, by chance with a residual.
  Tensor separable(const Tensor& x) {
    const int64_t c = channels(x), out = pick(2) == 0 ? c : 2 + pick(6);
    const Tensor h = conv2d(x, weight({c, 1, 3, 3}), weight({c}), {.padding = 1, .groups = c});
    const Tensor y = conv2d(pick(2) == 0 ? relu6(h) : h, weight({out, c, 1, 1}), weight({out}));
    return out == c && pick(2) == 0 ? y + *same_shape(y) : y;
  }

  /// 1x1 convolutions of one value, some of which are joined.
  Tensor branched(const Tensor& x) {
    const auto branch = [&] {
      const int64_t out = 2 + pick(6);
      const Tensor y = conv2d(x, weight({out, channels(x), 1, 1}), weight({out}));
      return pick(3) == 0 ? relu(y) : out == channels(x) && pick(2) == 0 ? y + *same_shape(y) : y;
    };
    Tensors branches;
    for (int i = 2 + pick(4); i > 0; --i) branches.push_back(branch());
    made_.push_back(branches[0]);
    return pick(2) == 0 ? concat(branches, 1) : concat({branches.back(), conv(branches[0], 4)}, 1);
  }

  const Tensor* same_shape(const Tensor& x) {
    std::vector<const Tensor*> found;
    for (const Tensor& t : made_)
      if (channels(t) == channels(x)) found.push_back(&t);
    return found[static_cast<size_t>(pick(static_cast<int>(found.size())))];
  }

  Tensor step() {
    const Tensor x = any();
    switch (pick(14)) {
      case 0:
        return relu(x);
      case 1:
        return hardswish(x);
      case 2:
        return x + *same_shape(x);
      case 3:
        return x * sigmoid(mean(x, {2, 3}, true));
      case 4:
        return concat({x, any()}, 1);
      case 5:
        return concat({x, any(), x}, 1);
      case 6:
        return concat({relu(x), conv(x, 3), max_pool2d(any(), {.kernel = 3, .stride = Pair(1), .padding = 1})}, 1);
      case 7:
        return channels(x) > 2 ? slice(x, 1, 1, channels(x), 1 + pick(2)) : neg(x);
      case 8:
        return relu(conv(x, channels(x)) + x);
      case 9:
        return batch_norm(conv(x, 4), weight({4}), abs(weight({4})) + 0.2, weight({4}), weight({4}));
      case 10: {  // a channel shuffle
        const int64_t c = channels(x);
        if (c % 2 != 0) return tanh(x);
        return reshape(transpose(reshape(x, {0, 2, c / 2, kSide, kSide}), 1, 2), {0, c, kSide, kSide});
      }
      case 11:
        return separable(x);
      case 12:
        return branched(x);
      default:
        return conv(x, 2 + pick(6));
    }
  }

  std::mt19937 random_;
  uint64_t seed_ = 0;
  Tensors made_;
};

class RandomGraph : public ::testing::TestWithParam<int> {};

TEST_P(RandomGraph, RunsAsTheGraph) {
  Grower grower(0);
  grower.set_seed(static_cast<uint64_t>(GetParam()));
  const Graph graph = traced([&](const Tensors& in) { return grower(in); }, {{4, 3, kSide, kSide}});
  for (const bool optimised : {true, false}) {
    CompileOptions options{.time_tactics = false};
    if (!optimised)
      for (const std::string& pass : pass_names()) options.disabled_passes.insert(pass);
    SCOPED_TRACE(optimised ? "optimised" : "as traced");
    expect_runs_as(compile(graph, options), graph, {4, 1, 7, 1}, 2e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomGraph, ::testing::Range(0, test::cases(60)));

}  // namespace
}  // namespace ingot::testing
