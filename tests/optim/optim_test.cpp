#include "ingot/optim.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "ingot/ops.h"
#include "nn/error_of.h"
#include "nn/wave.h"

namespace ingot {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;

using Make = std::function<std::unique_ptr<Optimizer>(const Tensors&)>;

template <class O, class Options>
Make make(const Options& options) {
  return [options](const Tensors& params) { return std::make_unique<O>(params, options); };
}

/// A gradient that is neither constant nor that of a simple function.
Tensor gradient_at(const Tensor& theta, int step) {
  std::vector<double> g = theta.to_vector<double>();
  for (double& v : g) v = std::cos(2 * v + step) + 0.5 * v;
  Tensor x = cast(from_vector(g, theta.shape()), theta.dtype());
  return x;
}

// PyTorch 2.15's parameters after 12 steps, with f64 as the default dtype, which its scalar states take (Lion's and
// Lamb's by their formulas in Python); the second parameter has no gradient in the first three.
struct Trajectory {
  const char* name;
  Make make;
  std::vector<double> expected;
};

class Trajectories : public testing::TestWithParam<Trajectory> {};

TEST_P(Trajectories, ArePyTorchs) {
  Tensor a = wave({5}).set_requires_grad(), b = wave({2, 2}, 0.9, 0.4).set_requires_grad();
  const auto optimizer = GetParam().make({a, b});
  constexpr int kSteps = 12, kWithout = 3;
  for (int step = 0; step < kSteps; ++step) {
    a.set_grad(gradient_at(a, step));
    if (step >= kWithout) b.set_grad(gradient_at(b, step));
    optimizer->step();
  }
  auto values = a.to_vector<double>();
  for (const double v : b.to_vector<double>()) values.push_back(v);
  EXPECT_THAT(values, Pointwise(DoubleNear(1e-12), GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    All, Trajectories,
    testing::Values(
        Trajectory{"sgd",
                   make<SGD>(SGDOptions{.lr = 0.1}),
                   {-0.0155158472362717, 0.829154119343794, 0.511416929446415, -0.768505861956322, -0.98744488369757,
                    0.380469591859422, 1.09221812891009, 0.381696772175262, -0.941471534697092}},
        Trajectory{"momentum",
                   make<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.05}),
                   {-0.0713598767951787, -2.34743813719887, -0.323451785644231, 0.562788028417013, 0.756779828183181,
                    -0.438133034857055, 0.255551250188067, -0.442188046548922, -0.0663133831581195}},
        Trajectory{"nesterov",
                   make<SGD>(SGDOptions{
                       .lr = 0.05, .momentum = 0.8, .weight_decay = 0.01, .nesterov = true, .maximize = true}),
                   {-0.00829996971241867, 4.92477318991343, 2.04682353030377, -4.15335416136447, -4.94085158427221,
                    1.75608919481394, 3.83352309732969, 1.7628459844734, -2.94501418638878}},
        Trajectory{"adagrad",
                   make<Adagrad>(AdagradOptions{
                       .lr = 0.2, .lr_decay = 0.1, .weight_decay = 0.02, .initial_accumulator_value = 0.3}),
                   {-0.122322118969581, 1.22629864254694, 0.707002304238945, -0.955714930573704, -1.26148206577947,
                    0.347710887898551, 1.45675409972585, 0.348868927676446, -1.05603865098464}},
        Trajectory{"adam",
                   make<Adam>(AdamOptions{.lr = 0.05, .betas = {0.8, 0.95}, .weight_decay = 0.03}),
                   {-0.0701897338173469, 1.41781035288698, 0.791959018972588, -0.981130826836459, -1.31517890815857,
                    0.492238996117333, 1.62688610716512, 0.494691732619556, -1.18062693091246}},
        Trajectory{"amsgrad",
                   make<Adam>(AdamOptions{.lr = 0.05, .eps = 1e-3, .amsgrad = true, .maximize = true}),
                   {0.129074769458355, 2.44671099037945, 1.26783454138622, -1.82646371285268, -2.27412249719529,
                    1.10596785880347, 2.37984145048055, 1.10946812376865, -1.60199429697744}},
        Trajectory{"adamw",
                   make<AdamW>(AdamWOptions{.lr = 0.05}),
                   {-0.0980674323090649, 1.4152688132292, 0.81682101123117, -0.97188739138977, -1.297567652183,
                    0.476715868544477, 1.62504507767029, 0.479100676309283, -1.19569844708804}},
        Trajectory{"adamw_amsgrad",
                   make<AdamW>(AdamWOptions{.lr = 0.05, .weight_decay = 0.3, .amsgrad = true, .maximize = true}),
                   {0.11074964868176, 2.08204766578897, 1.06380980089626, -1.54860664050636, -1.92658964571743,
                    0.981111865976039, 2.10012776743211, 0.984200331071819, -1.41349286897503}},
        Trajectory{"adadelta",
                   make<Adadelta>(AdadeltaOptions{.lr = 0.7, .rho = 0.8, .eps = 1e-3, .weight_decay = 0.02}),
                   {0.00948898809523244, 1.27550270159989, 0.671503248898103, -1.09765463052906, -1.44355892181247,
                    0.489111353833886, 1.67034878931397, 0.491738811839581, -1.09056901288458}},
        Trajectory{"rmsprop",
                   make<RMSprop>(RMSpropOptions{.lr = 0.05, .alpha = 0.9, .weight_decay = 0.02}),
                   {-0.0701760218465024, 0.988250514913973, 0.547012275118818, -0.863401019244022, -1.1761831014439,
                    0.260042087035837, 1.36461651490884, 0.263012472661357, -1.03550991109818}},
        Trajectory{"rmsprop_momentum",
                   make<RMSprop>(RMSpropOptions{.lr = 0.02, .momentum = 0.8}),
                   {-0.185131541758131, -2.15727583926404, -0.34552734186179, 0.258711938544582, 0.25055491453138,
                    -2.32851342965951, 0.455957562392449, -2.3252384243536, -0.165551530058399}},
        Trajectory{"rmsprop_centered",
                   make<RMSprop>(RMSpropOptions{.lr = 0.02, .eps = 1e-2, .centered = true, .maximize = true}),
                   {-0.0570343453495301, 2.95352740901455, 1.46846047614885, -2.21267968990952, -2.71198899303198,
                    1.48216104393433, 2.71307398971269, 1.48619667651676, -1.97004766530824}},
        Trajectory{"rmsprop_centered_momentum",
                   make<RMSprop>(RMSpropOptions{.lr = 0.01, .momentum = 0.5, .centered = true}),
                   {-0.0827121893221989, 0.921426671808984, 0.588834227938014, -0.823172823870569, -1.12059884856785,
                    0.188787153132716, 1.34820658125118, 0.192506009352261, -1.00649940348686}},
        Trajectory{"rprop",
                   make<Rprop>(RpropOptions{.lr = 0.1, .etas = {0.6, 1.3}, .step_sizes = {0.01, 0.3}}),
                   {-0.151460552, 0.536806370834386, 0.833491223642928, -1.05578239836795, -0.207222246240306,
                    -0.0114733153826991, 0.684029025863669, -0.00854044220309574, -1.27491794643294}},
        Trajectory{"asgd",
                   make<ASGD>(ASGDOptions{.lr = 0.1, .lambd = 0.05, .t0 = 4, .weight_decay = 0.02}),
                   {-0.0123183572659173, 0.773103020871284, 0.481712794460022, -0.700611524754981, -0.901577518932563,
                    0.361493939356485, 1.03001244173227, 0.362653956958834, -0.876205220626373}},
        Trajectory{"adamax",
                   make<Adamax>(AdamaxOptions{.lr = 0.05, .betas = {0.8, 0.9}, .weight_decay = 0.02, .maximize = true}),
                   {0.0874549690833731, 2.33881113862338, 1.21186843807642, -1.72887866931441, -2.20306689386913,
                    1.0267439523697, 2.29621002712217, 1.03038786038766, -1.53300768532896}},
        Trajectory{"nadam",
                   make<NAdam>(NAdamOptions{.lr = 0.05, .weight_decay = 0.02, .momentum_decay = 0.04}),
                   {-0.0159918375425082, 1.47587438004243, 0.75891824321424, -1.08339941715437, -1.44626412944203,
                    0.541391993192353, 1.70481698873651, 0.544116463665468, -1.20023808271753}},
        Trajectory{"nadam_decoupled",
                   make<NAdam>(NAdamOptions{.lr = 0.05, .weight_decay = 0.3, .decoupled_weight_decay = true}),
                   {-0.00943123525027675, 1.2030310470938, 0.634287969897533, -0.889726087586336, -1.19205793158759,
                    0.470818612190558, 1.46980069902034, 0.473190032269281, -1.03928802794183}},
        Trajectory{"radam",
                   make<RAdam>(RAdamOptions{.lr = 0.05, .betas = {0.9, 0.95}, .weight_decay = 0.02}),
                   {-0.0927259453929674, 1.60436683991531, 0.95409538248086, -1.0944717798975, -1.37520938830049,
                    0.582234110646618, 1.68732111130236, 0.584083460237047, -1.25194502245643}},
        Trajectory{"radam_decoupled",
                   make<RAdam>(RAdamOptions{
                       .lr = 0.05, .weight_decay = 0.3, .decoupled_weight_decay = true, .maximize = true}),
                   {0.0739911811588386, 1.8159976323611, 0.869580604042633, -1.36526367329451, -1.80232335442198,
                    0.834360277142936, 1.99109419855386, 0.837802116941639, -1.31795965968997}},
        Trajectory{"lion",
                   make<Lion>(LionOptions{.lr = 0.05, .betas = {0.8, 0.95}, .weight_decay = 0.1}),
                   {-0.0926480618177497, 1.23084479549948, 0.676251224931568, -0.711460671766824, -1.07999017454533,
                    0.500887641143828, 1.47067433412641, 0.503691144050855, -0.983634344633548}},
        Trajectory{"lamb",
                   make<Lamb>(LambOptions{.lr = 0.05, .weight_decay = 0.1}),
                   {-0.117647149256812, 1.07079501375861, 0.671598324285723, -0.728369711391009, -0.988976859799884,
                    0.34051132292662, 1.37629587737695, 0.342534811495345, -1.03611172946494}},
        Trajectory{"lamb_always_adapts",
                   make<Lamb>(LambOptions{.lr = 0.05, .weight_decay = 0, .always_adapt = true}),
                   {-0.138088937670022, 1.08233864860363, 0.688920098412998, -0.731218272826253, -1.00105984996646,
                    0.320027232215122, 1.40337583487086, 0.322093771746543, -1.06669015917497}},
        Trajectory{"lamb_without_decay",
                   make<Lamb>(LambOptions{.lr = 0.05, .weight_decay = 0}),
                   {-0.0986084936620718, 1.42505117847393, 0.82194514675781, -0.978551317591838, -1.30635974879705,
                    0.479362267170366, 1.63304338752924, 0.481758696876833, -1.20165530952815}}),
    [](const auto& info) { return info.param.name; });

TEST(Optimizer, StepsEveryElementOfLargeParametersOfAnyLayoutAlike) {
  const Shape shape{33, 7, 5, 3};
  for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
    Tensor x = empty(shape, DType::f32, layout);
    copy_into(x, wave(shape, 0.01, 0, DType::f32));
    x.set_requires_grad();
    SGD sgd({x}, {.lr = 0.5, .momentum = 0.9});
    for (int step = 0; step < 3; ++step) {
      x.set_grad(wave(shape, 0.02, step, DType::f32));  // in the default layout, whatever the parameter's
      sgd.step();
    }
    auto theta = wave(shape, 0.01, 0, DType::f32).to_vector<float>();
    std::vector<float> buffer(theta.size(), 0);
    for (int step = 0; step < 3; ++step) {
      const auto g = wave(shape, 0.02, step, DType::f32).to_vector<float>();
      for (size_t i = 0; i < theta.size(); ++i) {
        buffer[i] = step == 0 ? g[i] : 0.9F * buffer[i] + g[i];
        theta[i] -= 0.5F * buffer[i];
      }
    }
    EXPECT_THAT(x.to_vector<float>(), Pointwise(FloatNear(1e-5F), theta));
  }
}

