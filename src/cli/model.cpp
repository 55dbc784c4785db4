#include "cli/model.h"

#include <charconv>

#include "base/check.h"
#include "base/text.h"
#include "ingot/init.h"
#include "ingot/ops.h"
#include "runtime/engine_data.h"

namespace ingot::cli {
namespace {

constexpr std::string_view kZoo = "zoo:";
constexpr std::string_view kEngineSuffix = ".ingot";
constexpr double kByte = 255;

/// "3x224x224" as [3, 224, 224].
Shape parse_image(const std::string& text) {
  Shape shape;
  const char *at = text.data(), *end = at + text.size();
  while (shape.size() < 3) {
    int64_t size = 0;
    const auto [stop, code] = std::from_chars(at, end, size);
    constexpr int64_t kMostSide = 1 << 16;
    if (code != std::errc() || size < 1 || size > kMostSide) break;
    shape.push_back(size);
    at = stop;
    if (at == end || *at != 'x') break;
    ++at;
  }
  if (shape.size() != 3 || at != end)
    throw Refusal(fmt::format("--shapes is '{}', it must be channels x height x width, e.g. 3x224x224", text));
  return shape;
}

/// The networks for small grey images stand apart, and the one for larger images.
Shape usual_image(const std::string& name) {
  if (name == "linear" || name == "lenet" || name == "small_cnn") return {1, 28, 28};
  return name == "inception_v3" ? Shape{3, 299, 299} : Shape{3, 224, 224};
}

Preprocessing plain_preprocessing(int64_t channels) {
  return {.channels = channels == 1 ? "gray" : channels == 3 ? "rgb" : "", .scale = 1 / kByte, .mean = {}, .std = {}};
}

Model load_zoo(const ModelChoice& choice) {
  const std::string name = choice.text.substr(kZoo.size());
  const auto names = model_names();
  if (std::find(names.begin(), names.end(), name) == names.end())
    throw Refusal(fmt::format("there is no model '{}' in the zoo{}; it has {}", name, did_you_mean(name, names),
                              join(names, ", ")));
  Model model{.name = choice.text};
  model.image = choice.shapes.empty() ? usual_image(name) : parse_image(choice.shapes);
  ModelOptions options{.in_channels = model.image[0].value()};
  if (has_image_size(name)) {
    CHECK(model.image[1] == model.image[2], "{} takes square images, --shapes is {}", name, choice.shapes);
    options.image_size = model.image[1].value();
  }
  const SkipInit drawn_below;
  model.module = make_model(name, options);
  init_weights(*model.module, choice.seed);
  model.module->eval();
  model.preprocessing = plain_preprocessing(model.image[0]);
  return model;
}

/// Whether what the preprocessing makes is what the network takes: one number alone makes images of any size.
void check_size(const Preprocessing& p, const Shape& image, const std::string& name) {
  const auto& size = p.center_crop.empty() ? p.resize : p.center_crop;
  if (size.empty() || (p.center_crop.empty() && size.size() == 1)) return;
  CHECK(size.front() == image[1] && size.back() == image[2],
        "{}: its preprocessing makes images of {} x {}, its network takes {}", name, size.front(), size.back(),
        to_string(image));
}

Model load_engine(const ModelChoice& choice) {
  Model model{.name = choice.text};
  model.engine = Engine::load(choice.text, {.verify = choice.verify});
  const auto inputs = model.engine->inputs();
  CHECK(inputs.size() == 1 && inputs[0].shape.size() == 4 && inputs[0].dtype == DType::f32,
        "{}: the commands run engines with one input of f32 images [N,C,H,W]", choice.text);
  const Shape& shape = inputs[0].shape;
  CHECK(shape[1].is_number() && shape[2].is_number() && shape[3].is_number(),
        "{}: the commands run engines whose image size is fixed, this one takes {}", choice.text, to_string(shape));
  CHECK(model.engine->outputs().size() == 1, "{}: the commands run engines with one output", choice.text);
  model.image = {shape[1], shape[2], shape[3]};
  model.preprocessing = model.engine->preprocessing();
  check_size(model.preprocessing, model.image, choice.text);
  model.class_names = model.engine->class_names();
  return model;
}

Model load_run(const ModelChoice& choice) {
  Model model{.name = choice.text};
  Run run = open_run(choice.text);
  model.module = std::move(run.model);
  model.image = run.task.input;
  model.preprocessing = {.channels = run.task.input[0] == 1 ? "gray" : "rgb",
                         .scale = 1 / kByte,
                         .mean = run.task.mean,
                         .std = run.task.std,
                         .resize = run.config.data.resize,
                         .center_crop = run.config.data.center_crop};
  model.class_names = run.task.class_names;
  model.run = std::move(run);
  return model;
}

Model load(const ModelChoice& choice) {
  if (choice.text.starts_with(kZoo)) return load_zoo(choice);
  if (!choice.shapes.empty()) throw Refusal("--shapes is for nets of the zoo (zoo:NAME)");
  const std::filesystem::path path = choice.text;
  if (std::filesystem::is_directory(path)) return load_run(choice);
  if (std::filesystem::exists(path)) return load_engine(choice);
  if (path.extension() == kEngineSuffix) fail("{}: there is no such file", choice.text);
  const auto names = model_names();
  const bool known = std::find(names.begin(), names.end(), choice.text) != names.end();
  fail("{}: there is no such file or folder{}", choice.text,
       known ? fmt::format("; did you mean 'zoo:{}'?", choice.text)
             : "; a model is a run folder, an .ingot file or zoo:NAME");
}

}  // namespace

Model load_model(const ModelChoice& choice) {
  return reading([&] { return load(choice); });
}

Model load_module(const ModelChoice& choice, const std::string& verb) {
  Model model = load_model(choice);
  if (model.is_engine())
    throw Refusal(fmt::format("{} wants a run folder or zoo:NAME; {} is an engine", verb, choice.text));
  return model;
}

void add_model_options(CLI::App& app, ModelChoice& choice) {
  app.add_option("--shapes", choice.shapes, "Image of a zoo net, channels x height x width, e.g. 3x224x224");
  app.add_option("--seed", choice.seed, "Seed of a zoo net's weights")->capture_default_str();
}

void add_verify_option(CLI::App& app, ModelChoice& choice) {
  app.add_flag("--verify", choice.verify, "Also compare the file's weights with their hashes: reads all of it");
}

Traced trace_model(const Model& model, int64_t max_batch) {
  CHECK(model.module != nullptr, "internal: an engine cannot be traced");
  const int64_t example = std::min(kExampleBatch, max_batch);
  // A single size is no symbol: code may well treat 1 in its own way (expand does), and nothing is left to choose.
  const Dim batch = max_batch == 1 ? Dim(1) : Dim::symbol(kBatchSymbol, example);
  const auto call = [&](const Tensors& in) { return model.module->call(in); };
  const InputSpec image{.name = "image", .shape = {batch, model.image[0], model.image[1], model.image[2]}};
  const NoGrad no_grad;
  return reading([&] {
    return check_trace(
        call, {image}, model.module->named_tensors(),
        {.ranges = {{kBatchSymbol, {.example = example, .min = 1, .max = max_batch}}}, .output_names = {"scores"}});
  });
}

std::set<std::string> all_passes() {
  const auto names = pass_names();
  return {names.begin(), names.end()};
}

void check_passes(const std::vector<std::string>& wanted) {
  const auto names = pass_names();
  for (const std::string& name : wanted)
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw Refusal(
          fmt::format("there is no pass '{}'{}; there are {}", name, did_you_mean(name, names), join(names, ", ")));
}

Tensor preprocess(const Tensor& images, const Preprocessing& p) {
  const auto by_channel = [&](const std::vector<double>& values) {
    return cast(from_vector(values, {1, static_cast<int64_t>(values.size()), 1, 1}), DType::f32);
  };
  const NoGrad no_grad;
  Tensor x = cast(images, DType::f32) * p.scale;
  if (!p.mean.empty()) x = x - by_channel(p.mean);
  if (!p.std.empty()) x = x / by_channel(p.std);
  return x;
}

std::filesystem::path report_path(const std::filesystem::path& engine) {
  return std::filesystem::path(engine).replace_extension(".report.json");
}

int64_t max_batch_of(const Engine& engine) {
  const Dim batch = engine.inputs()[0].shape[0];
  if (batch.is_number()) return batch;
  for (const PlanSize& size : engine.data().plan.sizes)
    if (size.name == batch.str()) return size.max;
  return kMaxBatch;
}

}  // namespace ingot::cli
