// Gradients of random cases: what the op rows check at fixed shapes, at shapes, strides and attributes that nobody
// chose.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "autograd/op_def.h"
#include "cases.h"
#include "ops/gradient_cases.h"
#include "ops/ops.h"

namespace ingot::test {
namespace {

std::vector<GradientCases> all_cases() {
  std::vector<GradientCases> out;
  for (const auto& cases : {elementwise_gradients(), shape_gradients(), reduction_gradients(), product_gradients(),
                            normalisation_gradients(), pooling_gradients()})
    out.insert(out.end(), cases.begin(), cases.end());
  return out;
}

constexpr int kUsualCases = 10;

class Gradients : public testing::TestWithParam<GradientCases> {};

TEST_P(Gradients, AgreeWithDifferencesInRandomCases) { EXPECT_EQ(wrong_gradient(GetParam(), cases(kUsualCases)), ""); }

INSTANTIATE_TEST_SUITE_P(Random, Gradients, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

TEST(Gradients, AWrongOneIsNamedWithItsSeed) {
  const auto draw = [](RandomCase& c) -> Body {
    const Operand x = c.operand({2, 3});
    return [=](const Operands& in) { return in[x] * detach(in[x]); };
  };
  EXPECT_THAT(wrong_gradient({"halved", draw}, 20),
              testing::MatchesRegex("halved, seed [0-9]+: gradcheck: first gradient of input 0 .*\nof.* mul\\(\\)\non "
                                    "\\[2, 3\\] in steps of .*"));
}

/// The ops that were called on something that is differentiated.
struct Differentiated : Recorder {
  void record(const Call& call) override {
    for (const Tensor& x : call.in)
      if (x.defined() && x.requires_grad()) names.insert(call.op.name);
  }
  std::set<std::string_view> names;
};

const std::map<std::string_view, std::string_view> kWithoutGradient{
    {"eq", "gives bool"},
    {"ne", "gives bool"},
    {"lt", "gives bool"},
    {"le", "gives bool"},
    {"gt", "gives bool"},
    {"ge", "gives bool"},
    {"argmax", "gives an index"},
    {"size", "has no input"},
    {"sign", "is constant but for a jump"},
    {"floor", "is constant but for jumps"},
};

TEST(Gradients, EveryOpIsAmongTheRandomCases) {
  Differentiated seen;
  for (const GradientCases& each : all_cases()) {
    for (uint64_t seed = 0; seed < kUsualCases; ++seed) {
      RandomCase drawn(each.name, seed);
      const Body body = each.draw(drawn);
      Tensors leaves;
      for (const Tensor& x : drawn.leaves()) leaves.push_back(detach(x).set_requires_grad());
      const RecorderScope scope(seen);
      const Tensor y = body(drawn.operands(leaves));
      if (!leaves.empty()) grad({y}, leaves, {square(y)}, {.create_graph = true});
    }
  }
  for (const OpDef* op : all_ops())
    if (!kWithoutGradient.contains(op->name)) {
      EXPECT_TRUE(seen.names.contains(op->name)) << op->name << " is in no case";
    } else {
      EXPECT_TRUE(op->vjp == no_gradient || op->operands.most == 0) << op->name;
    }
}

TEST(Gradients, EveryFunctionOnTensorsIsAmongTheRandomCases) {
  std::set<std::string> drawn{"eq", "ne", "lt", "le", "gt", "ge", "argmax", "sign", "floor", "one_hot"};
  for (const GradientCases& each : all_cases()) drawn.insert(each.name);
  const auto functions = functions_of("ops.h");
  EXPECT_GT(functions.size(), 100U);
  for (const std::string& name : functions) EXPECT_TRUE(drawn.contains(name)) << name << " is in no case";
}

}  // namespace
}  // namespace ingot::test
