#include "helpers.h"
#include "ingot/ops.h"
#include "ops/ops.h"

namespace ingot::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(GraphText, PrintsAsItIsWritten) {
  const std::string text =
      "size n = 8 in 1..64\n"
      "size s = 28 in 4..\n"
      "const @conv1.weight: f32[32, 1, 3, 3]\n"
      "const @conv1.bias: f32[32]\n"
      "graph(%x: f32[n, 1, s, s], %scale: f32[]) {\n"
      "  %c = conv2d(%x, @conv1.weight, @conv1.bias) {stride=[2, 2], padding=[1, 1, 1, 1], dilation=[1, 1], groups=1}: "
      "f32[n, 32, (s-1)//2+1, (s-1)//2+1]  # conv1\n"
      "  %r = relu(%c): f32[n, 32, (s-1)//2+1, (s-1)//2+1]  # relu\n"
      "  %m = mul(%r, f32(0.5)): f32[n, 32, (s-1)//2+1, (s-1)//2+1]\n"
      "  %y = mul(%m, %scale): f32[n, 32, (s-1)//2+1, (s-1)//2+1]\n"
      "  return %y as logits, %r\n"
      "}\n";
  const Graph graph = graph_of(text);
  verify(graph);
  EXPECT_EQ(to_string(graph), text);
}

TEST(GraphText, AbsentOperandsSavedValuesAndOddNames) {
  const std::string text =
      "const @\"w 1\": f32[5, 4]\n"
      "graph(%\"the \\\"input\\\"\": f32[1, 4, 4, 4] row_major) {\n"
      "  %p | %places = max_pool2d(%\"the \\\"input\\\"\") {kernel=[2, 2], stride=[2, 2], dilation=[1, 1], padding=[0, "
      "0, 0, 0], "
      "ceil_mode=false, count_include_pad=true}: f32[1, 4, 2, 2] row_major | i32[1, 4, 2, 2] row_major  # \"a path\"\n"
      "  %g = max_pool2d_grad(%p, %places) {kernel=[2, 2], stride=[2, 2], dilation=[1, 1], padding=[0, 0, 0, 0], "
      "ceil_mode=false, count_include_pad=true, shape=[1, 4, 4, 4]}: f32[1, 4, 4, 4] row_major\n"
      "  %l = linear_fused(%g, @\"w 1\", _) {activation=\"relu\", alpha=0.0}: f32[1, 4, 4, 5] row_major\n"
      "  return %l as \"\\\\ out\"\n"
      "}\n";
  const Graph graph = parse_graph(text, {{"w 1", ones({5, 4})}});
  EXPECT_EQ(graph.nodes().begin()->path, "a path");
  EXPECT_EQ(to_string(graph), text);
}

TEST(GraphText, UnreadSavedValuesAreNotWritten) {
  const std::string text = to_string(graph_of(R"(graph(%x: f32[1, 4, 4, 4]) {
      %p = max_pool2d(%x): f32[1, 4, 2, 2]
      return %p
    })"));
  EXPECT_THAT(text, testing::Not(HasSubstr("|")));
  EXPECT_EQ(to_string(parse_graph(text)), text);
}

TEST(GraphText, LiteralsComeBackExactly) {
  for (const auto& [dtype, literal] : std::vector<std::pair<std::string, std::string>>{{"f32", "0.1"},
                                                                                       {"f32", "-0"},
                                                                                       {"f32", "inf"},
                                                                                       {"f32", "-inf"},
                                                                                       {"f32", "nan"},
                                                                                       {"f32", "1.1754944e-38"},
                                                                                       {"f32", "3.4028235e+38"},
                                                                                       {"f64", "0.1"},
                                                                                       {"f64", "1e-300"},
                                                                                       {"bf16", "0.100097656"},
                                                                                       {"i64", "-9223372036854775807"},
                                                                                       {"i32", "2147483647"},
                                                                                       {"i8", "-128"},
                                                                                       {"u8", "255"},
                                                                                       {"bool", "true"}}) {
    const std::string text = fmt::format("graph(%x: {0}[3]) {{\n  return {0}({1}) as y\n}}\n", dtype, literal);
    EXPECT_EQ(to_string(parse_graph(text)), text);
  }
}