TEST(Optimizer, Bf16ParametersKeepTheirStateInF32) {
  Tensor x = full({64}, 1, DType::bf16).set_requires_grad();
  AdamW adam({x}, {.lr = 0.125, .weight_decay = 0});
  for (int step = 0; step < 4; ++step) {
    x.set_grad(full({64}, 3, DType::bf16));
    adam.step();
  }
  EXPECT_THAT(x.to_vector<float>(), testing::Each(0.5F));
  EXPECT_EQ(adam.state_dict().state.at(0).at("exp_avg").dtype(), DType::f32);
}

TEST(Optimizer, SkipsParametersWithoutGradient) {
  Tensor a = ones({2}).set_requires_grad(), b = ones({2}).set_requires_grad();
  Adam adam({a, b}, {.weight_decay = 1});
  a.set_grad(ones({2}));
  adam.step();
  EXPECT_THAT(b.to_vector<float>(), ElementsAre(1, 1));
  EXPECT_FALSE(adam.state_dict().state.contains(1));
  adam.zero_grad();
  EXPECT_FALSE(a.grad().defined());
}

TEST(Optimizer, GroupsOverrideAnyOption) {
  Tensor a = ones({1}).set_requires_grad(), b = ones({1}).set_requires_grad();
  const SGDOptions options{.lr = 0.1, .weight_decay = 1};
  SGDOptions bare = options;
  bare.weight_decay = 0;
  SGD sgd({{{a}, options}, {{b}, bare}});
  a.set_grad(zeros({1}));
  b.set_grad(zeros({1}));
  sgd.set_lr(0, 0.5);
  sgd.step();
  EXPECT_EQ(a.item<float>(), 0.5F);
  EXPECT_EQ(b.item<float>(), 1.0F);
  EXPECT_EQ(sgd.lr(1), 0.1);
  EXPECT_EQ(sgd.options(1).weight_decay, 0);
}

