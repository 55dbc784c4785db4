#include <gmock/gmock.h>

#include <cmath>

#include "autograd/tape.h"
#include "error_of.h"
#include "ingot/ops.h"
#include "ops/ops.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Tensor leaf(const std::vector<double>& values) {
  return from_vector(values, {static_cast<int64_t>(values.size())}).set_requires_grad();
}

TEST(BackwardTest, FillsAndAddsToLeaves) {
  const Tensor x = leaf({1, 2, 3}), y = leaf({4, 5, 6});
  backward(sum(x * y));
  EXPECT_THAT(x.grad().to_vector<double>(), ElementsAre(4, 5, 6));
  EXPECT_THAT(y.grad().to_vector<double>(), ElementsAre(1, 2, 3));
  backward(sum(x * x));
  EXPECT_THAT(x.grad().to_vector<double>(), ElementsAre(6, 9, 12));
}

// add hands one tensor to both leaves: accumulation into the one must not show in the other.
TEST(BackwardTest, LeavesDoNotShareTheirGradients) {
  const Tensor x = leaf({1, 2}), y = leaf({3, 4});
  backward(sum(x + y));
  backward(sum(x));
  EXPECT_THAT(x.grad().to_vector<double>(), ElementsAre(2, 2));
  EXPECT_THAT(y.grad().to_vector<double>(), ElementsAre(1, 1));
}

TEST(BackwardTest, AccumulatesIntoAPresetGradient) {
  Tensor bucket = zeros({5}, DType::f64);
  Tensor x = leaf({1, 2});
  x.set_grad(slice(bucket, 0, 2, 4));
  backward(sum(x * 3.0));
  EXPECT_THAT(bucket.to_vector<double>(), ElementsAre(0, 0, 3, 3, 0));
}

TEST(BackwardTest, TheGradientHasTheLeafsLayout) {
  const Tensor x = empty({2, 3, 4, 5}, DType::f32, Layout::row_major);
  Tensor w = x;
  w.set_requires_grad();
  backward(sum(permute(w, {0, 2, 3, 1}) * 2.0));
  EXPECT_TRUE(is_dense(w.shape(), w.grad().strides(), Layout::row_major));
}

TEST(BackwardTest, FreesWhatItSaved) {
  const Tensor x = leaf(std::vector<double>(1000, 0.5));
  const size_t before = memory_use().used;
  Tensor y = exp(exp(exp(x)));
  const Tensor loss = sum(y);
  y = Tensor();
  EXPECT_GE(memory_use().used, before + 3 * 8000);
  backward(loss);
  EXPECT_LT(memory_use().used, before + 2 * 8000) << "x's gradient and the loss are left";
  EXPECT_THAT(error_of([&] { backward(loss); }), HasSubstr("retain_graph"));
}

TEST(BackwardTest, SavedTensorsAreFreedWhileItRuns) {
  const Tensor x = leaf(std::vector<double>(100000, 1e-3));
  Tensor y = x;
  for (int i = 0; i < 50; ++i) y = exp(y * 1e-3);
  const Tensor loss = sum(y);
  y = Tensor();
  const size_t full = memory_use().used;
  size_t most = 0;
  on_gradient_ready(x, [&](const Tensor&) { most = memory_use().used; });
  backward(loss);
  EXPECT_LT(most, full / 4);
}

TEST(BackwardTest, RefusesOverwrittenTensors) {
  Tensor x = leaf({1, 2});
  const Tensor y = x * 1.0;
  const Tensor loss = sum(exp(y) * y);
  Tensor alias = detach(y);
  fill(alias, 0);
  EXPECT_THAT(error_of([&] { backward(loss); }), HasSubstr("overwritten"));
}

TEST(BackwardTest, NeedsAScalarOrAGradient) {
  const Tensor x = leaf({1, 2});
  EXPECT_THAT(error_of([&] { backward(x * 2.0); }), HasSubstr("more than one element"));
  backward(x * 2.0, from_vector<double>({1, 10}, {2}));
  EXPECT_THAT(x.grad().to_vector<double>(), ElementsAre(2, 20));
  EXPECT_THAT(error_of([&] { backward(scalar(1)); }), HasSubstr("requires_grad"));
  EXPECT_THAT(error_of([&] { backward(x * 2.0, ones({3}, DType::f64)); }), HasSubstr("does not match"));
}

TEST(BackwardTest, NoGradRecordsNothing) {
  const Tensor x = leaf({1, 2});
  {
    const NoGrad scope;
    EXPECT_FALSE((x * 2.0).requires_grad());
  }
  EXPECT_TRUE((x * 2.0).requires_grad());
  EXPECT_FALSE(detach(x * 2.0).requires_grad());
  EXPECT_FALSE((x > 1.0).requires_grad());
}

TEST(BackwardTest, ReadyFiresOnceAtTheLastContribution) {
  const Tensor x = leaf({2}), unused = leaf({1}), late = leaf({3});
  std::vector<double> seen;
  const size_t number = on_gradient_ready(x, [&](const Tensor& g) { seen.push_back(g.item<double>()); });
  bool reaches_x = false, reaches_unused = true;
  const Tensor loss = sum(x * x + x * late + x);
  backward(loss, {}, {.on_start = [&](const auto& reaches) {
             EXPECT_TRUE(seen.empty());
             reaches_x = reaches(x);
             reaches_unused = reaches(unused);
           }});
  EXPECT_THAT(seen, ElementsAre(8));
  EXPECT_TRUE(reaches_x);
  EXPECT_FALSE(reaches_unused);
  remove_gradient_ready(x, number);
  backward(sum(x));
  EXPECT_EQ(seen.size(), 1u);
}

