#include <map>

#include "base/check.h"
#include "base/file.h"
#include "cli/build_report.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "ingot/threads.h"

namespace ingot::cli {
namespace {

struct Options {
  ModelChoice model;
  std::string out, timing_cache;
  int64_t max_batch = kMaxBatch;
  std::vector<std::string> disabled;
  Math math = Math::strict;
  bool deterministic = false, no_timing = false, json = false;
};

const std::map<std::string, Math> kMaths{{"strict", Math::strict}, {"fast", Math::fast}};

/// The passes run here, so that the report shows the very graph that is compiled.
Engine build_engine(const Model& model, const Options& options, BuildSummary& summary) {
  Traced traced = trace_model(model, options.max_batch);
  summary.graph_before = to_string(traced.graph);
  summary.fixed_sizes = std::move(traced.fixed);
  const Report passes = optimize(traced.graph, {.disabled = {options.disabled.begin(), options.disabled.end()}});
  summary.graph_after = to_string(traced.graph);
  CompileOptions compile_options{.disabled_passes = all_passes(),
                                 .math = options.math,
                                 .deterministic = options.deterministic,
                                 .time_tactics = !options.no_timing,
                                 .preprocessing = model.preprocessing,
                                 .class_names = model.class_names};
  if (!options.timing_cache.empty()) compile_options.timing_cache = options.timing_cache;
  const Engine engine = compile(traced.graph, compile_options, &summary.report);
  summary.report.passes = passes;
  return engine;
}

int work(const Options& options) {
  check_passes(options.disabled);
  const Model model = load_module(options.model, "build");
  const std::filesystem::path out = options.out;
  if (out.extension() != ".ingot")
    throw Refusal(fmt::format("-o {}: an engine file's name ends in .ingot", options.out));
  BuildSummary summary{.model = model.name,
                       .engine = options.out,
                       .math = options.math == Math::fast ? "fast" : "strict",
                       .deterministic = options.deterministic,
                       .max_batch = options.max_batch,
                       .disabled_passes = options.disabled};
  const Engine engine = build_engine(model, options, summary);
  engine.save(out);
  summary.file_bytes = std::filesystem::file_size(out);
  const auto json = to_json(summary);
  write_file_atomic(report_path(out), json.dump(1) + "\n");
  write_out(options.json ? json.dump() + "\n" : build_text(json));
  return kDone;
}

Work declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model.text, "Run folder or zoo:NAME")->required();
  app.add_option("-o,--output", options->out, "Engine file, X.ingot; X.report.json is written beside it")->required();
  app.add_option("--max-batch", options->max_batch, "Largest batch that the engine takes")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--disable-pass", options->disabled, "Leave out a pass, by name; can be repeated");
  app.add_option("--timing-cache", options->timing_cache,
                 "File of measured times, read and added to; begun anew where its kernels were others");
  app.add_option("--math", options->math, "fast: convolutions may go by Winograd, with more rounding")
      ->transform(CLI::CheckedTransformer(kMaths, CLI::ignore_case))
      ->default_str("strict");
  app.add_flag("--deterministic", options->deterministic,
               "An image's scores have the same bits in any batch and on any number of threads");
  app.add_flag("--no-timing", options->no_timing, "Take the first implementation of each layer, untimed");
  add_model_options(app, options->model);
  add_threads_option(app);
  add_json_option(app, options->json);
  return [options] { return work(*options); };
}

}  // namespace

const Verb kBuild{.name = "build",
                  .help = "Compile a network into a fused engine file",
                  .example = "  ingot build runs/demo -o runs/demo/model.ingot",
                  .declare = declare};

}  // namespace ingot::cli
