#include <nlohmann/json.hpp>

#include "base/check.h"
#include "cli/model.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "ingot/autograd.h"
#include "ingot/image_io.h"
#include "ingot/ops.h"
#include "ingot/transforms.h"
#include "train/build.h"

namespace ingot::cli {
namespace {

struct Options {
  ModelChoice model;
  std::vector<std::string> images;
  int64_t top = 5;
  bool json = false;
};

struct Guess {
  int64_t index = 0;
  std::string name;
  double probability = 0;
};
struct Prediction {
  std::string image;
  std::vector<Guess> top;
};

std::string_view colours(int64_t channels) { return channels == 1 ? "grey" : "colour"; }

ImageReadMode mode_for(const Preprocessing& p) {
  if (p.channels == "gray") return ImageReadMode::gray;
  return p.channels == "rgb" ? ImageReadMode::rgb : ImageReadMode::unchanged;
}

/// The image as the run's own images were made for evaluation. Where those were taken as they are, so must this one be.
Tensor read_for(const Model& model, const std::string& path) {
  const Preprocessing& p = model.preprocessing;
  const auto steps = sizing(p.resize, p.center_crop);
  if (steps.empty()) return read_image(path);
  const Tensor image = read_image(path, {.mode = mode_for(p)});
  try {
    return Compose(steps).apply(image, RandomKey{});
  } catch (const Error& e) {
    fail("{}: {}", path, e.what());
  }
}

/// u8 [1,C,H,W].
Tensor image_for(const Model& model, const std::string& path) {
  const Tensor image = read_for(model, path);
  const Shape& want = model.image;
  CHECK(image.size(0) == want[0], "{}: a {} image, {} takes {} ones", path, colours(image.size(0)), model.name,
        colours(want[0]));
  CHECK(image.size(1) == want[1] && image.size(2) == want[2], "{}: {} x {} pixels, {} takes {} x {}", path,
        image.size(2).value(), image.size(1).value(), model.name, want[2].value(), want[1].value());
  return reshape(contiguous(image), {1, want[0], want[1], want[2]});
}

Tensor scores_of(const Model& model, const Tensor& x) {
  const NoGrad no_grad;
  return model.is_engine() ? model.engine->run({x})[0] : model.module->call({x})[0];
}

std::string class_name(const Model& model, int64_t index) {
  const auto at = static_cast<size_t>(index);
  return at < model.class_names.size() ? model.class_names[at] : fmt::format("class {}", index);
}

/// The likeliest classes of one row of probabilities, the first of equals before.
std::vector<Guess> top_of(const Model& model, std::span<const double> row, int64_t count) {
  std::vector<int64_t> order(row.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  const auto at = [&](int64_t i) { return row[static_cast<size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return at(a) > at(b); });
  std::vector<Guess> top;
  for (const int64_t i : order) {
    if (static_cast<int64_t>(top.size()) == count) break;
    top.push_back({i, class_name(model, i), at(i)});
  }
  return top;
}

std::vector<Prediction> predict(const Model& model, const Tensors& images, const Options& options) {
  const int64_t batch = model.is_engine() ? max_batch_of(*model.engine) : kMaxBatch;
  std::vector<Prediction> out;
  for (size_t first = 0; first < images.size(); first += static_cast<size_t>(batch)) {
    const size_t end = std::min(images.size(), first + static_cast<size_t>(batch));
    const Tensors part(images.begin() + static_cast<ptrdiff_t>(first), images.begin() + static_cast<ptrdiff_t>(end));
    const Tensor x = preprocess(concat(part, 0), model.preprocessing);
    const Tensor scores = scores_of(model, contiguous(x));
    CHECK(scores.rank() == 2, "{} gives {}, predictions want [N,classes]", model.name, to_string(scores.shape()));
    const auto p = softmax(cast(scores, DType::f64), 1).to_vector<double>();
    const size_t classes = p.size() / part.size();
    for (size_t i = 0; i < part.size(); ++i)
      out.push_back(
          {options.images[first + i], top_of(model, std::span(p).subspan(i * classes, classes), options.top)});
  }
  return out;
}

nlohmann::ordered_json to_json(const std::vector<Prediction>& predictions) {
  nlohmann::ordered_json images = nlohmann::ordered_json::array();
  for (const Prediction& p : predictions) {
    nlohmann::ordered_json top = nlohmann::ordered_json::array();
    for (const Guess& g : p.top) top.push_back({{"class", g.index}, {"name", g.name}, {"probability", g.probability}});
    images.push_back({{"image", p.image}, {"top", top}});
  }
  return {{"images", images}};
}

std::string to_text(const std::vector<Prediction>& predictions) {
  std::string out;
  for (const Prediction& p : predictions) {
    out += p.image + "\n";
    for (const Guess& g : p.top) out += fmt::format("  {:6.2f} %  {}\n", g.probability * 100, g.name);
  }
  return out;
}

int work(const Options& options) {
  const Model model = load_model(options.model);
  Tensors images;
  for (const std::string& path : options.images) images.push_back(reading([&] { return image_for(model, path); }));
  const auto predictions = predict(model, images, options);
  write_out(options.json ? to_json(predictions).dump() + "\n" : to_text(predictions));
  return kDone;
}

Work declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model.text, "Engine, run folder or zoo:NAME")->required();
  app.add_option("images", options->images,
                 "PNG or JPEG files: any, where training resized or cropped its images; else of the network's size")
      ->required();
  app.add_option("--top", options->top, "Classes to show")->check(CLI::PositiveNumber)->capture_default_str();
  add_model_options(app, options->model);
  add_verify_option(app, options->model);
  add_threads_option(app);
  add_json_option(app, options->json);
  return [options] { return work(*options); };
}

}  // namespace

const Verb kPredict{.name = "predict",
                    .help = "Classify PNG and JPEG images",
                    .example = "  ingot predict runs/demo/model.ingot a.png b.png --top 3",
                    .declare = declare};

}  // namespace ingot::cli
