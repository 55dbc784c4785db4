#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "cli/difference.h"
#include "cli/images.h"
#include "cli/output.h"
#include "cli/sides.h"
#include "cli/verbs.h"

namespace ingot::cli {
namespace {

constexpr double kTolerance = 1e-5;
constexpr int64_t kRandomCount = 64;
constexpr int64_t kBatch = 64;

struct Options {
  ModelChoice a, b;
  double rtol = kTolerance;
  std::optional<double> atol;
  int64_t count = 0;
  bool per_layer = false, json = false;
};

struct Layer {
  std::string value, op, path;
  double max_abs = 0, rel_rms = 0;
  bool passed = false;
};

struct Result {
  std::string a, b, images;
  int64_t samples = 0;
  double max_abs = 0, rel_rms = 0, agreement = 0, rtol = 0;
  std::optional<double> atol;
  bool passed = false;
  std::vector<Layer> layers;
  std::optional<std::string> first_divergence;
};

bool within(const Difference& d, const Options& options) {
  return d.rel_rms() <= options.rtol && (!options.atol || d.max_abs() <= *options.atol);
}

// ---- The comparison

class Comparison {
 public:
  Comparison(Side& a, Side& b, bool per_layer) : a_(a), b_(b) {
    if (per_layer) common_ = common_values(a, b);
    for (const Side::Computed& c : common_) names_.push_back(c.name);
    by_layer_.resize(common_.size());
  }

  void add(const Tensor& images) {
    std::map<std::string, Tensor> values;
    const Tensor x = a_.run(images, names_, [&](const std::string& name, const Tensor& data) { values[name] = data; });
    const Tensor y = b_.run(images, names_, [&](const std::string& name, const Tensor& data) {
      const auto at = std::find(names_.begin(), names_.end(), name) - names_.begin();
      if (const auto it = values.find(name); it != values.end())
        by_layer_[static_cast<size_t>(at)].add(it->second, data);
    });
    total_.add(x, y);
    agreeing_ += agreeing_rows(x, y);
    samples_ += images.size(0);
  }

  Result result(const Options& options) const {
    Result r{.samples = samples_,
             .max_abs = total_.max_abs(),
             .rel_rms = total_.rel_rms(),
             .agreement = samples_ > 0 ? static_cast<double>(agreeing_) / static_cast<double>(samples_) : 1,
             .rtol = options.rtol,
             .atol = options.atol,
             .passed = within(total_, options)};
    for (size_t i = 0; i < common_.size(); ++i) {
      const Difference& d = by_layer_[i];
      r.layers.push_back(
          {common_[i].name, common_[i].op, common_[i].path, d.max_abs(), d.rel_rms(), within(d, options)});
      if (!r.layers.back().passed && !r.first_divergence) r.first_divergence = common_[i].name;
    }
    return r;
  }

