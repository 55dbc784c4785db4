#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/file.h"
#include "kernels/versions.h"
#include "networks.h"

namespace ingot::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

Graph small_graph() {
  return traced(
      [](const Tensors& in) {
        const Tensor h = relu(conv2d(in[0], random({8, 3, 3, 3}, 1), random({8}, 2), {.padding = 1}));
        return Tensors{conv2d(h, random({4, 8, 1, 1}, 3))};
      },
      {{4, 3, 12, 12}});
}

std::filesystem::path temporary(const std::string& name) {
  return std::filesystem::path(::testing::TempDir()) / ("ingot_" + name);
}

TEST(Compile, TimesTacticsAndKeepsTheFastest) {
  const Graph graph = small_graph();
  BuildReport report;
  const Engine engine = compile(graph, {}, &report);
  expect_runs_as(engine, graph, {1, 4, 8});
  ASSERT_EQ(report.tactics.size(), 2U);
  for (const TacticChoice& choice : report.tactics) {
    ASSERT_EQ(choice.times.size(), 3U);
    double chosen = 0, least = 1e9;
    for (const TacticTime& t : choice.times) {
      EXPECT_GT(t.seconds, 0);
      least = std::min(least, t.seconds);
      if (t.tactic == choice.chosen) chosen = t.seconds;
    }
    EXPECT_EQ(chosen, least);
  }
}

TEST(Compile, ATimingCacheIsWrittenOnceAndReadAfter) {
  const auto path = temporary("timing.json");
  std::filesystem::remove(path);
  BuildReport first, second;
  const Graph graph = small_graph();
  compile(graph, {.timing_cache = path}, &first);
  const auto written = std::filesystem::last_write_time(path);
  compile(graph, {.timing_cache = path}, &second);
  EXPECT_EQ(std::filesystem::last_write_time(path), written);
  for (size_t i = 0; i < first.tactics.size(); ++i) {
    EXPECT_FALSE(first.tactics[i].from_cache);
    EXPECT_TRUE(second.tactics[i].from_cache);
    EXPECT_EQ(first.tactics[i].chosen, second.tactics[i].chosen);
  }
  const std::string bad_times = fmt::format(
      R"({{"ingot_timing_cache": 1, "kernels": "{}", "calls": {{"a": {{"b": "c"}}}}}})", kernels::kernels_version());
  for (const std::string& text :
       {std::string("{"), std::string("[1]"), std::string(R"({"ingot_timing_cache": 99, "calls": {}})"), bad_times}) {
    std::ofstream(path) << text;
    EXPECT_THAT([&] { compile(graph, {.timing_cache = path}); },
                ThrowsMessage<Error>(AllOf(HasSubstr(path.string()), HasSubstr("not a timing cache"))));
  }
}

TEST(Compile, TimesOfOtherKernelsAreMeasuredAgain) {
  const auto path = temporary("other_timing.json");
  std::filesystem::remove(path);
  const Graph graph = small_graph();
  compile(graph, {.timing_cache = path});
  const std::string ours = kernels::kernels_version();
  for (const std::string& other : {std::string("another"), std::string()}) {  // the last as from before they had one
    std::string text = read_file(path);
    text.replace(text.find(ours), ours.size(), other);
    std::ofstream(path) << text;
    BuildReport report;
    compile(graph, {.timing_cache = path}, &report);
    for (const TacticChoice& choice : report.tactics) EXPECT_FALSE(choice.from_cache);
    compile(graph, {.timing_cache = path}, &report);
    for (const TacticChoice& choice : report.tactics) EXPECT_TRUE(choice.from_cache);
  }
}

