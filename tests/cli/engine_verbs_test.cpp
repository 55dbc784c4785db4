#include <gmock/gmock.h>

#include <cmath>

#include "cli/command.h"
#include "cli/model.h"
#include "ingot/image_io.h"
#include "ingot/io.h"
#include "ingot/models.h"

namespace ingot {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string text(const fs::path& path) { return path.string(); }

/// lenet, built once for all tests here.
class EngineVerbs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = scratch_folder() / "lenet.ingot";
    built_ = run_line("build zoo:lenet -o " + text(engine_) + " --max-batch 16 --no-timing --json");
  }
  void SetUp() override { ASSERT_EQ(built_.code, 0) << built_.err; }

  static std::string engine() { return text(engine_); }

  static inline fs::path engine_;
  static inline Outcome built_;
};

fs::path write_image(const std::string& name, const Shape& shape) {
  const fs::path path = scratch_folder() / name;
  write_png(path, zeros(shape, DType::u8));
  return path;
}

TEST_F(EngineVerbs, BuildWritesTheEngineAndItsReport) {
  EXPECT_TRUE(fs::exists(engine_));
  const auto json = built_.json();
  EXPECT_EQ(json.at("max_batch"), 16);
  EXPECT_GE(json.at("passes").at("passes").at("fuse_conv_activation").at("applied"), 4);
  EXPECT_THAT(json.at("graph").at("before").get<std::string>(), HasSubstr("relu("));
  EXPECT_THAT(json.at("graph").at("after").get<std::string>(), HasSubstr("conv2d_fused("));
  EXPECT_GT(json.at("memory").at("peak"), 0);
  const auto stored = nlohmann::json::parse(read_text(scratch_folder() / "lenet.report.json"));
  EXPECT_EQ(stored, json);
}

TEST_F(EngineVerbs, BuildWithoutAPassLeavesTheNodesAlone) {
  const fs::path plain = scratch_folder() / "plain.ingot";
  const Outcome o =
      run_line("build zoo:lenet -o " + text(plain) + " --no-timing --json --disable-pass fuse_conv_activation");
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.json().at("graph").at("after").get<std::string>(), HasSubstr("relu("));
  EXPECT_FALSE(o.json().at("passes").at("passes").contains("fuse_conv_activation"));
}

TEST_F(EngineVerbs, BuildWithFastMathTimesWinograd) {
  const auto tactics = [&](const std::string& options) {
    const Outcome o = run_line("build zoo:small_cnn --json -o " + text(scratch_folder() / "math.ingot") + options);
    EXPECT_EQ(o.code, 0) << o.err;
    return std::pair(o.json().at("math"), o.json().at("tactics").dump());
  };
  const auto [fast, timed] = tactics(" --math fast");
  EXPECT_EQ(fast, "fast");
  EXPECT_THAT(timed, HasSubstr("winograd4"));
  const auto [strict, plain] = tactics("");
  EXPECT_EQ(strict, "strict");
  EXPECT_THAT(plain, testing::Not(HasSubstr("winograd")));
  EXPECT_EQ(run_line("build zoo:small_cnn --math exact -o x.ingot").code, 2);
}

TEST_F(EngineVerbs, BuildsDeterministicEngines) {
  const std::string engine = text(scratch_folder() / "steady.ingot");
  const Outcome o = run_line("build zoo:small_cnn --json --deterministic -o " + engine);
  ASSERT_EQ(o.code, 0) << o.err;
  const auto report = o.json();
  EXPECT_TRUE(report.at("deterministic").get<bool>());
  EXPECT_FALSE(report.at("tactics").empty());
  for (const auto& tactic : report.at("tactics")) EXPECT_NE(tactic.at("tactic"), "onednn_packed");
  EXPECT_EQ(run_line("compare zoo:small_cnn " + engine).code, 0);
}

TEST_F(EngineVerbs, BuildSaysWhatItDid) {
  const Outcome o = run_line("build zoo:lenet -o " + text(scratch_folder() / "said.ingot") + " --no-timing");
  ASSERT_EQ(o.code, 0) << o.err;
  for (const char* part : {"Fused", "Not fused", "fuse_conv_activation", "Tactics", "Memory: arena", "batch 1 to 64"})
    EXPECT_THAT(o.out, HasSubstr(part));
}