 private:
  Side &a_, &b_;
  std::vector<Side::Computed> common_;
  std::vector<std::string> names_;
  std::vector<Difference> by_layer_;
  Difference total_;
  int64_t agreeing_ = 0, samples_ = 0;
};

ImageSource source_of(const Model& a, const Model& b, const Options& options) {
  if (a.run) return test_images(*a.run, options.count);
  if (b.run) return test_images(*b.run, options.count);
  return random_images(a, options.count > 0 ? options.count : kRandomCount, options.a.seed);
}

void check_alike(const Model& a, const Model& b) {
  if (!(a.image == b.image))
    throw Refusal(
        fmt::format("{} takes images {}, {} takes {}", a.name, to_string(a.image), b.name, to_string(b.image)));
}

int64_t batch_of(const Model& a, const Model& b) {
  int64_t batch = kBatch;
  for (const Model* model : {&a, &b})
    if (model->is_engine()) batch = std::min(batch, max_batch_of(*model->engine));
  return batch;
}

Result compare(const Options& options) {
  const Model a = load_model(options.a), b = load_model(options.b);
  check_alike(a, b);
  const ImageSource images = source_of(a, b, options);
  const auto first = make_side(a, false), second = make_side(b, true);
  Comparison comparison(*first, *second, options.per_layer);
  for_each_batch(images, batch_of(a, b), [&](const Tensor& batch) { comparison.add(batch); });
  Result result = comparison.result(options);
  result.a = a.name, result.b = b.name, result.images = images.name;
  return result;
}

// ---- Printing

// JSON has no infinity.
nlohmann::ordered_json finite(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json to_json(const Result& r, bool per_layer) {
  nlohmann::ordered_json out{{"a", r.a},
                             {"b", r.b},
                             {"images", r.images},
                             {"samples", r.samples},
                             {"max_abs", finite(r.max_abs)},
                             {"rel_rms", finite(r.rel_rms)},
                             {"agreement", r.agreement},
                             {"rtol", r.rtol},
                             {"atol", r.atol ? finite(*r.atol) : finite(std::nan(""))},
                             {"passed", r.passed}};
  if (!per_layer) return out;
  out["first_divergence"] = r.first_divergence ? nlohmann::ordered_json(*r.first_divergence) : nullptr;
  out["layers"] = nlohmann::ordered_json::array();
  for (const Layer& l : r.layers)
    out["layers"].push_back({{"value", l.value},
                             {"op", l.op},
                             {"path", l.path},
                             {"max_abs", finite(l.max_abs)},
                             {"rel_rms", finite(l.rel_rms)},
                             {"passed", l.passed}});
  return out;
}

std::string to_text(const Result& r, bool per_layer) {
  std::string out;
  if (per_layer) {
    std::vector<std::vector<std::string>> rows{{"value", "op", "layer", "max_abs", "rel_rms", ""}};
    for (const Layer& l : r.layers)
      rows.push_back({"%" + l.value, l.op, l.path, fmt::format("{:.2e}", l.max_abs), fmt::format("{:.2e}", l.rel_rms),
                      l.passed ? "ok" : "DIFFERS"});
    out += table(rows);
    out += r.first_divergence ? fmt::format("First value that diverges: %{}\n", *r.first_divergence)
                              : fmt::format("All {} values that survive fusion agree.\n", r.layers.size());
  }
  out += fmt::format("{} samples ({}): {} against {}\n", r.samples, r.images, r.a, r.b);
  out += fmt::format(
      "largest difference  {:.3e}\nrelative RMS        {:.3e}  (at most {:g})\nsame prediction     {:.2f} %\n",
      r.max_abs, r.rel_rms, r.rtol, r.agreement * 100);
  return out + (r.passed ? "passed\n" : "MISMATCH\n");
}

int work(const Options& options) {
  // 1 is for a mismatch alone: whatever else goes wrong is 2.
  const Result result = reading([&] { return compare(options); });
  write_out(options.json ? to_json(result, options.per_layer).dump() + "\n" : to_text(result, options.per_layer));
  return result.passed ? kDone : kFailed;
}

Work declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("a", options->a.text, "Run folder or zoo:NAME, whose unfused graph is the reference; or an engine")
      ->required();
  app.add_option("b", options->b.text, "Engine, or a run folder or zoo:NAME that is fused for the comparison")
      ->required();
  app.add_option("--rtol", options->rtol, "Largest relative RMS difference")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--atol", options->atol, "Largest absolute difference; any unless given")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--count", options->count, "Images to compare on: all test images of a run, or 64 random ones")
      ->check(CLI::PositiveNumber);
  app.add_flag("--per-layer", options->per_layer, "Compare every value that survives fusion");
  add_model_options(app, options->a);
  add_verify_option(app, options->a);
  add_threads_option(app);
  add_json_option(app, options->json);
  return [options] {
    options->b.seed = options->a.seed;
    options->b.verify = options->a.verify;
    if (options->b.text.starts_with("zoo:")) options->b.shapes = options->a.shapes;
    if (!options->a.text.starts_with("zoo:")) options->a.shapes.clear();
    return work(*options);
  };
}

}  // namespace

const Verb kCompare{.name = "compare",
                    .help = "Compare an engine with the unfused graph: exit code 1 where they differ",
                    .example =
                        "  ingot compare runs/demo runs/demo/model.ingot\n"
                        "  ingot compare zoo:resnet18 resnet18.ingot --count 16 --per-layer",
                    .declare = declare};

}  // namespace ingot::cli
