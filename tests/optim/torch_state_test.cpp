#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <functional>

#include "error_of.h"
#include "golden.h"
#include "ingot/ops.h"
#include "ingot/optim.h"
#include "nn/wave.h"

namespace ingot {
namespace {

using testing::HasSubstr;
using Dict = TorchValue::Dict;
using List = TorchValue::List;
using Make = std::function<std::unique_ptr<Optimizer>(const Tensors&)>;

constexpr int kBefore = 7, kAfter = 5, kWithout = 3;  // steps, as in scripts/golden.py

struct Kind {
  const char* name;   // in the golden file
  const char* torch;  // PyTorch's class
  Make make;          // one group for each parameter
};

/// An optimiser with options that are none of those of the golden file.
template <class O, class Options>
Make make(const Options& options) {
  return [options](const Tensors& params) {
    std::vector<ParamGroup<Options>> groups;
    for (const Tensor& x : params) groups.push_back({{x}, options});
    return std::make_unique<O>(groups);
  };
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {"SGD", "SGD", make<SGD>(SGDOptions{.lr = 7})},
      {"SGD_plain", "SGD", make<SGD>(SGDOptions{.lr = 7, .momentum = 0.5})},
      {"Adagrad", "Adagrad", make<Adagrad>(AdagradOptions{.lr = 7})},
      {"Adadelta", "Adadelta", make<Adadelta>(AdadeltaOptions{.lr = 7})},
      {"RMSprop", "RMSprop", make<RMSprop>(RMSpropOptions{.lr = 7})},
      {"RMSprop_plain", "RMSprop", make<RMSprop>(RMSpropOptions{.lr = 7, .momentum = 0.1})},
      {"Rprop", "Rprop", make<Rprop>(RpropOptions{.lr = 7})},
      {"ASGD", "ASGD", make<ASGD>(ASGDOptions{.lr = 7})},
      {"Adam", "Adam", make<Adam>(AdamOptions{.lr = 7})},
      {"Adam_amsgrad", "Adam", make<Adam>(AdamOptions{.lr = 7})},
      {"AdamW", "AdamW", make<AdamW>(AdamWOptions{.lr = 7})},
      {"Adamax", "Adamax", make<Adamax>(AdamaxOptions{.lr = 7})},
      {"NAdam", "NAdam", make<NAdam>(NAdamOptions{.lr = 7})},
      {"RAdam", "RAdam", make<RAdam>(RAdamOptions{.lr = 7})},
  };
  return all;
}

Tensor gradient_at(const Tensor& theta, int step) {
  std::vector<double> g = theta.to_vector<double>();
  for (double& v : g) v = std::cos(2 * v + step) + 0.5 * v;
  return from_vector(g, theta.shape());
}

/// The parameters after each of the steps [from, to).
Tensor run(Optimizer& optimizer, Tensors params, int from, int to) {
  Tensors rows;
  for (int step = from; step < to; ++step) {
    for (size_t i = 0; i < params.size(); ++i)
      if (i == 0 || step >= kWithout) params[i].set_grad(gradient_at(params[i], step));
    optimizer.step();
    rows.push_back(concat({detach(params[0]), detach(params[1])}, 0));
  }
  return stack(rows);
}

Tensors parameters_of(const TorchValue& saved) {
  Tensors out;
  for (const TorchValue& x : *saved.find("params")->get_if<List>()) {
    out.push_back(clone(*x.get_if<Tensor>()));
    out.back().set_requires_grad();
  }
  return out;
}

class TorchState : public testing::TestWithParam<Kind> {};

TEST_P(TorchState, TrainingGoesOnFromPyTorchsCheckpointAsItDoesThere) {
  static const TorchValue file = load_torch(INGOT_SOURCE_DIR "/tests/golden/optimizers.pth", {.verify = true});
  const TorchValue& saved = *file.find(GetParam().name);
  Tensors params = parameters_of(saved);
  const auto optimizer = GetParam().make(params);
  optimizer->load_state_dict(optimizer_state_of(saved));
  const Tensor found = run(*optimizer, params, kBefore, kBefore + kAfter);
  expect_close(found, *saved.find("next")->get_if<Tensor>(), 1e-9, GetParam().name);
}

/// scripts/check_torch.py goes on from these files with PyTorch.
TEST_P(TorchState, ACheckpointForPyTorchComesBackAsItWas) {
  static const TorchValue golden = load_torch(INGOT_SOURCE_DIR "/tests/golden/optimizers.pth");
  const auto folder = std::filesystem::path(testing::TempDir()) / "ingot_torch_state";
  std::filesystem::create_directories(folder);
  const auto path = folder / (std::string(GetParam().name) + ".pth");

  const Tensors params{wave({5}).set_requires_grad(), wave({4}, 0.9, 0.4).set_requires_grad()};
  const auto first = GetParam().make(params);
  OptimizerState options = optimizer_state_of(*golden.find(GetParam().name));
  options.state.clear();
  first->load_state_dict(options);
  run(*first, params, 0, kBefore);
  Dict saved{{{"type", GetParam().torch},
              {"params", List{params[0], params[1]}},
              {"optimizer", to_torch(first->state_dict())}}};
  save_torch(path, saved);
  const TorchValue loaded = load_torch(path);
  const Tensor next = run(*first, params, kBefore, kBefore + kAfter);

  Tensors copies = parameters_of(loaded);
  const auto second = GetParam().make(copies);
  second->load_state_dict(optimizer_state_of(loaded));
  EXPECT_EQ(run(*second, copies, kBefore, kBefore + kAfter).to_vector<double>(), next.to_vector<double>());
  saved = *loaded.get_if<Dict>();
  saved.entries.emplace_back("next", next);
  save_torch(path, saved);
}

INSTANTIATE_TEST_SUITE_P(All, TorchState, testing::ValuesIn(kinds()),
                         [](const auto& info) { return std::string(info.param.name); });

Dict state_of(const TorchValue& state, const TorchValue& group) {
  return {{{"state", state}, {"param_groups", List{group}}}};
}

TEST(TorchStateOf, IsFoundWhereScriptsPutIt) {
  const Dict state =
      state_of(Dict{{{int64_t{0}, Dict{{{"momentum_buffer", ones({2})}}}}}}, Dict{{{"lr", 0.5}, {"params", List{0}}}});
  for (const TorchValue& value :
       {TorchValue(state), TorchValue(Dict{{{"epoch", 1}, {"optimizer", state}}}),
        TorchValue(Dict{{{"optimizer_state_dict", state}}}), TorchValue(Dict{{{"optimizer_states", List{state}}}})}) {
    const OptimizerState found = optimizer_state_of(value);
    EXPECT_EQ(found.state.at(0).at("momentum_buffer").to_vector<float>(), std::vector<float>({1, 1}));
    EXPECT_EQ(std::get<double>(found.param_groups.at(0).options.at("lr")), 0.5);
  }
}

TEST(TorchStateOf, NumbersOfAnyFormAreTakenAndWhatIsNoOptionIsPassedOver) {
  const OptimizerState found = optimizer_state_of(
      state_of(Dict{{{int64_t{3}, Dict{{{"step", 4}, {"momentum_buffer", TorchValue()}, {"sum", 0.5}}}}}},
               Dict{{{"lr", scalar(0.25)},
                     {"weight_decay", 0},
                     {"foreach", TorchValue()},
                     {"name", "head"},
                     {"nesterov", true},
                     {"betas", TorchValue::Tuple{{0, 0.5}}},
                     {"params", List{3}}}}));
  const auto& state = found.state.at(3);
  EXPECT_EQ(state.size(), 2u);
  EXPECT_EQ(state.at("step").item<int>(), 4);
  const auto& options = found.param_groups.at(0).options;
  EXPECT_EQ(options.size(), 4u);
  EXPECT_EQ(std::get<double>(options.at("lr")), 0.25);
  EXPECT_EQ(std::get<double>(options.at("weight_decay")), 0);
  EXPECT_TRUE(std::get<bool>(options.at("nesterov")));
  EXPECT_EQ(std::get<std::vector<double>>(options.at("betas")), std::vector<double>({0, 0.5}));
}

TEST(TorchStateOf, OtherValuesAreRefused) {
  const Dict group{{{"params", List{0}}}};
  const auto refusal = [](const TorchValue& value) { return error_of([&] { optimizer_state_of(value); }); };
  const auto with_state = [&](const TorchValue& state) { return refusal(state_of(state, group)); };
  EXPECT_THAT(refusal(1), HasSubstr("there is no state of an optimizer: neither 'state' and 'param_groups', nor"));
  EXPECT_THAT(refusal(Dict{{{"optimizer", 3}}}), HasSubstr("there is no state of an optimizer"));
  EXPECT_EQ(with_state(3), "'state' is a whole number in the state of an optimizer, it must be a dict");
  EXPECT_EQ(with_state(Dict{{{"w", Dict{}}}}), "'state' names a parameter 'w', it must number them");
  EXPECT_EQ(with_state(Dict{{{int64_t{0}, 1}}}),
            "the state of a parameter is a whole number in the state of an optimizer, it must be a dict");
  EXPECT_EQ(with_state(Dict{{{int64_t{0}, Dict{{{int64_t{1}, 2}}}}}}),
            "the state of parameter 0 has an entry without a name");
  EXPECT_EQ(with_state(Dict{{{int64_t{0}, Dict{{{"old_dirs", List{}}}}}}}),
            "'old_dirs' of parameter 0 is a list, it must be a tensor or a number");
  EXPECT_EQ(refusal(state_of(Dict{}, Dict{})), "'params' of a group is missing in the state of an optimizer");
  EXPECT_EQ(refusal(state_of(Dict{}, 1)), "'params' of a group is missing in the state of an optimizer");
  EXPECT_EQ(refusal(state_of(Dict{}, Dict{{{"params", List{"w"}}}})),
            "a parameter of a group is text in the state of an optimizer, it must be a whole number");
}

TEST(TorchStateOf, LoadingChecksEverythingBeforeItChangesAnything) {
  const Tensor x = ones({2}).set_requires_grad();
  Adam adam({x}, {.lr = 0.5});
  const auto refusal = [&](const Dict& options, const Dict& state) {
    Dict group = options;
    group.entries.emplace_back("params", List{0});
    group.entries.emplace_back("lr", 0.1);
    const TorchValue value = state_of(Dict{{{int64_t{0}, state}}}, group);
    const std::string error = error_of([&] { adam.load_state_dict(optimizer_state_of(value)); });
    EXPECT_EQ(adam.lr(), 0.5);
    EXPECT_TRUE(adam.state_dict().state.empty());
    return error;
  };
  EXPECT_EQ(refusal({{{"decoupled_weight_decay", true}}}, {}),
            "Adam: group 0 of the state has decoupled_weight_decay: it is AdamW's");
  EXPECT_THAT(refusal({{{"eps", true}}}, {}), HasSubstr("Adam: option eps of group 0 of the state: "));
  EXPECT_THAT(refusal({{{"betas", 0.5}}}, {}), HasSubstr("Adam: option betas of group 0 of the state: "));
  EXPECT_THAT(refusal({{{"betas", List{0.5}}}}, {}), HasSubstr("1 numbers are given, there must be 2"));
  EXPECT_THAT(refusal({{{"initial_lr", true}}}, {}), HasSubstr("Adam: option initial_lr of group 0 of the state: "));
  EXPECT_EQ(refusal({}, {{{"step", ones({2})}}}),
            "Adam: 'step' of parameter 0 is [2] in the state, it must be one number");
  EXPECT_EQ(refusal({}, {{{"step", -1}}}), "Adam: 'step' of parameter 0 is -1 in the state");
  EXPECT_EQ(refusal({}, {{{"step", std::nan("")}}}), "Adam: 'step' of parameter 0 is nan in the state");
  EXPECT_EQ(refusal({}, {{{"exp_avg", ones({3})}}}),
            "Adam: 'exp_avg' of parameter 0 is [3] in the state, it must be [2]");
  EXPECT_EQ(refusal({{{"decoupled_weight_decay", false}}}, {{{"momentum_buffer", ones({2})}}}),
            "Adam: the state of parameter 0 has 'momentum_buffer', which Adam does not keep");
}

}  // namespace
}  // namespace ingot