TEST(GraphText, EveryOpOfTheTableCanBeNamed) {
  for (const OpDef* op : all_ops()) EXPECT_EQ(find_op(op->name), op);
}

struct Refusal {
  const char* text;
  const char* wanted;
};

class HostileText : public testing::TestWithParam<Refusal> {};

TEST_P(HostileText, IsRefusedWithItsLine) {
  const std::string text = GetParam().text;
  const auto error = error_of([&] { parse_graph(text, {{"w", ones({5, 4})}, {"half", full({2}, 1, DType::f16)}}); });
  EXPECT_THAT(error, StartsWith("line "));
  EXPECT_THAT(error, HasSubstr(GetParam().wanted)) << text;
}

INSTANTIATE_TEST_SUITE_P(
    , HostileText,
    testing::Values(
        Refusal{"", "line 1: a line begins with"}, Refusal{"graph", "'(' is expected"},
        Refusal{"graph(", "'%' is expected"}, Refusal{"graph(%x", "':' is expected"},
        Refusal{"graph(%x: q8[1]) {", "'q8' is not an element type"}, Refusal{"graph(%x: f32[1", "the text ends"},
        Refusal{"graph(%x: f32[1, m]) {", "unknown size 'm'"}, Refusal{"graph(%x: f32[-1]) {", "a size is -1"},
        Refusal{"graph(%x: f32[1,1,1,1,1,1,1,1,1]) {", "at most 8 dimensions"},
        Refusal{"graph(%x: f32[99999999999999999999]) {", "is not a size"},
        Refusal{"graph(%x: f32[1//0]) {", "divided by zero"},
        Refusal{"graph(%x: f32[4611686018427387904*4]) {", "exceeds 2^62"},
        Refusal{"graph(%x: f32[4611686018427387904+4611686018427387904]) {", "exceeds 2^62"},
        Refusal{"size n = 1 in 1..4\ngraph(%x: f32[4000000000*n*4000000000]) {", "line 2: "},
        Refusal{"graph(%x: f32[((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1]) {",
                "is not a size"},
        Refusal{"graph(%x: f32[2]) {\n  return %x\n", "line 3: '}' is expected"},
        Refusal{"graph(%x: f32[2], %x: f32[2]) {", "a second input"},
        Refusal{"graph(%\"\": f32[2]) {", "a name is empty"}, Refusal{"graph(%\"x: f32[2]) {", "not closed"},
        Refusal{"graph(%x: f32[2] channels_last) {", "only 4-D"},
        Refusal{"size n = 9 in 1..4\ngraph() {", "line 1: the size n = 9 does not lie"},
        Refusal{"size 3 = 1 in 1..4", "cannot name a size"},
        Refusal{"size n = 1 in 1..4\nsize n = 1 in 1..4\ngraph() {", "line 2: the size 'n' is given twice"},
        Refusal{"size n = 99999999999999999999 in 1..4", "not a number that fits"},
        Refusal{"const @q: f32[2]\ngraph() {", "no data for the constant 'q'"},
        Refusal{"const @w: f32[4, 5]\ngraph() {", "its data is f32[5, 4]"},
        Refusal{"const @w: f64[5, 4]\ngraph() {", "its data is f32[5, 4]"},
        Refusal{"const @w: f32[5, 4]\nconst @w: f32[5, 4]\ngraph() {", "line 2: the constant 'w' is given twice"},
        Refusal{"graph(%x: f32[2]) {\n  %y = rleu(%x): f32[2]\n  return %y\n}", "line 2: there is no op 'rleu'"},
        Refusal{"graph(%x: f32[2]) {\n  %y = relu(%z): f32[2]\n  return %y\n}", "'%z' is read before it is made"},
        Refusal{"graph(%x: f32[2]) {\n  %y = relu(@z): f32[2]\n  return %y\n}", "'@z' is read before it is made"},
        Refusal{"graph(%x: f32[2]) {\n  %y = relu(%x): f32[3]\n  return %y\n}",
                "'%y' is written as f32[3], it is f32[2]"},
        Refusal{"graph(%x: f32[2]) {\n  %y = relu(%x): f64[2]\n  return %y\n}", "it is f32[2]"},
        Refusal{"graph(%x: f32[2]) {\n  %x = relu(%x): f32[2]\n  return %x\n}", "'%x' is made twice"},
        Refusal{"graph(%x: f32[2]) {\n  %y, %z = relu(%x): f32[2], f32[2]\n  return %y\n}", "gives 1 results"},
        Refusal{"graph(%x: f32[2]) {\n  %y | %z = relu(%x): f32[2] | f32[2]\n  return %y\n}",
                "gives 1 results and 0 saved"},
        Refusal{"graph(%x: f32[2]) {\n  %y = relu(%x) {alpha=1}: f32[2]\n  return %y\n}", "[relu] has no attributes"},
        Refusal{"graph(%x: f32[2]) {\n  %y = elu(%x) {beta=1}: f32[2]\n  return %y\n}", "no attribute 'beta'"},
        Refusal{"graph(%x: f32[2]) {\n  %y = elu(%x) {alpha=\"}: f32[2]\n  return %y\n}", "the text ends"},
        Refusal{"graph(%x: f32[2]) {\n  %y = elu(%x) {alpha=[1]}: f32[2]\n  return %y\n}", "attribute 'alpha'"},
        Refusal{"graph(%x: f32[2]) {\n  %y = add(%x, f32(1e99)): f32[2]\n  return %y\n}", "not a number that fits"},
        Refusal{"graph(%x: u8[2]) {\n  %y = add(%x, u8(256)): u8[2]\n  return %y\n}", "does not fit its type"},
        Refusal{"graph(%x: f32[2]) {\n  %y = add(%x, f99(1)): f32[2]\n  return %y\n}",
                "neither a value nor an element type"},
        Refusal{"graph(%x: f32[2]) {\n  return _\n}", "an output cannot be absent"},
        Refusal{"graph(%x: f32[2]) {\n  return\n}", "returns nothing"},
        Refusal{"graph(%x: f32[2]) {\n  return %x as a, %x as a\n}", "two outputs named 'a'"},
        Refusal{"graph(%x: f32[2]) {\n  return %x\n}\nmore", "there is text after the graph"}));

