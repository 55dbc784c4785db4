#include "runtime/validate.h"

#include "autograd/op_def.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "plans.h"
#include "runtime/binding.h"
#include "runtime/op_rules.h"
#include "runtime/plan_bytes.h"

namespace ingot::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// A plan that has one thing wrong must be refused with these words.
void expect_refused(const std::function<void(Plan&)>& break_it, const std::string& words) {
  Plan plan = small_engine().data().plan;
  uint64_t bytes = 0;
  for (const PlanWeight& w : plan.weights) bytes = std::max(bytes, w.offset + w.bytes);
  break_it(plan);
  const auto check = [&] {
    validate(plan, bytes);
    at_sizes(plan, plan.examples());
  };
  EXPECT_THAT(check, ThrowsMessage<Error>(HasSubstr(words))) << to_string(plan);
}

PlanStep& step_of(Plan& plan, std::string_view op) {
  for (PlanStep& s : plan.steps)
    if (s.op->name == op) return s;
  ADD_FAILURE() << "no " << op << " in " << to_string(plan);
  return plan.steps[0];
}
PlanTensor& result_of(Plan& plan, std::string_view op) { return plan.tensor(step_of(plan, op).results[0]); }

TEST(Validate, TakesWhatWasCompiled) {
  const Plan plan = small_engine().data().plan;
  EXPECT_NO_THROW(at_sizes(plan, {{"n", 1}}));
  EXPECT_NO_THROW(at_sizes(plan, {{"n", 8}}));
}

TEST(Validate, Ids) {
  for (const TensorId bad : {-2, 1000, 1 << 30}) {
    expect_refused([&](Plan& p) { step_of(p, "tanh").operands[0] = bad; }, "before it is made");
    expect_refused([&](Plan& p) { p.outputs[0].tensor = bad; }, "no tensor");
    expect_refused([&](Plan& p) { p.inputs[0] = bad; }, "");
    expect_refused([&](Plan& p) { step_of(p, "tanh").results[0] = bad; }, "there already");
  }
  expect_refused([](Plan& p) { step_of(p, "tanh").operands[0] = kAbsent; }, "lacks operand 0");
  expect_refused([](Plan& p) { step_of(p, "tanh").results[0] = kAbsent; }, "no result");
  expect_refused([](Plan& p) { step_of(p, "tanh").results[0] = p.inputs[0]; }, "there already");
  expect_refused([](Plan& p) { p.inputs.push_back(p.inputs[0]); }, "no input tensor");
}

TEST(Validate, Order) {
  expect_refused([](Plan& p) { std::swap(p.steps[0], p.steps.back()); }, "before it is made");
  expect_refused([](Plan& p) { p.steps.push_back(p.steps[0]); }, "there already");
  expect_refused([](Plan& p) { p.steps.pop_back(); }, "made by no step");
}

TEST(Validate, Operands) {
  expect_refused([](Plan& p) { step_of(p, "tanh").operands.clear(); }, "has 0 operands");
  expect_refused([](Plan& p) { step_of(p, "linear").operands.resize(1); }, "has 1 operands");
  expect_refused([](Plan& p) { step_of(p, "tanh").op = nullptr; }, "has no op");
  expect_refused([](Plan& p) { step_of(p, "tanh").op = &kScatterAdd; }, "do not run this op");
  expect_refused([](Plan& p) { step_of(p, "concat").attrs = {}; }, "attributes of another op");
  expect_refused([](Plan& p) { step_of(p, "tanh").tactic = "onednn_packed"; }, "no tactic");
}

TEST(Validate, Forms) {
  expect_refused([](Plan& p) { step_of(p, "conv2d_fused").tactic = "eval"; }, "is packed for the tactic eval");
  expect_refused([](Plan& p) { p.weights[0].form = p.weights[0].form == "dense" ? "onednn" : "dense"; }, "packed");
}

// A file may name a tactic that reads past what this call has.
TEST(Validate, ATacticThatDoesNotSupportTheCallIsRefused) {
  const auto conv = [](const Tensors& in) {
    return Tensors{conv2d(in[0], random({8, 3, 3, 3}, 1), {}, {.stride = 3})};
  };
  const Graph graph = trace(conv, {{"image", DType::f32, {2, 3, 9, 9}}}, {}, {}).graph;
  EngineData data = compile(graph, {.time_tactics = false}).data();
  data.plan.steps[0].tactic = "gemm";
  EXPECT_NO_THROW(Binding(data, data.plan.examples(), 0));
  for (const char* tactic : {"winograd2", "winograd4", "depthwise"}) {
    data.plan.steps[0].tactic = tactic;
    EXPECT_THAT([&] { Binding(data, data.plan.examples(), 0); },
                ThrowsMessage<Error>(HasSubstr("does not support this call")));
  }
}

