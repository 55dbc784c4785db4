#include <nlohmann/json.hpp>

#include "cases.h"
#include "helpers.h"
#include "ingot/ops.h"
#include "random_graphs.h"

namespace ingot::test {
namespace {

using testing::HasSubstr;

const char* const kBlock = R"(
    size n = 2 in 1..64
    const @conv1.weight: f32[8, 8, 3, 3]
    const @bn1.mean: f32[8]
    const @bn1.var: f32[8]
    const @conv2.weight: f32[8, 8, 3, 3]
    const @bn2.mean: f32[8]
    const @bn2.var: f32[8]
    const @bn2.weight: f32[8]
    const @bn2.bias: f32[8]
    const @fc.weight: f32[5, 8]
    graph(%x: f32[n, 8, 6, 6]) {
      %1 = conv2d(%x, @conv1.weight) {padding=[1, 1, 1, 1]}: f32[n, 8, 6, 6]  # conv1
      %2 = batch_norm(%1, @bn1.mean, @bn1.var): f32[n, 8, 6, 6]  # bn1
      %3 = relu(%2): f32[n, 8, 6, 6]  # relu
      %4 = conv2d(%3, @conv2.weight) {padding=[1, 1, 1, 1]}: f32[n, 8, 6, 6]  # conv2
      %5 = batch_norm(%4, @bn2.mean, @bn2.var, @bn2.weight, @bn2.bias): f32[n, 8, 6, 6]  # bn2
      %6 = add(%5, %x): f32[n, 8, 6, 6]
      %7 = relu(%6): f32[n, 8, 6, 6]  # relu
      %8 = dropout(%7) {p=0}: f32[n, 8, 6, 6]  # dropout
      %9 = adaptive_avg_pool2d(%8): f32[n, 8, 1, 1]
      %10 = reshape(%9) {shape=[n, 8]}: f32[n, 8]
      %11 = linear(%10, @fc.weight): f32[n, 5]  # fc
      return %11 as logits
    })";

TEST(Pipeline, AResidualBlockBecomesTwoConvolutions) {
  for (const std::string& text : {std::string(kBlock), in_f64(kBlock)}) {
    Graph graph = graph_of(text);
    const Graph original = graph.clone();
    const Report report = optimize(graph, {.verify_each = true});
    const std::string wanted = R"(
      size n = 2 in 1..64
      const @fc.weight: f32[5, 8]
      const @conv1.weight.folded: f32[8, 8, 3, 3]
      const @conv1.weight.bias.folded: f32[8]
      const @conv2.weight.folded: f32[8, 8, 3, 3]
      const @conv2.weight.bias.folded: f32[8]
      graph(%x: f32[n, 8, 6, 6]) {
        %3 = conv2d_fused(%x, @conv1.weight.folded, @conv1.weight.bias.folded) {padding=[1, 1, 1, 1], activation="relu"}: f32[n, 8, 6, 6]  # conv1
        %7 = conv2d_fused(%3, @conv2.weight.folded, @conv2.weight.bias.folded, %x) {padding=[1, 1, 1, 1], activation="relu"}: f32[n, 8, 6, 6]  # conv2
        %9 = adaptive_avg_pool2d(%7): f32[n, 8, 1, 1]
        %10 = reshape(%9) {shape=[n, 8]}: f32[n, 8]
        %11 = linear(%10, @fc.weight): f32[n, 5]  # fc
        return %11 as logits
      })";
    EXPECT_EQ(to_string(graph), normal_text(text == kBlock ? wanted : in_f64(wanted), graph));
    expect_same_results(original, graph);
    EXPECT_EQ(report.count_applied("fold_conv_batch_norm"), 2u);
    EXPECT_EQ(report.count_applied("fuse_conv_add"), 1u);
  }
}

