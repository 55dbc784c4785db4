#include "diagnose/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/log.h"
#include "cli/images.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "ingot/autograd.h"
#include "ingot/image_io.h"
#include "ingot/ops.h"

namespace ingot::cli {
namespace {

struct Options {
  std::string run, out;
  int64_t images = 10;
  bool json = false;
};

struct Guess {
  int64_t index = 0, label = 0, predicted = 0;
  double probability = 0;
};

/// What the network makes of every test image.
std::vector<Guess> guesses_of(const Model& model, const DatasetHandle& images) {
  std::vector<Guess> guesses;
  const NoGrad no_grad;
  for_each_batch(test_images(*model.run), usual_batch(model.run->task), [&](const Tensor& x) {
    const Tensor p = softmax(model.module->call({x})[0], 1);
    const auto predicted = argmax(p, 1).to_vector<int64_t>();
    const auto probability = amax(p, {1}).to_vector<double>();
    for (size_t i = 0; i < predicted.size(); ++i) {
      const auto index = static_cast<int64_t>(guesses.size());
      guesses.push_back({index, images->get(index).target.item<int64_t>(), predicted[i], probability[i]});
    }
  });
  return guesses;
}

/// The first right one of each class, then further ones.
std::vector<Guess> some_right(const std::vector<Guess>& all, size_t count) {
  std::vector<Guess> first, further;
  std::vector<int64_t> seen;
  for (const Guess& g : all) {
    if (g.label != g.predicted) continue;
    const bool fresh = std::find(seen.begin(), seen.end(), g.label) == seen.end();
    if (fresh) seen.push_back(g.label);
    (fresh ? first : further).push_back(g);
  }
  first.insert(first.end(), further.begin(), further.end());
  first.resize(std::min(first.size(), count));
  return first;
}

/// Those that the network was surest of.
std::vector<Guess> worst_wrong(const std::vector<Guess>& all, size_t count) {
  std::vector<Guess> wrong;
  for (const Guess& g : all)
    if (g.label != g.predicted) wrong.push_back(g);
  std::stable_sort(wrong.begin(), wrong.end(),
                   [](const Guess& a, const Guess& b) { return a.probability > b.probability; });
  wrong.resize(std::min(wrong.size(), count));
  return wrong;
}

std::vector<ReportImage> images_of(const Options& options) {
  const Model model = load_model({.text = options.run});
  const DatasetHandle images = test_data(*model.run);
  const auto all = guesses_of(model, images);
  const auto count = static_cast<size_t>(options.images);
  std::vector<ReportImage> out;
  for (const auto& chosen : {some_right(all, count), worst_wrong(all, count)})
    for (const Guess& g : chosen)
      out.push_back({.png = encode_png(images->get(g.index).input),
                     .index = g.index,
                     .label = model.class_names.at(static_cast<size_t>(g.label)),
                     .predicted = model.class_names.at(static_cast<size_t>(g.predicted)),
                     .probability = g.probability});
  return out;
}

/// None where the data set or the checkpoint is not there: the page says so.
std::vector<ReportImage> images_if_possible(const Options& options) {
  if (options.images == 0) return {};
  try {
    return images_of(options);
  } catch (const Error& e) {
    log_warning("no images in the report: {}", e.what());
    return {};
  }
}

int work(const Options& options) {
  const std::filesystem::path folder = options.run;
  if (!std::filesystem::is_directory(folder)) throw Refusal(options.run + ": there is no such folder");
  const std::filesystem::path out = options.out.empty() ? folder / "report.html" : std::filesystem::path(options.out);
  const std::string page = html_report(folder, images_if_possible(options));
  write_file_atomic(out, page);
  if (options.json)
    write_out(nlohmann::ordered_json{{"report", out.string()}, {"bytes", page.size()}}.dump() + "\n");
  else
    print("{}\n", out.string());
  return kDone;
}

Work declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("run", options->run, "Run folder")->required();
  app.add_option("-o,--output", options->out, "The page; RUN/report.html unless given");
  app.add_option("--images", options->images, "Right and wrong test images to show, of each so many")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_threads_option(app);
  add_json_option(app, options->json);
  return [options] { return work(*options); };
}

}  // namespace

const Verb kReport{.name = "report",
                   .help = "Write one HTML page about a run",
                   .example = "  ingot report runs/demo",
                   .declare = declare};

}  // namespace ingot::cli