TEST(Compile, TheTimesOfFastMathServeStrictMath) {
  const auto path = temporary("shared_timing.json");
  std::filesystem::remove(path);
  const Graph graph = small_graph();
  BuildReport fast, strict, again;
  compile(graph, {.math = Math::fast, .timing_cache = path}, &fast);
  const auto written = std::filesystem::last_write_time(path);
  compile(graph, {.timing_cache = path}, &strict);
  EXPECT_EQ(std::filesystem::last_write_time(path), written);
  ASSERT_EQ(strict.tactics.size(), fast.tactics.size());
  for (size_t i = 0; i < strict.tactics.size(); ++i) {
    const TacticChoice& choice = strict.tactics[i];
    EXPECT_TRUE(choice.from_cache);
    EXPECT_EQ(choice.times.size(), 3U);
    const auto least = std::min_element(choice.times.begin(), choice.times.end(),
                                        [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
    EXPECT_EQ(choice.chosen, least->tactic);
    EXPECT_THAT(choice.chosen, Not(HasSubstr("winograd")));
  }
  compile(graph, {.math = Math::fast, .timing_cache = path}, &again);
  for (size_t i = 0; i < again.tactics.size(); ++i) {
    EXPECT_TRUE(again.tactics[i].from_cache);
    EXPECT_EQ(again.tactics[i].chosen, fast.tactics[i].chosen);
  }
}

TEST(Compile, FastMathTimesWhatStrictMathHasNot) {
  const auto path = temporary("extended_timing.json");
  std::filesystem::remove(path);
  const Graph graph = small_graph();
  BuildReport report;
  compile(graph, {.timing_cache = path}, &report);
  compile(graph, {.math = Math::fast, .timing_cache = path}, &report);
  EXPECT_FALSE(report.tactics[0].from_cache);  // 3x3, which has Winograd's besides
  EXPECT_EQ(report.tactics[0].times.size(), 5U);
  EXPECT_TRUE(report.tactics[1].from_cache);  // 1x1
  for (const Math math : {Math::strict, Math::fast}) {
    compile(graph, {.math = math, .timing_cache = path}, &report);
    for (const TacticChoice& choice : report.tactics) EXPECT_TRUE(choice.from_cache);
  }
}

TEST(Compile, TacticsCanBeForced) {
  const Graph graph = small_graph();
  BuildReport report;
  compile(graph, {.time_tactics = false}, &report);
  const std::string step = report.tactics[0].step;
  EXPECT_EQ(report.tactics[0].chosen, "onednn_packed");
  const Engine engine = compile(graph, {.forced_tactics = {{step, "eval"}}}, &report);
  EXPECT_EQ(report.tactics[0].chosen, "eval");
  expect_runs_as(engine, graph, {2});
  expect_runs_as(compile(graph, {.forced_tactics = {{step, "gemm"}}}, &report), graph, {1, 2, 5});
  EXPECT_EQ(report.tactics[0].chosen, "gemm");
  EXPECT_THAT([&] { compile(graph, {.forced_tactics = {{step, "magic"}}}); },
              ThrowsMessage<Error>(HasSubstr("no tactic 'magic'")));
  EXPECT_THAT([&] { compile(graph, {.forced_tactics = {{"nobody", "eval"}}}); },
              ThrowsMessage<Error>(HasSubstr("no such step")));
}

TEST(Compile, DepthwiseConvolutionsHaveATacticOfTheirOwn) {
  const Graph graph = traced(
      [](const Tensors& in) {
        const Tensor h = relu6(conv2d(in[0], random({20, 1, 3, 3}, 1), random({20}, 2), {.padding = 1, .groups = 20}));
        return Tensors{conv2d(h, random({20, 1, 5, 5}, 3), {}, {.stride = 2, .padding = 2, .groups = 20})};
      },
      {{4, 20, 13, 12}});
  BuildReport report;
  expect_runs_as(compile(graph, {}, &report), graph, {1, 4});
  ASSERT_EQ(report.tactics.size(), 2U);
  std::map<std::string, std::string> forced;
  for (const TacticChoice& choice : report.tactics) {
    EXPECT_THAT(choice.times, Contains(Field(&TacticTime::tactic, "depthwise")));
    forced[choice.step] = "depthwise";
  }
  const Engine engine = compile(graph, {.forced_tactics = {forced.begin(), forced.end()}}, &report);
  for (const TacticChoice& choice : report.tactics) EXPECT_EQ(choice.chosen, "depthwise");
  expect_runs_as(engine, graph, {1, 2, 5});
  const auto path = temporary("depthwise.ingot");
  engine.save(path);
  expect_runs_as(Engine::load(path), graph, {3});
}

TEST(Compile, AConcatWithAPartInPlaceCannotBeForcedToEval) {
  const Graph graph = traced([](const Tensors& in) { return Tensors{concat({relu(in[0]), in[0]}, 1)}; }, {{4, 5}});
  BuildReport report;
  compile(graph, {.time_tactics = false}, &report);
  const auto concat = std::find_if(report.tactics.begin(), report.tactics.end(),
                                   [](const TacticChoice& c) { return c.op == "concat"; });
  ASSERT_NE(concat, report.tactics.end());
  EXPECT_THAT([&] { compile(graph, {.forced_tactics = {{concat->step, "eval"}}}); },
              ThrowsMessage<Error>(HasSubstr("'eval' does not support this call")));
}

TEST(Compile, FastMathMayFilterByWinograd) {
  const Graph graph = small_graph();
  BuildReport report;
  const Engine fast = compile(graph, {.math = Math::fast}, &report);
  expect_runs_as(fast, graph, {1, 4, 8});
  EXPECT_EQ(report.tactics[0].times.size(), 5U);  // 3x3
  EXPECT_EQ(report.tactics[1].times.size(), 3U);  // 1x1
  const std::string step = report.tactics[0].step;
  const auto path = temporary("winograd.ingot");
  for (const char* tactic : {"winograd2", "winograd4"}) {
    EXPECT_THAT([&] { compile(graph, {.forced_tactics = {{step, tactic}}}); },
                ThrowsMessage<Error>(HasSubstr("under strict math")));
    const Engine engine = compile(graph, {.math = Math::fast, .forced_tactics = {{step, tactic}}}, &report);
    EXPECT_EQ(report.tactics[0].chosen, tactic);
    expect_runs_as(engine, graph, {1, 2, 5});
    engine.save(path);
    expect_runs_as(Engine::load(path), graph, {3});
  }
}

TEST(Compile, FastMathMayFilterLinesByWinograd) {
  const Tensor across = random({6, 4, 1, 7}, 1), down = random({5, 6, 3, 1}, 2);
  const Graph graph = traced(
      [&](const Tensors& in) {
        const Tensor lines = relu(conv2d(in[0], across, {}, {.padding = {0, 3, 0, 3}}));
        return Tensors{conv2d(lines, down, {}, {.padding = {1, 0, 1, 0}})};
      },
      {{4, 4, 9, 8}});
  BuildReport report;
  compile(graph, {.math = Math::fast}, &report);
  ASSERT_EQ(report.tactics.size(), 2U);
  EXPECT_EQ(report.tactics[0].times.size(), 4U);  // 1x7 has winograd2
  EXPECT_EQ(report.tactics[1].times.size(), 5U);  // 3x1 has both
  const std::string first = report.tactics[0].step, second = report.tactics[1].step;
  const auto path = temporary("lines.ingot");
  for (const char* tactic : {"winograd2", "winograd4"}) {
    const Engine engine =
        compile(graph, {.math = Math::fast, .forced_tactics = {{first, "winograd2"}, {second, tactic}}}, &report);
    EXPECT_EQ(report.tactics[1].chosen, tactic);
    expect_runs_as(engine, graph, {1, 3});
    engine.save(path);
    expect_runs_as(Engine::load(path), graph, {2});
  }
  EXPECT_THAT([&] { compile(graph, {.math = Math::fast, .forced_tactics = {{first, "winograd4"}}}); },
              ThrowsMessage<Error>(HasSubstr("'winograd4' does not support this call")));
}

TEST(Compile, FastMathMayFilterStridesOfTwoByWinograd) {
  const Tensor weight = random({6, 6, 3, 3}, 1);  // of both strides, which transform it differently
  const Graph graph = traced(
      [&](const Tensors& in) {
        const Tensor h = relu(conv2d(in[0], weight, {}, {.padding = 1}));
        return Tensors{conv2d(h, weight, {}, {.stride = 2, .padding = 1})};
      },
      {{4, 6, 19, 22}});
  BuildReport report;
  compile(graph, {.math = Math::fast}, &report);
  ASSERT_EQ(report.tactics.size(), 2U);
  const std::string first = report.tactics[0].step, second = report.tactics[1].step;
  const auto path = temporary("strided.ingot");
  for (const char* tactic : {"winograd2", "winograd4"}) {
    const Engine engine =
        compile(graph, {.math = Math::fast, .forced_tactics = {{first, tactic}, {second, tactic}}}, &report);
    EXPECT_EQ(report.tactics[0].chosen, tactic);
    EXPECT_EQ(report.tactics[1].chosen, tactic);
    expect_runs_as(engine, graph, {1, 3});
    engine.save(path);
    expect_runs_as(Engine::load(path), graph, {2});
  }
}

TEST(Compile, OneWeightOfTwoConvolutionsIsPackedOnce) {
  const Tensor w = random({4, 4, 3, 3}, 1);
  const Graph graph = traced(
      [&](const Tensors& in) {
        return Tensors{conv2d(relu(conv2d(in[0], w, {}, {.padding = 1})), w, {}, {.padding = 1}), sum(w)};
      },
      {{4, 4, 6, 6}});
  const Engine engine = compile(graph, {.disabled_passes = {"fold_constants"}, .time_tactics = false});
  expect_runs_as(engine, graph, {1, 3});
  EXPECT_LT(engine.memory().weights, 4U * 4 * 9 * 4 + 16U * 16 * 9 * 4 + 64 + 1);
}

TEST(Compile, RangesCanBeNarrowed) {
  const Graph graph = small_graph();
  const Engine engine = compile(graph, {.max_batch = 2, .time_tactics = false});
  EXPECT_THAT([&] { engine.run(random_inputs(graph, 3, 1)); }, ThrowsMessage<Error>(HasSubstr("outside 1..2")));
  expect_runs_as(engine, graph, {1, 2});
  expect_runs_as(compile(graph, {.sizes = {{"n", {.example = 3, .min = 2, .max = 5}}}, .time_tactics = false}), graph,
                 {2, 5});
  EXPECT_THAT([&] { compile(graph, {.sizes = {{"n", {.example = 3, .min = 0, .max = 50}}}}); },
              ThrowsMessage<Error>(HasSubstr("exceeds the graph's 1..8")));
  EXPECT_THAT([&] { compile(graph, {.sizes = {{"m", {}}}}); }, ThrowsMessage<Error>(HasSubstr("no free size 'm'")));
}

TEST(Compile, PassesCanBeSwitchedOff) {
  const Graph graph = small_graph();
  const Engine engine = compile(graph, {.disabled_passes = {"fuse_conv_activation"}, .time_tactics = false});
  EXPECT_THAT(engine.text(), HasSubstr("relu("));
  EXPECT_THAT(compile(graph, {.time_tactics = false}).text(), Not(HasSubstr("relu(")));
  expect_runs_as(engine, graph, {3});
  EXPECT_THAT([&] { compile(graph, {.disabled_passes = {"fuse_everything"}}); },
              ThrowsMessage<Error>(HasSubstr("no pass 'fuse_everything'")));
}

TEST(Compile, ReportsAsJson) {
  BuildReport report;
  compile(traced([](const Tensors& in) { return Tensors{concat({relu(in[0]), in[0]}, 1)}; }, {{4, 3, 2, 2}}), {},
          &report);
  const std::string json = to_json(report);
  for (const char* key : {"\"passes\"", "\"tactics\"", "\"concat_parts\"", "\"peak\"", "is an input of the graph"})
    EXPECT_THAT(json, HasSubstr(key));
}

TEST(Compile, SeveralFreeSizes) {
  const Dim n = Dim::symbol("n", 4), h = Dim::symbol("h", 8), w = Dim::symbol("w", 8);
  const auto fn = [](const Tensors& in) {
    const Tensor x = relu(conv2d(in[0], random({6, 3, 3, 3}, 1), {}, {.stride = 2, .padding = 1}));
    return Tensors{adaptive_avg_pool2d(concat({x, tanh(x)}, 1), 1), x + sigmoid(in[1])};
  };
  const Graph graph = trace(fn, {{"image", DType::f32, {n, 3, h, w}}, {"gate", DType::f32, {n, 6, 1, 1}}}, {},
                            {.ranges = {{"n", {4, 1, 8}}, {"h", {8, 1, 64}}, {"w", {8, 1, 64}}}})
                          .graph;
  const Engine engine = compile(graph, {.time_tactics = false});
  Context context(engine, {.guard = true});
  for (const auto& [batch, height, width] : {std::tuple{1, 8, 8}, {4, 5, 9}, {3, 1, 1}, {8, 33, 17}, {4, 5, 9}}) {
    const Tensors in{random({batch, 3, height, width}, 1), random({batch, 6, 1, 1}, 2)};
    const Tensors want = interpret(graph, in), got = context.run(in);
    for (size_t i = 0; i < want.size(); ++i) expect_close(got[i], want[i], 1e-5, std::to_string(height));
  }
  EXPECT_THAT([&] { context.run({random({2, 3, 8, 8}, 1), random({3, 6, 1, 1}, 2)}); },
              ThrowsMessage<Error>(HasSubstr("'gate'")));
}

}  // namespace
}  // namespace ingot::testing
