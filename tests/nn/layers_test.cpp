#include <gmock/gmock.h>

#include <cmath>

#include "error_of.h"
#include "ingot/nn.h"

namespace ingot {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;

Tensor some(const Shape& shape, uint64_t seed = 1) { return normal(shape, 0, 1, RandomKey{seed}); }

double largest(const Tensor& x) {
  double most = 0;
  for (const double v : x.to_vector<double>()) most = std::max(most, std::abs(v));
  return most;
}

TEST(Layers, ConvAndLinearStartWithinTheirBounds) {
  const Conv2d conv(8, 16, Pair(3, 5), {.groups = 2});
  const double bound = 1 / std::sqrt(4.0 * 15);
  EXPECT_EQ(conv.weight.shape(), Shape({16, 4, 3, 5}));
  EXPECT_LE(largest(conv.weight), bound);
  EXPECT_GT(largest(conv.weight), 0.97 * bound);
  EXPECT_LE(largest(*conv.bias), bound);
  const Linear fc(100, 50);
  EXPECT_LE(largest(fc.weight), 0.1);
  EXPECT_GT(largest(fc.weight), 0.099);
  EXPECT_FALSE(Linear(3, 4, {.bias = false}).bias.has_value());
  EXPECT_FALSE(Conv2d(3, 4, 1, {.bias = false}).bias.has_value());
}

TEST(Layers, ConvComputesWhatItsOpDoes) {
  Conv2d conv(4, 6, 3, {.stride = 2, .padding = 1, .groups = 2});
  const Tensor x = some({2, 4, 7, 7});
  EXPECT_EQ(conv(x).to_vector<float>(),
            conv2d(x, conv.weight, conv.bias, {.stride = 2, .padding = 1, .groups = 2}).to_vector<float>());
}

TEST(Layers, ConstructorsRefuseWhatCannotBe) {
  EXPECT_EQ(error_of([] { Conv2d(3, 4, 3, {.groups = 2}); }),
            "[Conv2d] 3 input and 4 output channels do not divide into 2 groups");
  EXPECT_EQ(error_of([] { Conv2d(0, 4, 3); }), "[Conv2d] 0 input and 4 output channels: both must be positive");
  EXPECT_EQ(error_of([] { Dropout(1.5); }), "[Dropout] p is 1.5, it must be between 0 and 1");
  EXPECT_EQ(error_of([] { BatchNorm2d(0); }), "[BatchNorm] num_features is 0, it must be positive");
}

TEST(Layers, BatchNormInEvalUsesRunningStatisticsAndLeavesThem) {
  BatchNorm1d norm(2);
  copy_into(*norm.running_mean, from_vector<float>({1, 2}, {2}));
  copy_into(*norm.running_var, from_vector<float>({4, 9}, {2}));
  norm.eval();
  const Tensor y = norm(from_vector<float>({3, 8}, {1, 2}));
  EXPECT_THAT(y.to_vector<float>(), Pointwise(FloatNear(1e-5F), std::vector<float>{1, 2}));
  EXPECT_EQ(norm.num_batches_tracked->item<int64_t>(), 0);
}

TEST(Layers, BatchNormForgetsItsBatches) {
  BatchNorm1d norm(2, {.momentum = std::nullopt});
  norm(some({8, 2}));
  norm.reset_running_stats();
  EXPECT_THAT(norm.running_var->to_vector<float>(), ElementsAre(1, 1));
  EXPECT_EQ(norm.num_batches_tracked->item<int64_t>(), 0);
}

TEST(Layers, BatchNormWithoutTrackingOrParameters) {
  BatchNorm2d norm(2, {.affine = false, .track_running_stats = false});
  EXPECT_TRUE(norm.state_dict().empty());
  norm.eval();
  EXPECT_NEAR(mean(norm(some({2, 2, 4, 4}) + 5.0)).item<float>(), 0, 1e-5);
}

TEST(Layers, BatchNormErrorsNameTheLayerAndTheShape) {
  Sequential net(BatchNorm2d(3));
  EXPECT_EQ(error_of([&] { net(ones({2, 3})); }), "[BatchNorm2d] 0: x is [2, 3], it must be [N,C,H,W]");
  EXPECT_EQ(error_of([&] { net(ones({2, 4, 2, 2})); }), "[BatchNorm2d] 0: x is [2, 4, 2, 2], it must have 3 channels");
  EXPECT_THAT(error_of([&] { net(ones({1, 3, 1, 1})); }), HasSubstr("more than one value a channel"));
}

TEST(Layers, DtypeErrorsNameTheLayerAndBothTypes) {
  Sequential net(Conv2d(3, 4, 3), Flatten(), Linear(4, 2));
  EXPECT_THAT(error_of([&] { net(ones({1, 3, 3, 3}, DType::f64)); }),
              AllOf(HasSubstr("[conv2d] 0: "), HasSubstr("f64"), HasSubstr("f32")));
  EXPECT_THAT(error_of([&] { net(ones({1, 3, 3, 3}, DType::i64)); }),
              AllOf(HasSubstr("[conv2d] 0: "), HasSubstr("i64")));
  net.get<Linear>(2).to(DType::bf16);
  EXPECT_THAT(error_of([&] { net(ones({1, 3, 3, 3})); }), AllOf(HasSubstr("[linear] 2: "), HasSubstr("bf16")));
}

TEST(Layers, FusedNormAndReluDoWhatTheModulesDo) {
  BatchNorm2d fused(3), plain(3);
  ReLU activation;
  const Tensor x = some({2, 3, 4, 4}), residual = some({2, 3, 4, 4}, 9);
  const Tensor y = norm_relu(fused, activation, x, residual);
  const Tensor expected = activation(plain(x) + residual);
  EXPECT_THAT(y.to_vector<float>(), Pointwise(FloatNear(1e-6F), expected.to_vector<float>()));
  EXPECT_EQ(fused.running_var->to_vector<float>(), plain.running_var->to_vector<float>());
  int seen = 0;
  auto handle = fused.on_forward([&](const Module&, const Tensors&, Tensors&) { ++seen; });
  norm_relu(fused, activation, x, residual);
  EXPECT_EQ(seen, 1);
}

class HalfReLU : public ModuleOf<HalfReLU, ReLU> {
 public:
  Tensor forward(const Tensor& x) const { return relu(x) * 0.5; }
};

TEST(Layers, SequentialTakesNormAndReluTogetherWhereNobodyLooks) {
  const Tensor x = some({2, 3, 4, 4});
  BatchNorm2d norm(3);
  ReLU activation;
  const auto expected = activation(norm(x)).to_vector<float>();
  const auto run = [&](Sequential net) { return net(x).to_vector<float>(); };
  EXPECT_THAT(run(Sequential(BatchNorm2d(3), ReLU())), Pointwise(FloatNear(1e-6F), expected));
  EXPECT_THAT(run(Sequential(BatchNorm2d(3), ReLU(), Identity())), Pointwise(FloatNear(1e-6F), expected));
  auto half = expected;
  for (float& v : half) v *= 0.5F;
  EXPECT_THAT(run(Sequential(BatchNorm2d(3), HalfReLU())), Pointwise(FloatNear(1e-6F), half));  // its own forward
  Sequential watched(BatchNorm2d(3), ReLU());
  int seen = 0;
  std::vector<HookHandle> handles;
  for (Module* child : watched.children())
    handles.push_back(child->on_forward([&](const Module&, const Tensors&, Tensors&) { ++seen; }));
  EXPECT_THAT(watched(x).to_vector<float>(), Pointwise(FloatNear(1e-6F), expected));
  EXPECT_EQ(seen, 2);
  EXPECT_THAT(error_of([] { Sequential(BatchNorm2d(3), ReLU())(ones({2, 4, 2, 2})); }), HasSubstr("] 0: x is"));
}

TEST(Layers, DropoutDependsOnSeedStepPathAndSample) {
  Sequential net(Dropout(0.5), Dropout(0.5));
  const Tensor x = ones({4, 64});
  const auto run = [&](uint64_t seed, uint64_t step, uint64_t first, const Tensor& in) {
    const DropoutScope scope(seed, step, first);
    return net(in).to_vector<float>();
  };
  const auto all = run(1, 2, 0, x);
  EXPECT_EQ(run(1, 2, 0, x), all);
  EXPECT_NE(run(2, 2, 0, x), all);
  EXPECT_NE(run(1, 3, 0, x), all);
  const auto half = run(1, 2, 2, slice(x, 0, 2, 4));
  EXPECT_TRUE(std::equal(half.begin(), half.end(), all.begin() + 128));
  const auto zeros = static_cast<double>(std::count(all.begin(), all.end(), 0.0F)) / 256;
  EXPECT_NEAR(zeros, 0.75, 0.1);  // two independent masks
  EXPECT_THAT(all, testing::Each(testing::AnyOf(0.0F, 4.0F)));
}

TEST(Layers, ALayerThatRunsTwiceInAStepDrawsTwice) {
  Dropout drop(0.5);
  const DropoutScope scope(1, 1);
  const auto first = drop(ones({256})).to_vector<float>();
  EXPECT_NE(drop(ones({256})).to_vector<float>(), first);
}

TEST(Layers, DropoutPassesWhereItHasNothingToDo) {
  Dropout drop(0.5);
  const Tensor x = ones({8});
  drop.eval();
  EXPECT_TRUE(drop(x).same_as(x));
  Dropout never(0), always(1);
  EXPECT_TRUE(never(x).same_as(x));
  EXPECT_THAT(always(x).to_vector<float>(), testing::Each(0.0F));
  const SeedScope seed(3);
  Dropout other(0.5);
  EXPECT_NE(other(ones({256})).to_vector<float>(), other(ones({256})).to_vector<float>());
}

TEST(Layers, PoolsAndActivationsAreTheirOps) {
  const Tensor x = some({2, 3, 6, 6});
  const auto same = [](const Tensor& a, const Tensor& b) { EXPECT_EQ(a.to_vector<float>(), b.to_vector<float>()); };
  same(MaxPool2d({.kernel = 2})(x), max_pool2d(x, {.kernel = 2}));
  same(AvgPool2d({.kernel = 3, .stride = 2})(x), avg_pool2d(x, {.kernel = 3, .stride = 2}));
  same(AdaptiveAvgPool2d(2)(x), adaptive_avg_pool2d(x, 2));
  same(ReLU()(x), relu(x));
  same(ReLU6()(x), relu6(x));
  same(LeakyReLU(0.2)(x), leaky_relu(x, 0.2));
  same(ELU(0.5)(x), elu(x, 0.5));
  same(Sigmoid()(x), sigmoid(x));
  same(Tanh()(x), tanh(x));
  same(SiLU()(x), silu(x));
  same(GELU()(x), gelu(x));
  same(Hardswish()(x), hardswish(x));
  same(Hardsigmoid()(x), hardsigmoid(x));
  same(Mish()(x), mish(x));
  same(Softmax(1)(x), softmax(x, 1));
  same(LogSoftmax(1)(x), log_softmax(x, 1));
  EXPECT_EQ(Flatten()(x).shape(), Shape({2, 108}));
  EXPECT_TRUE(Identity()(x).same_as(x));
}

TEST(Containers, SequentialRunsIndexesAndNames) {
  Sequential net;
  net.append(Flatten());
  net.add("fc", Linear(4, 2));
  net.append(Sequential(ReLU(), Linear(2, 3)));
  EXPECT_EQ(net(ones({5, 2, 2})).shape(), Shape({5, 3}));
  EXPECT_EQ(net.size(), 3u);
  EXPECT_EQ(net[-1].type_name(), "Sequential");
  EXPECT_EQ(&net.get<Linear>(1), &net.submodule("fc"));
  EXPECT_EQ(net.state_dict().front().first, "fc.weight");
  EXPECT_EQ(net.state_dict().back().first, "2.1.bias");
  EXPECT_EQ(error_of([&] { net.get<ReLU>(1); }), "[Sequential] module 1 is Linear, not ReLU");
  EXPECT_EQ(error_of([&] { net[3]; }), "[Sequential] there is no module 3, it has 3");
  const auto twin = net.clone();
  EXPECT_FALSE(twin->get<Linear>(1).weight.same_as(net.get<Linear>(1).weight));
  EXPECT_EQ((*twin)(ones({5, 2, 2})).to_vector<float>(), net(ones({5, 2, 2})).to_vector<float>());
}

class Branches : public ModuleOf<Branches> {
 public:
  Branches() {
    child("stages", stages);
    stages.append(Linear(2, 2));
    stages.append(Linear(3, 3));
    heads.add("a", Linear(2, 2));
    child("heads", heads);
  }
  Tensor forward(const Tensor& x) { return stages[1].call(stages[0].call({x}))[0]; }
  ModuleList stages;
  ModuleDict heads;
};

TEST(Containers, ListsPutTheirNameIntoPaths) {
  Branches net;
  EXPECT_THAT(error_of([&] { net(ones({1, 2})); }), HasSubstr("[linear] stages.1:"));
  Branches moved = std::move(net);
  EXPECT_THAT(error_of([&] { moved(ones({1, 2})); }), HasSubstr("[linear] stages.1:"));
  EXPECT_THAT(error_of([&] { moved.heads.at("a").call({ones({1, 3})}); }), HasSubstr("[linear] heads.a:"));
  EXPECT_EQ(error_of([&] { moved.heads.at("b"); }), "[ModuleDict] there is no module 'b'; did you mean 'a'?");
  EXPECT_THAT(moved.heads.keys(), ElementsAre("a"));
  EXPECT_EQ(error_of([&] { moved.stages.call({ones({1})}); }), "forward of ModuleList does not take 1 tensors");
}

TEST(Containers, PrintAsInPyTorch) {
  const Sequential net(Conv2d(1, 20, 5, {.padding = 2, .bias = false}), BatchNorm2d(20), ReLU(),
                       MaxPool2d({.kernel = 2}), Dropout(0.5), AdaptiveAvgPool2d(1), Flatten(), Linear(20, 3));
  EXPECT_EQ(to_string(net), R"(Sequential(
  (0): Conv2d(1, 20, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2), bias=False)
  (1): BatchNorm2d(20, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  (2): ReLU()
  (3): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
  (4): Dropout(p=0.5)
  (5): AdaptiveAvgPool2d(output_size=(1, 1))
  (6): Flatten(start_dim=1, end_dim=-1)
  (7): Linear(in_features=20, out_features=3, bias=True)
))");
  ModuleList list;
  list.append(ReLU());
  list.append(ReLU());
  list.append(Softmax(1));
  EXPECT_EQ(to_string(list), "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Softmax(dim=1)\n)");
}

TEST(Layers, KnowTheirFamilies) {
  EXPECT_TRUE(BatchNorm2d(1).is_a("_BatchNorm"));
  EXPECT_TRUE(Conv2d(1, 1, 1).is_a("_ConvNd"));
  EXPECT_FALSE(Conv2d(1, 1, 1).is_a("_BatchNorm"));
}

}  // namespace
}  // namespace ingot