TEST_F(EngineVerbs, BuildAgainFromATimingCacheChoosesTheSame) {
  const std::string cache = text(scratch_folder() / "times.json");
  const auto build = [&](const std::string& name) {
    return run_line("build zoo:lenet --json -o " + text(scratch_folder() / name) + " --timing-cache " + cache);
  };
  const Outcome first = build("first.ingot"), second = build("second.ingot");
  ASSERT_EQ(first.code, 0) << first.err;
  ASSERT_EQ(second.code, 0) << second.err;
  const auto a = first.json().at("tactics"), b = second.json().at("tactics");
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].at("tactic"), b[i].at("tactic"));
    if (!b[i].at("seconds").empty()) {
      EXPECT_TRUE(b[i].at("from_cache").get<bool>()) << b[i];
    }
  }
}

TEST_F(EngineVerbs, CompareFindsTheEngineEqualToTheUnfusedGraph) {
  const Outcome o = run_line("compare zoo:lenet " + engine() + " --count 20 --per-layer --json");
  ASSERT_EQ(o.code, 0) << o.out << o.err;
  const auto json = o.json();
  EXPECT_TRUE(json.at("passed").get<bool>());
  EXPECT_EQ(json.at("samples"), 20);
  EXPECT_LE(json.at("rel_rms"), 1e-5);
  EXPECT_GE(json.at("max_abs"), 0);
  EXPECT_EQ(json.at("agreement"), 1.0);
  EXPECT_TRUE(json.at("first_divergence").is_null());
  EXPECT_GE(json.at("layers").size(), 5u);
}

TEST_F(EngineVerbs, CompareNamesTheFirstValueThatDiverges) {
  const fs::path other = scratch_folder() / "other.ingot";
  ASSERT_EQ(run_line("build zoo:lenet --seed 1 --no-timing -o " + text(other)).code, 0);
  const Outcome o = run_line("compare " + engine() + " " + text(other) + " --per-layer --json");
  EXPECT_EQ(o.code, 1) << o.err;
  const auto json = o.json();
  EXPECT_FALSE(json.at("passed").get<bool>());
  EXPECT_EQ(json.at("first_divergence"), json.at("layers")[0].at("value"));
  EXPECT_EQ(json.at("layers")[0].at("path"), "conv1");
}

TEST_F(EngineVerbs, CompareOfABatchNormNetSkipsWhatFusionReplaced) {
  const Outcome o = run_line("compare zoo:small_cnn zoo:small_cnn --shapes 1x12x12 --per-layer --json");
  ASSERT_EQ(o.code, 0) << o.out << o.err;
  const auto json = o.json();
  for (const auto& layer : json.at("layers")) EXPECT_NE(layer.at("op"), "batch_norm");
}

TEST_F(EngineVerbs, BenchOfOneEngineIsOneObject) {
  const Outcome o = run_line("bench " + engine() + " --batch 4 --threads 1 --warmup 0 --duration 0.1 --json");
  ASSERT_EQ(o.code, 0) << o.err;
  const auto json = o.json();
  const auto& ms = json.at("latency_ms");
  EXPECT_GT(ms.at("min"), 0);
  EXPECT_LE(ms.at("min"), ms.at("median"));
  EXPECT_LE(ms.at("median"), ms.at("p90"));
  EXPECT_LE(ms.at("p90"), ms.at("p99"));
  EXPECT_LE(ms.at("min"), ms.at("mean"));
  EXPECT_GT(json.at("throughput"), 0);
  EXPECT_EQ(json.at("batch"), 4);
  EXPECT_EQ(json.at("threads"), 1);
  EXPECT_EQ(json.at("mode"), "fused");
}

TEST_F(EngineVerbs, BenchOfSeveralHasEagerUnfusedAndFused) {
  const Outcome o = run_line("bench zoo:lenet " + engine() + " --warmup 0 --duration 0.1 --json");
  ASSERT_EQ(o.code, 0) << o.err;
  const auto models = o.json().at("models");
  ASSERT_EQ(models.size(), 3u);
  const char* modes[] = {"eager", "unfused", "fused"};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(models[i].at("mode"), modes[i]);
    EXPECT_EQ(models[i].at("model"), i < 2 ? "zoo:lenet" : engine_.string());
    EXPECT_GT(models[i].at("latency_ms").at("median"), 0);
  }
}