TEST(Optimizer, RefusesParametersTwiceAndOptionsOutOfRange) {
  Tensor a = ones({1}).set_requires_grad(), b = ones({1}).set_requires_grad();
  EXPECT_EQ(error_of([&] { SGD({{{a}, {.lr = 1}}, {{b, a}, {.lr = 1}}}); }),
            "SGD: parameter 1 of group 1, [1], is in the optimiser already");
  EXPECT_EQ(error_of([&] { SGD({a}, {}); }), "SGD needs a learning rate: lr is not given");
  EXPECT_THAT(error_of([&] { SGD({a}, {.lr = 1, .nesterov = true}); }), HasSubstr("nesterov needs momentum above 0"));
  EXPECT_EQ(error_of([&] { Adam({a}, {.betas = {0.9, 1}}); }), "a beta is 1, it must be in [0, 1)");
  EXPECT_EQ(error_of([&] { Adagrad({a}, {.lr = -1}); }), "lr is -1, it must not be negative");
  EXPECT_THAT(error_of([&] { Adam({a * 2.0}); }), HasSubstr("is not a leaf"));
}

TEST(Optimizer, AResumedRunGoesOnAsTheOldOne) {
  for (const bool amsgrad : {false, true}) {
    Tensor a = wave({5}).set_requires_grad(), b = wave({3}).set_requires_grad();
    Adam first({a, b}, {.lr = 0.1, .amsgrad = amsgrad});
    const auto run = [](Optimizer& optimizer, Tensor& x, int from, int to) {
      for (int step = from; step < to; ++step) {
        x.set_grad(gradient_at(x, step));
        optimizer.step();
      }
    };
    run(first, a, 0, 4);
    Tensor a2 = clone(a).set_requires_grad(), b2 = clone(b).set_requires_grad();
    Adam second({a2, b2}, {.lr = 7});
    second.load_state_dict(first.state_dict());
    EXPECT_EQ(second.lr(), 0.1);
    run(first, a, 4, 8);
    run(second, a2, 4, 8);
    EXPECT_EQ(a.to_vector<double>(), a2.to_vector<double>());
  }
}