TEST(Validate, Parts) {
  expect_refused([](Plan& p) { result_of(p, "tanh").part_of = 1000; }, "part of no step");
  expect_refused([](Plan& p) { result_of(p, "tanh").part_of = 0; }, "is no part of");
  expect_refused([](Plan& p) { step_of(p, "concat").tactic = "eval"; }, "is no part of");
  expect_refused([](Plan& p) { step_of(p, "concat").operands[1] = step_of(p, "concat").operands[0]; }, "");
  expect_refused([](Plan& p) { p.tensor(p.inputs[0]).part_of = 2; }, "not computed");
}

TEST(Validate, Shapes) {
  expect_refused([](Plan& p) { result_of(p, "tanh").spec.shape[1] = 9; }, "the shape rule gives");
  expect_refused([](Plan& p) { result_of(p, "tanh").spec.dtype = DType::f64; }, "the shape rule gives");
  expect_refused([](Plan& p) { result_of(p, "tanh").spec.layout = Layout::row_major; }, "the shape rule gives");
  expect_refused([](Plan& p) { result_of(p, "tanh").spec.shape[1] = -1; }, "has a size of -1");
  expect_refused([](Plan& p) { result_of(p, "tanh").spec.shape[1] = int64_t{1} << 40; }, "too large");
  expect_refused([](Plan& p) { p.tensor(p.inputs[0]).spec.shape = {Dim::symbol("n", 2), kMostSize, kMostSize, 4}; },
                 "too large");
  expect_refused([](Plan& p) { step_of(p, "linear").op = &kMatmul; }, "");
  expect_refused([](Plan& p) { p.tensor(p.inputs[0]).spec.shape = {4, 3, 4, 4}; }, "decides the size");
}

TEST(Validate, SizesAndWeights) {
  expect_refused([](Plan& p) { p.sizes[0].max = 1; }, "is no range");
  expect_refused([](Plan& p) { p.sizes.push_back(p.sizes[0]); }, "appears twice");
  expect_refused([](Plan& p) { p.weights[0].offset += 1; }, "outside the weights");
  expect_refused([](Plan& p) { p.weights[0].offset = uint64_t{1} << 63; }, "outside the weights");
  expect_refused([](Plan& p) { p.weights[0].bytes = ~uint64_t{0}; }, "outside the weights");
  expect_refused([](Plan& p) { p.weights[1].offset = p.weights[0].offset; }, "overlap");
  expect_refused(
      [](Plan& p) {
        for (PlanTensor& t : p.tensors)
          if (t.home == Home::weight && p.weights[static_cast<size_t>(t.weight)].form == "dense")
            t.spec.dtype = DType::f64;
      },
      "bytes");
  expect_refused([](Plan& p) { p.tensor(p.inputs[0]).weight = 0; }, "has no weight");
  expect_refused([](Plan& p) { p.outputs[1].name = p.outputs[0].name; }, "appears twice");
  expect_refused([](Plan& p) { p.tensors[1].name = p.tensors[0].name; }, "appears twice");
}

// The shape rules are what stands between attributes of a file and the kernels.
TEST(Validate, Attributes) {
  const auto with = [](std::string_view op, Attrs attrs) {
    return [op, attrs](Plan& p) { step_of(p, op).attrs = attrs; };
  };
  for (const int64_t dim : {-1, 4, 1 << 20}) expect_refused(with("concat", DimAttrs{dim}), "[concat]");
  for (const std::vector<int64_t>& dims : {std::vector<int64_t>{2, 9}, {-1}, {3, 2}, {2, 2}, {0, 1, 2, 3, 4}})
    expect_refused(with("mean", ReduceAttrs{dims, false}), "[mean]");
  expect_refused(with("reshape", ShapeAttrs{{2, -8, -8}}), "[reshape]");
}

TEST(Validate, EveryOpHasARuleOrIsRefused) {
  for (const OpDef* op : all_ops()) {
    EXPECT_EQ(rule_of(op->name) == nullptr, op->name == "scatter_add") << op->name;
  }
}

TEST(PlanBytes, ComeBack) {
  const Plan plan = small_engine().data().plan;
  const std::string bytes = to_bytes(plan);
  const Plan back = plan_from_bytes(std::as_bytes(std::span(bytes)));
  EXPECT_EQ(to_bytes(back), bytes);
  EXPECT_EQ(to_string(back), to_string(plan));
}

}  // namespace
}  // namespace ingot::testing
