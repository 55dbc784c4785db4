#include "helpers.h"
#include "ingot/ops.h"
#include "ops/defs.h"

namespace ingot::test {
namespace {

using testing::HasSubstr;

/// A sound graph that each test breaks behind the editing functions' back.
class Verify : public testing::Test {
 protected:
  Graph graph = graph_of(R"(
    size n = 2 in 1..8
    const @w: f32[5, 4]
    graph(%x: f32[n, 4]) {
      %a = linear(%x, @w): f32[n, 5]
      %b = relu(%a): f32[n, 5]
      %c = add(%a, %b): f32[n, 5]
      return %c
    })");
  Value& value(const char* name) { return *graph.find_value(name); }
  std::string error() {
    return error_of([&] { verify(graph); });
  }
};

TEST_F(Verify, AcceptsASoundGraph) { EXPECT_EQ(error(), ""); }

TEST_F(Verify, FindsAReadBeforeItsProducer) {
  graph.add_node({.op = kTanh, .inputs = {&value("c")}, .before = value("a").producer});
  EXPECT_THAT(error(), HasSubstr("[tanh] %tanh reads %c before it is made"));
}
TEST_F(Verify, FindsAWrongShape) {
  value("b").spec.shape[1] = 6;
  EXPECT_THAT(error(), HasSubstr("%b is f32[n, 6], its op gives f32[n, 5]"));
}
TEST_F(Verify, FindsAWrongDtype) {
  value("b").spec.dtype = DType::f64;
  EXPECT_THAT(error(), HasSubstr("%b is f64[n, 5], its op gives f32[n, 5]"));
}
TEST_F(Verify, FindsOperandsThatNoLongerFit) {
  value("a").producer->inputs[0] = &value("c");
  EXPECT_THAT(error(), HasSubstr("[linear] %a reads %c before it is made"));
}
TEST_F(Verify, FindsForgottenReaders) {
  value("a").users.pop_back();
  EXPECT_THAT(error(), HasSubstr("%a has 2 readers, but knows 1"));
}
TEST_F(Verify, FindsReadersThatAreNone) {
  value("b").users[0].operand = 0;
  EXPECT_THAT(error(), HasSubstr("%b has 1 readers"));
}
TEST_F(Verify, FindsAConstantOfAnotherShape) {
  graph.find_constant("w")->constant = ones({4, 5});
  EXPECT_THAT(error(), HasSubstr("@w is f32[5, 4], its data is f32[4, 5]"));
}
TEST_F(Verify, FindsAProducerThatForgotItsResult) {
  value("b").producer = value("a").producer;
  EXPECT_THAT(error(), HasSubstr("%b does not know its producer"));
}
TEST_F(Verify, FindsAnUnknownSize) {
  Value& x = value("x");
  x.spec.shape[0] = Dim::symbol("unknown", 3);
  EXPECT_THAT(error(), HasSubstr("the graph has no size 'unknown'"));
}
TEST_F(Verify, FindsAnOutputOfAnotherGraph) {
  const Graph other = graph.clone();
  graph.set_output(0, *other.find_value("c"));
  EXPECT_THAT(error(), HasSubstr("the output 'c' is not made in the graph"));
}
TEST_F(Verify, FindsAMissingResult) {
  value("b").producer->visible = 0;
  EXPECT_THAT(error(), HasSubstr("%b has 1 results"));
}

}  // namespace
}  // namespace ingot::test