TEST(Pipeline, AnActivationSpelledOutIsFusedToo) {
  Graph graph = graph_of(R"(
    const @w: f32[8, 3, 3, 3]
    const @mean: f32[8]
    const @var: f32[8]
    graph(%x: f32[2, 3, 6, 6]) {
      %c = conv2d(%x, @w): f32[2, 8, 4, 4]
      %n = batch_norm(%c, @mean, @var): f32[2, 8, 4, 4]
      %s = sigmoid(%n): f32[2, 8, 4, 4]
      %y = mul(%n, %s): f32[2, 8, 4, 4]
      return %y
    })");
  const Graph original = graph.clone();
  optimize(graph, {.verify_each = true});
  ASSERT_EQ(graph.node_count(), 1u) << to_string(graph);
  EXPECT_EQ(graph.nodes().begin()->attrs.field("activation"), AttrValue(std::string("silu")));
  expect_same_results(original, graph);
}

TEST(Pipeline, EveryPassCanBeSwitchedOff) {
  const Graph original = graph_of(kBlock);
  for (const std::string& name : pass_names()) {
    Graph graph = original.clone();
    const Report report = optimize(graph, {.disabled = {name}, .verify_each = true});
    for (const auto& entry : report.entries) EXPECT_NE(entry.pass, name);
    expect_same_results(original, graph);
  }
  const auto names = pass_names();
  Graph graph = original.clone();
  optimize(graph, {.disabled = {names.begin(), names.end()}});
  EXPECT_EQ(graph, original);
}

TEST(Pipeline, AnUnknownPassIsRefused) {
  Graph graph = graph_of(kBlock);
  EXPECT_THAT(error_of([&] { optimize(graph, {.disabled = {"fold_conv_batchnorm"}}); }),
              HasSubstr("no pass 'fold_conv_batchnorm'; did you mean 'fold_conv_batch_norm'?"));
}

TEST(Pipeline, TheReportNamesNodesPathsAndReasons) {
  Graph graph = graph_of(kBlock);
  const auto json = nlohmann::json::parse(to_json(optimize(graph)));
  EXPECT_EQ(json["passes"]["fold_conv_batch_norm"]["applied"], 2);
  const auto has = [&](const char* pass, const char* node, const char* path, bool applied, const char* reason) {
    for (const auto& e : json["entries"])
      if (e["pass"] == pass && e["node"] == node && e["path"] == path && e["applied"] == applied)
        return e["reason"].get<std::string>().find(reason) != std::string::npos;
    return false;
  };
  EXPECT_TRUE(has("fold_conv_batch_norm", "2", "bn1", true, "into %1"));
  EXPECT_TRUE(has("drop_identities", "8", "dropout", true, ""));
  EXPECT_TRUE(has("permute_flatten", "10", "", false, "in order already"));
}

TEST(Pipeline, NamesThatAreNoUtf8DoNotBreakTheReport) {
  Report report;
  report.entries.push_back({"a", "relu", "\xff\xfe", "", true, ""});
  EXPECT_TRUE(nlohmann::json::accept(to_json(report)));
}

TEST(Pipeline, RandomGraphsKeepTheirResults) {
  std::map<std::string, size_t> applied;
  const auto graphs = static_cast<uint64_t>(cases(150));
  for (uint64_t seed = 0; seed < graphs; ++seed) {
    const testing::ScopedTrace trace(__FILE__, __LINE__, seed);
    const DType dtype = seed % 2 == 0 ? DType::f64 : DType::f32;
    Graph graph = random_graph(seed, dtype);
    const Graph original = graph.clone();
    verify(graph);
    const Graph again = parse_graph(to_string(graph), graph.named_constants());
    ASSERT_EQ(first_difference(graph, again), std::nullopt);
    ASSERT_EQ(hash_of(graph), hash_of(again));
    const Report report = optimize(graph, {.verify_each = true});
    expect_same_results(original, graph);
    if (HasFailure()) FAIL() << to_string(original) << to_string(graph);
    for (const std::string& name : pass_names()) applied[name] += report.count_applied(name);
  }
  for (const auto& [name, count] : applied)
    EXPECT_GT(count, graphs / 15) << name << " hardly ever applies, so this tests nothing";
}

}  // namespace
}  // namespace ingot::test