TEST(Optimizer, StateHasPyTorchsLayout) {
  Tensor a = ones({2}).set_requires_grad(), b = ones({3}).set_requires_grad();
  AdamW adam({{{a}, {}}, {{b}, {.lr = 0.5}}});
  b.set_grad(ones({3}));
  adam.step();
  const OptimizerState state = adam.state_dict();
  ASSERT_EQ(state.param_groups.size(), 2u);
  EXPECT_THAT(state.param_groups[1].params, ElementsAre(1));
  EXPECT_EQ(std::get<double>(state.param_groups[1].options.at("lr")), 0.5);
  EXPECT_THAT(std::get<std::vector<double>>(state.param_groups[0].options.at("betas")), ElementsAre(0.9, 0.999));
  EXPECT_FALSE(std::get<bool>(state.param_groups[0].options.at("amsgrad")));
  EXPECT_FALSE(state.state.contains(0));
  EXPECT_EQ(state.state.at(1).at("step").item<float>(), 1);
  EXPECT_EQ(state.state.at(1).at("exp_avg").shape(), Shape({3}));
  EXPECT_FALSE(state.state.at(1).contains("max_exp_avg_sq"));
}

TEST(Optimizer, LoadingRefusesAnotherShapeOfState) {
  Tensor a = ones({2}).set_requires_grad();
  SGD sgd({a}, {.lr = 1, .momentum = 0.5});
  OptimizerState state = sgd.state_dict();
  state.state[0]["momentum_buffer"] = ones({3});
  EXPECT_EQ(error_of([&] { sgd.load_state_dict(state); }),
            "SGD: 'momentum_buffer' of parameter 0 is [3] in the state, it must be [2]");
  state.state[0] = {{"exp_avg", ones({2})}};
  EXPECT_EQ(error_of([&] { sgd.load_state_dict(state); }),
            "SGD: the state of parameter 0 has 'exp_avg', which SGD does not keep");
  state.param_groups[0].params = {0, 1};
  EXPECT_EQ(error_of([&] { sgd.load_state_dict(state); }),
            "SGD: group 0 of the state has 2 parameters, the optimiser's has 1");
  state.param_groups.clear();
  EXPECT_EQ(error_of([&] { sgd.load_state_dict(state); }), "SGD: the state has 0 parameter groups, the optimiser 1");
}

