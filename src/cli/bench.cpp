#include <nlohmann/json.hpp>
#include <numeric>

#include "base/file.h"
#include "cli/images.h"
#include "cli/measure.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "ingot/autograd.h"
#include "ingot/threads.h"
#include "runtime/engine_data.h"

namespace ingot::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> models;
  ModelChoice zoo;  // shapes and seed
  int64_t batch = 1;
  MeasureOptions measure;
  bool profile = false, json = false;
};

/// One way to run a model.
struct Candidate {
  std::string model, mode;  // eager, unfused, fused
  std::function<void()> run;
  std::optional<Engine> engine;  // of unfused and fused
};

struct ProfiledStep {
  std::string step, op, path, tactic;
  double ms = 0;
};
struct Timing {
  std::string model, mode;
  Latency latency;
  double throughput = 0;  // images a second
  int64_t calls = 0;
  std::vector<ProfiledStep> profile;
  std::string layers;  // the profile as text
};

struct Result {
  std::vector<Timing> timings;
  int64_t batch = 1;
  int threads = 1;
};

// ---- What is measured

Candidate eager(const std::shared_ptr<Model>& model, const Tensor& x) {
  return {model->name,
          "eager",
          [model, x] {
            const NoGrad no_grad;
            model->module->call({x});
          },
          {}};
}

Candidate of_engine(const std::string& name, const std::string& mode, const Engine& engine, const Tensor& x) {
  struct State {
    Context context;
    Tensors in, out;
  };
  const auto state = std::make_shared<State>(State{Context(engine), {x}, Tensors(1)});
  return {name, mode, [state] { state->context.run(state->in, state->out); }, engine};
}

/// The engine of the graph as it was traced: every pass off, concats copied.
Engine unfused_engine(const Graph& graph) {
  return compile(graph, {.disabled_passes = all_passes(), .elide_concats = false});
}

void check_batch(const Model& model, int64_t batch) {
  if (model.is_engine() && batch > max_batch_of(*model.engine))
    throw Refusal(
        fmt::format("{} takes batches of at most {}, not {}", model.name, max_batch_of(*model.engine), batch));
}

/// An engine is one candidate; a module is run eagerly and unfused, and fused unless an engine is measured beside it.
void add_candidates(const std::shared_ptr<Model>& model, int64_t batch, bool with_fused, std::vector<Candidate>& out) {
  check_batch(*model, batch);
  const Tensor x = random_images(*model, batch, 0).batch(0, batch);
  if (model->is_engine()) {
    out.push_back(of_engine(model->name, "fused", *model->engine, x));
    return;
  }
  const Graph graph = trace_model(*model, std::max(batch, kMaxBatch)).graph;
  out.push_back(eager(model, x));
  out.push_back(of_engine(model->name, "unfused", unfused_engine(graph), x));
  if (with_fused) out.push_back(of_engine(model->name, "fused", compile(graph), x));
}

std::vector<Candidate> candidates(const std::vector<std::shared_ptr<Model>>& models, int64_t batch) {
  const bool any_engine = std::any_of(models.begin(), models.end(), [](const auto& m) { return m->is_engine(); });
  std::vector<Candidate> out;
  for (const auto& model : models) add_candidates(model, batch, !any_engine, out);
  return out;
}

/// Apart from the timed runs, which it would slow down.
void add_profile(const Candidate& candidate, const Tensor& x, Timing& timing) {
  constexpr int kRuns = 20;
  Context context(*candidate.engine);
  Profile profile;
  context.run(Tensors{x});
  for (int i = 0; i < kRuns; ++i) context.run(Tensors{x}, {.profile = &profile});
  const Plan& plan = candidate.engine->data().plan;
  for (size_t i = 0; i < plan.steps.size() && i < profile.seconds.size(); ++i) {
    const PlanStep& step = plan.steps[i];
    timing.profile.push_back({plan.tensor(step.results[0]).name, std::string(step.op->name), step.path, step.tactic,
                              profile.seconds[i] * 1e3 / static_cast<double>(profile.runs)});
  }
  SymbolValues sizes;
  for (const PlanSize& size : plan.sizes) sizes[size.name] = x.size(0).value();
  timing.layers = candidate.engine->describe(sizes, &profile);
}

