#include "ingot/init.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "error_of.h"
#include "golden.h"
#include "ingot/models.h"
#include "ingot/ops.h"
#include "nn/normal_quantile.h"

namespace ingot {
namespace {

double std_of(const Tensor& x) { return std::sqrt(var(x).item<double>()); }
double largest(const Tensor& x) { return amax(abs(x)).item<double>(); }

TEST(Init, GainsArePyTorchs) {
  for (const char* name : {"linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
                           "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"})
    EXPECT_DOUBLE_EQ(calculate_gain(name), golden("init").at("gain/" + std::string(name)).item<double>()) << name;
  EXPECT_DOUBLE_EQ(calculate_gain("leaky_relu", 0.2), golden("init").at("gain/leaky_relu/0.2").item<double>());
  EXPECT_EQ(error_of([] { calculate_gain("leaky_rel"); }),
            "no gain is known for the nonlinearity 'leaky_rel'; did you mean 'leaky_relu'?");
}

TEST(Init, FansCountTheReceptiveField) {
  const Fan fan = calculate_fan(empty({8, 4, 3, 5}));
  EXPECT_EQ(fan.in, 60);
  EXPECT_EQ(fan.out, 120);
  EXPECT_EQ(error_of([] { calculate_fan(empty({8})); }),
            "fan in and out need a tensor of two dimensions or more, this one is [8]");
}

/// Mean, standard deviation and mean magnitude, which tell uniform and normal values apart.
void expect_drawn_alike(const std::string& name, const Tensor& x) {
  const double spread = std_of(x), size = mean(abs(x)).item<double>();
  const auto expected = golden("init").at(name).to_vector<double>();
  EXPECT_NEAR(mean(x).item<double>(), expected[0], 0.1 * expected[1]) << name;
  EXPECT_NEAR(spread, expected[1], 0.05 * expected[1]) << name;
  EXPECT_NEAR(size / spread, expected[2] / expected[1], 0.03) << name;
}

TEST(Init, DistributionsAreAlikeToPyTorchs) {
  const Tensor x = empty({256, 64, 3, 3});
  const double in = 64 * 9, out = 256 * 9;
  const RandomKey key{7};
  expect_drawn_alike("normal", normal_(x, 1, 3, key));
  expect_drawn_alike("uniform", uniform_(x, -1, 3, key));
  expect_drawn_alike("xavier_normal", xavier_normal_(x, 1, key));
  expect_drawn_alike("xavier_uniform", xavier_uniform_(x, 2, key));
  EXPECT_NEAR(largest(x), 2 * std::sqrt(6 / (in + out)), 1e-4);
  expect_drawn_alike("kaiming_normal", kaiming_normal_(x, {}, key));
  expect_drawn_alike("kaiming_normal.fan_out", kaiming_normal_(x, {.a = 0.2, .mode = FanMode::fan_out}, key));
  expect_drawn_alike("kaiming_uniform.fan_out",
                     kaiming_uniform_(x, {.mode = FanMode::fan_out, .nonlinearity = "relu"}, key));
  expect_drawn_alike("kaiming_uniform", kaiming_uniform_(x, {.a = std::sqrt(5.0)}, key));
  EXPECT_NEAR(largest(x), 1 / std::sqrt(in), 1e-4);
  expect_drawn_alike("trunc_normal", trunc_normal_(x, {.mean = 0.5, .std = 2, .a = -1, .b = 2}, key));
  EXPECT_GE(amin(x).item<double>(), -1);
  EXPECT_LE(amax(x).item<double>(), 2);
  expect_drawn_alike("caffe2_xavier", caffe2_xavier_(x, key));
  EXPECT_NEAR(largest(x), std::sqrt(3 / in), 1e-4);
  EXPECT_EQ(largest(constant_(x, -2)), 2);
  EXPECT_EQ(largest(zeros_(x)), 0);
  EXPECT_EQ(amin(ones_(x)).item<double>(), 1);
}

TEST(Init, LayersStartAlikeToPyTorchs) {
  const SeedScope seed(0);
  const Linear linear(150, 400);
  const Conv2d conv(16, 600, Pair(3, 5), {.groups = 2});
  expect_drawn_alike("linear/weight", linear.weight);
  expect_drawn_alike("linear/bias", *linear.bias);
  expect_drawn_alike("conv/weight", conv.weight);
  expect_drawn_alike("conv/bias", *conv.bias);
}

TEST(Init, QuantilesInvertTheDistributionFunction) {
  for (double p = 1e-300; p < 0.5; p *= 1.7) {
    const double x = normal_quantile(p);
    EXPECT_NEAR(normal_cdf(x) / p, 1, 2e-15 * (1 + x * x)) << p;  // which conditions the quotient
  }
  for (double p = 0.001; p < 0.5; p += 0.001) EXPECT_NEAR(normal_quantile(1 - p), -normal_quantile(p), 1e-13) << p;
  EXPECT_EQ(normal_quantile(0.5), 0);
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-15);
}

TEST(Init, TruncatedNormalValuesAreRightFarFromTheMean) {
  // In a tail, x - a is almost exponential with mean 1/a (1 - 1/a^2 + ...).
  const Tensor x = trunc_normal_(empty({100'000}, DType::f64), {.a = 10, .b = 100}, RandomKey{1});
  EXPECT_GE(amin(x).item<double>(), 10);
  EXPECT_NEAR(mean(x).item<double>(), 10 + 0.0981, 1e-3);
  const Tensor mirrored = trunc_normal_(empty({100'000}, DType::f64), {.a = -100, .b = -10}, RandomKey{1});
  EXPECT_EQ((-mirrored).to_vector<double>(), x.to_vector<double>());
  // As ViT has it: bounds of 100 standard deviations truncate nothing.
  const Tensor wide = trunc_normal_(empty({100'000}), {.std = 0.02}, RandomKey{2});
  EXPECT_NEAR(std_of(wide), 0.02, 1e-4);
  EXPECT_LT(largest(wide), 0.02 * 6);
}

TEST(Init, BoundsAndSpreadsAreChecked) {
  const Tensor x = empty({2, 2});
  EXPECT_EQ(error_of([&] { trunc_normal_(x, {.a = 1, .b = -1}); }),
            "trunc_normal_ from 1 to -1: the bounds are the wrong way round");
  EXPECT_EQ(error_of([&] { trunc_normal_(x, {.std = 0}); }),
            "trunc_normal_ with standard deviation 0: it must be positive");
  EXPECT_EQ(error_of([&] { trunc_normal_(x, {.a = 50, .b = 60}); }),
            "trunc_normal_ from 50 to 60: the bounds are too far from the mean 0 at standard deviation 1");
  EXPECT_EQ(error_of([&] { uniform_(x, 1, -1); }), "uniform_ from 1 to -1: the bounds are the wrong way round");
  EXPECT_EQ(error_of([&] { normal_(x, 0, -1); }), "normal_ with standard deviation -1: it must not be negative");
  EXPECT_EQ(error_of([&] { sparse_(x, {.sparsity = 1.5}); }), "sparse_ with sparsity 1.5: it must be from 0 to 1");
  EXPECT_EQ(error_of([] { bias_init_with_prob(1); }),
            "bias_init_with_prob of 1: a probability between 0 and 1 is expected");
}

TEST(Init, TheBiasOfAPriorProbability) {
  for (const double p : {0.01, 0.5, 0.9}) EXPECT_NEAR(1 / (1 + std::exp(-bias_init_with_prob(p))), p, 1e-15);
  EXPECT_DOUBLE_EQ(bias_init_with_prob(0.01), -std::log(99));
}

TEST(Init, ValuesDependOnKeyAndPositionNotOnLayoutOrDtype) {
  const RandomKey key{3};
  const Tensor last = empty({4, 5, 3, 3}, DType::f32, Layout::channels_last),
               rows = empty({4, 5, 3, 3}, DType::f32, Layout::row_major);
  EXPECT_EQ(uniform_(last, -1, 1, key).to_vector<float>(), uniform_(rows, -1, 1, key).to_vector<float>());
  EXPECT_EQ(last.to_vector<float>(), uniform({4, 5, 3, 3}, -1, 1, key).to_vector<float>());
  const Tensor half = empty({4, 5, 3, 3}, DType::bf16);
  EXPECT_EQ(uniform_(half, -1, 1, key).to_vector<float>(), cast(rows, DType::bf16).to_vector<float>());
  for (const auto& draw : std::vector<std::function<void(Tensor)>>{
           [&](Tensor x) { trunc_normal_(std::move(x), {}, key); },
           [&](Tensor x) { orthogonal_(std::move(x), 1, key); }, [](Tensor x) { dirac_(std::move(x)); }}) {
    draw(last), draw(rows), draw(half);
    EXPECT_EQ(last.to_vector<float>(), rows.to_vector<float>());
    EXPECT_EQ(half.to_vector<float>(), cast(rows, DType::bf16).to_vector<float>());
  }
}

TEST(Init, WithoutAKeyTheCurrentGeneratorGivesOne) {
  const auto draw = [] {
    const SeedScope seed(5);
    return Linear(3, 3).weight.to_vector<float>();
  };
  EXPECT_EQ(draw(), draw());
  const SeedScope seed(5);
  EXPECT_EQ(Linear(3, 3).weight.to_vector<float>(), draw());
  EXPECT_NE(Linear(3, 3).weight.to_vector<float>(), draw());
}

class Two : public ModuleOf<Two> {
 public:
  explicit Two(bool swapped) {
    swapped ? child("b", b) : child("a", a);
    swapped ? child("a", a) : child("b", b);
  }
  Tensor forward(const Tensor& x) { return b(a(x)); }
  Linear a{4, 4}, b{4, 4};
};

TEST(Init, InitWeightsDependsOnNamesAlone) {
  Two net(false), swapped(true);
  init_weights(net, 11);
  init_weights(swapped, 11);
  EXPECT_EQ(net.a.weight.to_vector<float>(), swapped.a.weight.to_vector<float>());
  EXPECT_NE(net.a.weight.to_vector<float>(), net.b.weight.to_vector<float>());
  const auto before = net.a.weight.to_vector<float>();
  init_weights(net, 12);
  EXPECT_NE(net.a.weight.to_vector<float>(), before);
}

TEST(Init, ATieTakesTheValueOfItsFirstName) {
  Two net(false), tied(false);
  tied.b.weight = tied.a.weight;
  init_weights(net, 1);
  init_weights(tied, 1);
  EXPECT_EQ(net.a.weight.to_vector<float>(), tied.b.weight.to_vector<float>());
}

TEST(Init, SkipInitLeavesRandomValuesUndrawnButNormsSet) {
  const SkipInit skip;
  const BatchNorm2d norm(2);
  EXPECT_THAT(norm.weight->to_vector<float>(), testing::Each(1.0F));
  const SeedScope seed(1);
  Linear skipped(2, 2);
  EXPECT_EQ(Generator::current().next("init"), Generator(1).next("init"));
}

TEST(Init, ModelsStartAsTheirPapersDo) {
  ResNet net({.depth = 18, .zero_init_residual = true});
  init_weights(net, 4);
  const Tensor& weight = net.layer1.get<BasicBlock>(0).conv1->weight;
  EXPECT_NEAR(std_of(weight), std::sqrt(2.0 / (64 * 9)), 1e-3);
  EXPECT_EQ(largest(*net.layer4.get<BasicBlock>(1).bn2.weight), 0);
}

}  // namespace
}  // namespace ingot