TEST(Clip, NormScalesAllGradientsTogether) {
  Tensor a = ones({2}).set_requires_grad(), b = ones({1}).set_requires_grad(), c = ones({1}).set_requires_grad();
  a.set_grad(from_vector<float>({3, 0}, {2}));
  b.set_grad(from_vector<float>({-4}, {1}));
  EXPECT_NEAR(clip_grad_norm({a, b, c}, 10), 5, 1e-12);
  EXPECT_EQ(a.grad().to_vector<float>()[0], 3);
  EXPECT_NEAR(clip_grad_norm({a, b, c}, 1), 5, 1e-12);
  EXPECT_NEAR(a.grad().to_vector<float>()[0], 0.6, 1e-6);
  EXPECT_NEAR(b.grad().item<float>(), -0.8, 1e-6);
  EXPECT_NEAR(clip_grad_norm({a, b}, 9, {.norm_type = INFINITY}), 0.8, 1e-6);
  EXPECT_NEAR(clip_grad_norm({a, b}, 9, {.norm_type = 1}), 1.4, 1e-6);
  a.set_grad(from_vector<float>({NAN, 0}, {2}));
  EXPECT_EQ(error_of([&] { clip_grad_norm({a}, 1, {.error_if_nonfinite = true}); }),
            "the norm of the gradients is nan");
}

TEST(Clip, ValueClampsElements) {
  Tensor a = ones({3}).set_requires_grad();
  a.set_grad(from_vector<float>({3, -0.5, -7}, {3}));
  clip_grad_value({a}, 1);
  EXPECT_THAT(a.grad().to_vector<float>(), ElementsAre(1, -0.5, -1));
}

}  // namespace
}  // namespace ingot