Result measure(const std::vector<std::shared_ptr<Model>>& models, const Options& options) {
  const std::vector<Candidate> all = candidates(models, options.batch);
  std::vector<std::function<void()>> runs;
  for (const Candidate& c : all) runs.push_back(c.run);
  const auto times = measure_alternating(runs, options.measure);
  Result result{.batch = options.batch, .threads = num_threads()};
  for (size_t i = 0; i < all.size(); ++i) {
    Timing timing{.model = all[i].model, .mode = all[i].mode, .latency = latency_of(times[i])};
    timing.throughput = static_cast<double>(options.batch) * 1e3 / timing.latency.mean;
    timing.calls = static_cast<int64_t>(times[i].size());
    if (options.profile && all[i].engine)
      add_profile(all[i], random_images(*models[0], options.batch, 0).batch(0, options.batch), timing);
    result.timings.push_back(std::move(timing));
  }
  return result;
}

// ---- Printing

Json to_json(const Timing& t, const Result& r) {
  Json out{{"model", t.model},
           {"mode", t.mode},
           {"latency_ms",
            {{"min", t.latency.min},
             {"median", t.latency.median},
             {"mean", t.latency.mean},
             {"p90", t.latency.p90},
             {"p99", t.latency.p99}}},
           {"throughput", t.throughput},
           {"batch", r.batch},
           {"threads", r.threads},
           {"calls", t.calls}};
  for (const ProfiledStep& s : t.profile)
    out["profile"].push_back({{"step", s.step}, {"op", s.op}, {"path", s.path}, {"tactic", s.tactic}, {"ms", s.ms}});
  return out;
}

/// Of one model: its fused form's object, with all its modes beside. Of several: a list.
Json to_json(const Result& r, bool one_model) {
  Json all = Json::array();
  for (const Timing& t : r.timings) all.push_back(to_json(t, r));
  if (!one_model) return {{"models", all}};
  Json out = all.back();
  if (all.size() > 1) out["modes"] = all;
  return out;
}

std::string to_text(const Result& r) {
  std::string out = fmt::format("batch {}, {} threads, times in ms\n", r.batch, r.threads);
  std::vector<std::vector<std::string>> rows{
      {"model", "mode", "min", "median", "mean", "p90", "p99", "images/s", "speed-up"}};
  const double first = r.timings.front().latency.median;
  for (const Timing& t : r.timings) {
    std::vector<std::string> row{t.model, t.mode};
    for (const double ms : {t.latency.min, t.latency.median, t.latency.mean, t.latency.p90, t.latency.p99})
      row.push_back(fmt::format("{:.3f}", ms));
    row.push_back(fmt::format("{:.0f}", t.throughput));
    row.push_back(fmt::format("{:.2f}x", first / t.latency.median));
    rows.push_back(std::move(row));
  }
  out += table(rows);
  for (const Timing& t : r.timings)
    if (!t.layers.empty()) out += fmt::format("\n{} {}\n{}", t.model, t.mode, t.layers);
  return out;
}

int work(const Options& options) {
  std::vector<std::shared_ptr<Model>> models;
  for (const std::string& text : options.models) {
    ModelChoice choice{.text = text, .seed = options.zoo.seed};
    if (text.starts_with("zoo:")) choice.shapes = options.zoo.shapes;
    models.push_back(std::make_shared<Model>(load_model(choice)));
  }
  const Result result = measure(models, options);
  const Json json = to_json(result, models.size() == 1);
  for (const auto& model : models)
    if (model->run) write_file_atomic(model->run->folder / "bench.json", json.dump(1) + "\n");
  write_out(options.json ? json.dump() + "\n" : to_text(result));
  return kDone;
}

Work declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("models", options->models, "Run folders, zoo:NAME, engines")->required();
  app.add_option("--batch", options->batch, "Images a call")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--warmup", options->measure.warmup, "Seconds before timing, of each")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--duration", options->measure.duration, "Seconds of timing, of each")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--profile", options->profile, "Time of each layer of the engines");
  add_model_options(app, options->zoo);
  add_threads_option(app);
  add_json_option(app, options->json);
  return [options] { return work(*options); };
}

}  // namespace

const Verb kBench{.name = "bench",
                  .help = "Measure networks eagerly, unfused and fused, in turns",
                  .example =
                      "  ingot bench runs/demo runs/demo/model.ingot\n"
                      "  ingot bench zoo:resnet18 --batch 8 --threads 2 --json",
                  .declare = declare};

}  // namespace ingot::cli