// Every part of a valid text, cut and with characters replaced: refused or read, never worse.
TEST(GraphText, MutatedTextNeverCrashes) {
  const std::string text = R"(size n = 2 in 1..8
const @w: f32[5, 4]
graph(%x: f32[n, 4], %i: f32[n, 4, 6, 6]) {
  %y = linear(%x, @w, _): f32[n, 5]  # fc
  %p | %s = max_pool2d(%i) {kernel=[2, 2]}: f32[n, 4, 3, 3] | i32[n, 4, 3, 3]
  %t = permute(%p) {dims=[0, 2, 3, 1]}: f32[n, 3, 3, 4]
  %u = slice(%t) {dim=3, start=1, end=3, step=1}: f32[n, 3, 3, 2]
  %m = sum(%u) {dims=[1, 2], keepdim=false}: f32[n, 2]
  %q = softmax(%m) {dim=1}: f32[n, 2]
  %z = add(%q, f32(0.5)): f32[n, 2]
  return %z as out, %y
}
)";
  const auto data = random_constants(text);
  ASSERT_EQ(to_string(parse_graph(text, data)), to_string(parse_graph(to_string(parse_graph(text, data)), data)));
  constexpr std::string_view kOthers = "%@_{}[](),:=|#\"\\n019- .\n";
  int read = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char c : kOthers) {
      std::string mutated = text;
      mutated[at] = c;
      read += error_of([&] { verify(parse_graph(mutated, data)); }).empty();
    }
    const bool is_whole = at + 1 == text.size();  // without its last newline
    EXPECT_EQ(error_of([&] { parse_graph(text.substr(0, at), data); }).empty(), is_whole);
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace ingot::test