TEST_F(EngineVerbs, BenchProfilesLayers) {
  const Outcome o = run_line("bench " + engine() + " --warmup 0 --duration 0 --profile --json");
  ASSERT_EQ(o.code, 0) << o.err;
  const auto profile = o.json().at("profile");
  EXPECT_GE(profile.size(), 5u);
  for (const auto& step : profile) EXPECT_GE(step.at("ms"), 0) << step;
}

TEST_F(EngineVerbs, AnEngineForSingleImagesHasNoFreeSize) {
  const std::string single = text(scratch_folder() / "single.ingot");
  ASSERT_EQ(run_line("build zoo:lenet -o " + single + " --max-batch 1 --no-timing").code, 0);
  EXPECT_EQ(run_line("inspect " + single + " --json").json().at("max_batch"), 1);
  EXPECT_EQ(run_line("compare zoo:lenet " + single + " --count 3").code, 0);
  EXPECT_EQ(run_line("bench " + single + " --profile --warmup 0 --duration 0.01").code, 0);
  const Outcome refused = run_line("bench " + single + " --batch 2");
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("at most 1"));
}

TEST(Cli, ANetworkThatTreatsOneImageInItsOwnWayIsTracedForOne) {
  VisionTransformerOptions options{.image_size = 8, .patch_size = 4, .num_layers = 1, .num_heads = 2};
  options.hidden_dim = options.mlp_dim = 8;
  cli::Model model{.name = "vit", .module = std::make_unique<VisionTransformer>(options), .image = {3, 8, 8}};
  model.module->eval();
  EXPECT_TRUE(cli::trace_model(model, 1).graph.sizes().empty());
  EXPECT_EQ(cli::trace_model(model, 2).graph.sizes().size(), 1U);
}

TEST_F(EngineVerbs, PredictNamesTheLikeliestClasses) {
  const fs::path image = write_image("black.png", {1, 28, 28});
  const Outcome o = run_line("predict " + engine() + " " + text(image) + " " + text(image) + " --top 3 --json");
  ASSERT_EQ(o.code, 0) << o.err;
  const auto images = o.json().at("images");
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0].at("image"), image.string());
  const auto& top = images[0].at("top");
  ASSERT_EQ(top.size(), 3u);
  EXPECT_GE(top[0].at("probability"), top[1].at("probability"));
  EXPECT_EQ(top[0].at("name"), "class " + std::to_string(top[0].at("class").get<int>()));
}