TEST(GradTest, LeavesGradAloneAndStopsAtItsInputs) {
  const Tensor x = leaf({3});
  const Tensor y = x * x, z = y * x;
  const Tensors g = grad({sum(z)}, {y, x});
  EXPECT_EQ(g[0].item<double>(), 3);
  EXPECT_EQ(g[1].item<double>(), 27);
  EXPECT_FALSE(x.grad().defined());
  const Tensor other = leaf({1});
  EXPECT_FALSE(grad({sum(x * 2.0)}, {other})[0].defined());
}

TEST(GradTest, DifferentiatesAsOftenAsAsked) {
  const Tensor x = leaf({2});
  Tensor y = sum(pow(x, 4.0));
  const std::vector<double> want{32, 48, 48, 24};
  for (const double w : want) {
    y = grad({y}, {x}, {}, {.create_graph = true})[0];
    EXPECT_NEAR(y.item<double>(), w, 1e-9);
  }
}

TEST(GradTest, RetainGraphAllowsASecondPass) {
  const Tensor x = leaf({2});
  const Tensor y = sum(exp(x));
  backward(y, {}, {.retain_graph = true});
  backward(y);
  EXPECT_NEAR(x.grad().item<double>(), 2 * std::exp(2.0), 1e-12);
}

// Neither backward nor the end of the tape recurses.
TEST(TapeTest, LongChainsComeAndGo) {
  const Tensor x = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 300000; ++i) y = y + x;
  {
    Tensor dropped = y + x;
  }
  backward(sum(y));
  EXPECT_EQ(x.grad().item<double>(), 300001);
  Tensor z = x;
  for (int i = 0; i < 300000; ++i) z = exp(z * 0.0);
}

TEST(TapeTest, ErrorsNameOpAndModulePath) {
  const ModuleScope outer("layer1"), inner("conv");
  EXPECT_EQ(current_module_path(), "layer1.conv");
  EXPECT_EQ(error_of([] { conv2d(zeros({8, 3, 56, 56}), zeros({128, 64, 3, 3})); }),
            "[conv2d] layer1.conv: weight [128, 64, 3, 3] needs 64 input channels, x is [8, 3, 56, 56]");
  EXPECT_THAT(error_of([] { add(zeros({2}), zeros({2}, DType::f64)); }), HasSubstr("the operands are f32 and f64"));
  EXPECT_THAT(error_of([] { add(zeros({2}), zeros({3})); }), HasSubstr("shapes [2] and [3] do not broadcast"));
  EXPECT_THAT(error_of([] { add(zeros({2}, DType::f16), zeros({2}, DType::f16)); }),
              HasSubstr("f16 is for storage only"));
}

TEST(TapeTest, RecordersSeeEveryCall) {
  struct Names : Recorder {
    void record(const Call& call) override { names.emplace_back(call.op.name); }
    std::vector<std::string> names;
  } names;
  {
    const RecorderScope scope(names);
    sum(relu(zeros({2})));
  }
  relu(zeros({2}));
  EXPECT_THAT(names.names, ElementsAre("relu", "sum"));
}

TEST(AttrsTest, PrintWhatTheyParse) {
  for (const OpDef* op : all_ops()) {
    if (op->attrs == nullptr) continue;
    const Attrs defaults(*op->attrs, op->attrs->make());
    EXPECT_EQ(parse_attrs(*op->attrs, to_string(defaults)), defaults) << op->name << ": " << to_string(defaults);
  }
  const AttrsType& conv = *find_op("conv2d")->attrs;
  EXPECT_EQ(to_string(parse_attrs(conv, "stride=[2, 1], groups=3")),
            "stride=[2, 1], padding=[0, 0, 0, 0], dilation=[1, 1], groups=3");
  EXPECT_THAT(error_of([&] { parse_attrs(conv, "strid=[1, 1]"); }), HasSubstr("no attribute 'strid'"));
  EXPECT_THAT(error_of([&] { parse_attrs(conv, "stride=[1]"); }),
              HasSubstr("attribute 'stride': [1] should have 2 numbers"));
  EXPECT_THAT(error_of([&] { parse_attrs(conv, "groups=1.5"); }), HasSubstr("whole number"));
  for (const char* bad : {"stride", "stride=", "stride=[1, 1", "groups=1 padding=[0,0,0,0]", "groups=\"x"})
    EXPECT_THROW(parse_attrs(conv, bad), Error) << bad;
}

TEST(GradcheckTest, FindsAWrongGradient) {
  const OpDef wrong{.name = "wrong_square",
                    .infer = [](const InferArgs& a) { return Results(a.in[0]); },
                    .eval =
                        [](const EvalArgs& a) {
                          for (int64_t i = 0; i < a.in[0].numel(); ++i)
                            a.out[0].as<double>()[i] = std::pow(a.in[0].as<double>()[i], 2);
                        },
                    .vjp = [](const VjpArgs& a) { return Tensors{a.grad[0] * a.in[0]}; },
                    .keeps = {.inputs = {0}}};
  EXPECT_THAT(
      error_of([&] { gradcheck([&](const Tensors& in) { return Tensors{apply(wrong, {in[0]})}; }, {leaf({1, 2})}); }),
      HasSubstr("gradcheck: first gradient of input 0 [2] at element 0"));
}

TEST(GradientlessTest, RefusesToDifferentiateTwiceByName) {
  const OpDef once{.name = "once",
                   .infer = [](const InferArgs& a) { return Results(a.in[0]); },
                   .eval = [](const EvalArgs& a) { *a.out[0].as<double>() = *a.in[0].as<double>(); }};
  const Tensor x = leaf({1});
  EXPECT_THAT(error_of([&] { backward(sum(apply(once, {x}))); }), HasSubstr("[once] has no gradient"));
}

}  // namespace
}  // namespace ingot