TEST_F(EngineVerbs, PredictTakesMoreImagesThanABatch) {
  const fs::path image = write_image("again.png", {1, 28, 28});
  std::string many;
  for (int i = 0; i < 20; ++i) many += " " + text(image);
  const Outcome o = run_line("predict " + engine() + many + " --top 10 --json");
  ASSERT_EQ(o.code, 0) << o.err;
  ASSERT_EQ(o.json().at("images").size(), 20u);
  double sum = 0;
  const auto last = o.json().at("images")[19];
  for (const auto& guess : last.at("top")) sum += guess.at("probability").get<double>();
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST_F(EngineVerbs, PredictRefusesImagesThatDoNotFit) {
  const Outcome small = run_line("predict " + engine() + " " + text(write_image("small.png", {1, 27, 28})));
  EXPECT_EQ(small.code, 2);
  EXPECT_THAT(small.err, HasSubstr("small.png: 28 x 27 pixels"));
  EXPECT_THAT(small.err, HasSubstr("takes 28 x 28"));
  const Outcome colour = run_line("predict " + engine() + " " + text(write_image("colour.png", {3, 28, 28})));
  EXPECT_EQ(colour.code, 2);
  EXPECT_THAT(colour.err, HasSubstr("a colour image"));
  write_text(scratch_folder() / "no.png", "this is text");
  EXPECT_EQ(run_line("predict " + engine() + " " + text(scratch_folder() / "no.png")).code, 2);
}

TEST_F(EngineVerbs, InspectShowsAnEngine) {
  const Outcome o = run_line("inspect " + engine() + " --layers --text --dot --report --json");
  ASSERT_EQ(o.code, 0) << o.err;
  const auto json = o.json();
  EXPECT_EQ(json.at("kind"), "engine");
  EXPECT_EQ(json.at("inputs")[0].at("shape"), "[n, 1, 28, 28]");
  EXPECT_EQ(json.at("max_batch"), 16);
  EXPECT_EQ(json.at("layers").size(), json.at("steps"));
  EXPECT_THAT(json.at("dot").get<std::string>(), StartsWith("digraph {"));
  EXPECT_TRUE(json.at("report").contains("tactics"));
  EXPECT_THAT(run_line("inspect " + engine()).out, HasSubstr("batch         1 to 16"));
  EXPECT_THAT(run_line("inspect " + engine() + " --layers").out, HasSubstr("conv2d_fused"));
  EXPECT_THAT(run_line("inspect " + engine() + " --report").out, HasSubstr("Not fused"));
}

TEST_F(EngineVerbs, InspectShowsTheTacticsThatLost) {
  const std::string timed = text(scratch_folder() / "timed.ingot");
  ASSERT_EQ(run_line("build zoo:lenet -o " + timed + " --math fast").code, 0);
  const auto layers = run_line("inspect " + timed + " --layers --json").json().at("layers");
  int choices = 0;
  for (const auto& layer : layers) {
    if (!layer.contains("seconds")) continue;
    ++choices;
    const auto& seconds = layer.at("seconds");
    EXPECT_GE(seconds.size(), layer.at("op").get<std::string>().starts_with("conv") ? 3u : 2u);
    const double least = seconds.at(layer.at("tactic").get<std::string>()).get<double>();
    for (const auto& [tactic, s] : seconds.items()) EXPECT_GE(s.get<double>(), least) << tactic;
  }
  EXPECT_EQ(choices, 5);  // its convolutions and linear layers
  const std::string shown = run_line("inspect " + timed + " --layers").out;
  EXPECT_THAT(shown, HasSubstr("Tactics (times at batch 8)"));
  for (const char* tactic : {"eval", "gemm", "onednn_packed"}) EXPECT_THAT(shown, HasSubstr(tactic));
  fs::remove(scratch_folder() / "timed.report.json");
  EXPECT_THAT(run_line("inspect " + timed + " --layers").out, testing::Not(HasSubstr("times at")));
}

TEST_F(EngineVerbs, InspectShowsANetworkBeforeAndAfterFusion) {
  const Outcome traced = run_line("inspect zoo:lenet --text");
  ASSERT_EQ(traced.code, 0) << traced.err;
  EXPECT_THAT(traced.out, HasSubstr("relu("));
  EXPECT_THAT(run_line("inspect zoo:lenet --text --fused").out, HasSubstr("conv2d_fused("));
  EXPECT_EQ(run_line("inspect zoo:lenet --json").json().at("parameters"), 61706);
}

TEST_F(EngineVerbs, InspectListsTheTensorsOfACheckpoint) {
  const fs::path file = scratch_folder() / "some.safetensors";
  save_safetensors(file, {{"a", from_vector<float>({1, -2, 4}, {3})}, {"b", full({2, 2}, std::nan(""), DType::f64)}},
                   {{"note", "hello"}});
  const Outcome o = run_line("inspect " + text(file) + " --json");
  ASSERT_EQ(o.code, 0) << o.err;
  const auto json = o.json();
  const auto &a = json.at("tensors")[0], &b = json.at("tensors")[1];
  EXPECT_EQ(a.at("dtype"), "f32");
  EXPECT_EQ(a.at("shape"), nlohmann::json::array({3}));
  EXPECT_EQ(a.at("min"), -2);
  EXPECT_EQ(a.at("max"), 4);
  EXPECT_EQ(a.at("mean"), 1);
  EXPECT_TRUE(b.at("min").is_null());
  EXPECT_EQ(b.at("not_finite"), 4);
  EXPECT_EQ(json.at("metadata").at("note"), "hello");
  EXPECT_THAT(run_line("inspect " + text(file)).out, HasSubstr("note: hello"));
}

TEST_F(EngineVerbs, InspectListsTheTensorsOfAPyTorchCheckpoint) {
  const TensorMap model{{"w", from_vector<float>({1, 5}, {2})}};
  const TorchValue::Dict whole{{{"state_dict", TorchValue(model)},
                                {"epoch", 3},
                                {"best", TorchValue::Dict{{{"accuracy", 0.5}}}},
                                {"history", TorchValue::List{1, 2}}}};
  const fs::path file = scratch_folder() / "some.pth", renamed = scratch_folder() / "some.bin";
  save_torch(file, whole);
  fs::copy_file(file, renamed, fs::copy_options::overwrite_existing);
  for (const fs::path& path : {file, renamed}) {
    const Outcome o = run_line("inspect --verify " + text(path) + " --json");
    ASSERT_EQ(o.code, 0) << o.err;
    const auto json = o.json();
    EXPECT_EQ(json.at("format"), "torch");
    ASSERT_EQ(json.at("tensors").size(), 1u);
    EXPECT_EQ(json.at("tensors")[0].at("name"), "state_dict.w");
    EXPECT_EQ(json.at("tensors")[0].at("mean"), 3);
    EXPECT_EQ(json.at("metadata"), nlohmann::json({{"best.accuracy", "0.5"}, {"epoch", "3"}}));
  }
  EXPECT_THAT(run_line("inspect " + text(file)).out, HasSubstr("epoch: 3"));
}

TEST_F(EngineVerbs, ConvertWritesTheWeightsInTheOtherFormAndBack) {
  const TensorMap model{{"a", uniform({3, 4}, -1, 1, RandomKey{1})}, {"b.flags", full({2}, 1, DType::boolean)}};
  const TorchValue::Dict whole{{{"model", TorchValue(model)}, {"optimizer", TorchValue::List{ones({2}), ones({3})}}}};
  const fs::path pth = scratch_folder() / "whole.pth", safe = scratch_folder() / "weights.safetensors",
                 back = scratch_folder() / "back.pt";
  save_torch(pth, whole);
  const Outcome there = run_line("convert " + text(pth) + " " + text(safe) + " --json");
  ASSERT_EQ(there.code, 0) << there.err;
  EXPECT_EQ(there.json().at("tensors"), 2);
  EXPECT_EQ(there.json().at("left_out"), 2);
  EXPECT_EQ(there.json().at("from"), "torch");
  EXPECT_EQ(there.json().at("bytes"), fs::file_size(safe));
  EXPECT_EQ(hash_tensors(load_safetensors(safe).tensors), hash_tensors(model));
  const Outcome again = run_line("convert --verify " + text(pth) + " " + text(back));
  EXPECT_THAT(again.out, HasSubstr("back.pt: 2 tensors"));
  EXPECT_THAT(again.out, HasSubstr("left out: 2 more of "));
  ASSERT_EQ(run_line("convert " + text(safe) + " " + text(back)).code, 0);
  EXPECT_EQ(hash_tensors(tensors_of(load_torch(back))), hash_tensors(model));
}

// ---- Refusals

struct Refused {
  std::string arguments, says;
};
class Refusals : public testing::TestWithParam<Refused> {};

TEST_P(Refusals, EndWithTwoAndALineThatSaysWhy) {
  write_text(scratch_folder() / "wrong.ingot",
             "this is no engine, but long enough to be one: " + std::string(100, 'x'));
  write_text(scratch_folder() / "empty.ingot", "");
  write_text(scratch_folder() / "wrong.safetensors", "no");
  write_text(scratch_folder() / "wrong.pth", "no!");
  save_torch(scratch_folder() / "number.pth", 1);
  save_torch(scratch_folder() / "none.pth", TorchValue::Dict{});
  std::string arguments = GetParam().arguments;
  if (const auto at = arguments.find("DIR"); at != std::string::npos)
    arguments.replace(at, 3, scratch_folder().string());
  const Outcome o = run_line(arguments);
  EXPECT_EQ(o.code, 2) << o.out << o.err;
  EXPECT_THAT(o.err, StartsWith("ingot: "));
  EXPECT_THAT(o.err, HasSubstr(GetParam().says));
  EXPECT_EQ(o.out, "");
}

INSTANTIATE_TEST_SUITE_P(Cli, Refusals,
                         testing::Values(Refused{"inspect /nowhere/model.ingot",
                                                 "/nowhere/model.ingot: there is no such file"},
                                         Refused{"bench DIR/wrong.ingot", "not an engine file"},
                                         Refused{"inspect DIR/empty.ingot", "not an engine file"},
                                         Refused{"inspect DIR/wrong.safetensors", "wrong.safetensors"},
                                         Refused{"summary zoo:resnet5", "did you mean 'resnet50'?"},
                                         Refused{"summary lenet", "did you mean 'zoo:lenet'?"},
                                         Refused{"summary zoo:lenet --shapes 1x28", "--shapes is '1x28'"},
                                         Refused{"summary zoo:lenet --shapes 1x27x28", "fc1"},
                                         Refused{"summary zoo:small_cnn --shapes 1x12x16", "square"},
                                         Refused{"build zoo:lenet -o DIR/x.ingot --disable-pass fold_conv_batchnorm",
                                                 "did you mean 'fold_conv_batch_norm'?"},
                                         Refused{"build zoo:lenet -o DIR/model.bin", "ends in .ingot"},
                                         Refused{"build zoo:lenet", "--output is required"},
                                         Refused{"build zoo:lenet -o DIR/x.ingot --max-batch 0", "--max-batch"},
                                         Refused{"compare zoo:lenet zoo:resnet18", "takes images"},
                                         Refused{"report /nowhere/run", "there is no such folder"},
                                         Refused{"bench", "models is required"}, Refused{"paint zoo:lenet", "paint"}));

INSTANTIATE_TEST_SUITE_P(Checkpoints, Refusals,
                         testing::Values(Refused{"inspect DIR/wrong.pth", "wrong.pth: 3 bytes are too few"},
                                         Refused{"inspect /nowhere/weights.pth", "/nowhere/weights.pth: No such file"},
                                         Refused{"convert DIR/wrong.pth DIR/x.safetensors", "wrong.pth: "},
                                         Refused{"convert DIR/wrong.pth DIR/x.bin", "x.bin: the ending says"},
                                         Refused{"convert DIR/wrong.pth", "output is required"},
                                         Refused{"convert DIR/number.pth DIR/x.safetensors",
                                                 "number.pth: it holds a whole number, not a state_dict"},
                                         Refused{"convert DIR/none.pth DIR/x.safetensors",
                                                 "none.pth: there are no tensors in it"}));

TEST(Cli, AnUnwritableFolderFailsWithOne) {
  const Outcome o = run_line("build zoo:lenet --no-timing -o /nowhere/at/all.ingot");
  EXPECT_EQ(o.code, 1) << o.err;
  EXPECT_THAT(o.err, HasSubstr("/nowhere/at/all.ingot"));
}

TEST(Cli, SummaryCountsAsTorchvisionDoes) {
  const Outcome o = run_line("summary zoo:resnet18 --json");
  ASSERT_EQ(o.code, 0) << o.err;
  const auto json = o.json();
  EXPECT_EQ(json.at("parameters"), 11689512);
  EXPECT_EQ(json.at("macs"), 1814073344);  // torchvision gives 1.81 GFLOPS for it, with this convention
  EXPECT_EQ(json.at("layers")[0].at("outputs"), nlohmann::json::array({nlohmann::json::array({1, 1000})}));
  EXPECT_TRUE(json.at("uncounted_ops").contains("batch_norm"));
  const auto text = run_line("summary zoo:lenet").out;
  EXPECT_THAT(text, HasSubstr("61,706"));
  EXPECT_THAT(text, HasSubstr("[1, 6, 28, 28]"));
}

TEST(Cli, DoctorNamesTheMachine) {
  const Outcome o = run_line("doctor --json");
  ASSERT_EQ(o.code, 0) << o.err;
  const auto json = o.json();
  EXPECT_GE(json.at("threads"), 1);
  EXPECT_FALSE(json.at("cpu").get<std::string>().empty());
  EXPECT_THAT(json.at("libraries").at("onednn").get<std::string>(), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_TRUE(json.at("dataset").at("found").is_boolean());
  EXPECT_THAT(run_line("doctor").out, HasSubstr("ISA tier"));
}

}  // namespace
}  // namespace ingot
