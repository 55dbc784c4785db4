#include "diagnose/summary.h"

#include <nlohmann/json.hpp>

#include "cli/model.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "diagnose/html.h"

namespace ingot::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kConvention =
    "MACs: multiplications with their additions, of convolutions, linear layers and matrix products, for one image; "
    "FLOPs are twice as many.";

struct Options {
  ModelChoice model;
  bool json = false;
};

/// 1234567 as "1,234,567".
std::string grouped(int64_t count) {
  std::string text = std::to_string(count);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return text;
}

std::string shapes_text(const std::vector<Shape>& shapes) {
  std::string out;
  for (const Shape& s : shapes) out += (out.empty() ? "" : ", ") + to_string(s);
  return out.empty() ? "-" : out;
}

std::string uncounted_text(const Summary& s) {
  std::string out;
  for (const auto& [op, count] : s.uncounted) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, op);
  return out.empty() ? "none" : out;
}

std::vector<int64_t> numbers(const Shape& shape) {
  std::vector<int64_t> out;
  for (const Dim d : shape) out.push_back(d);
  return out;
}

Json to_json(const Summary& s, const std::string& model) {
  Json layers = Json::array();
  for (const SummaryRow& r : s.rows) {
    Json outputs = Json::array();
    for (const Shape& shape : r.outputs) outputs.push_back(numbers(shape));
    layers.push_back({{"path", r.path},
                      {"type", r.type},
                      {"outputs", outputs},
                      {"calls", r.calls},
                      {"parameters", r.parameters},
                      {"macs", r.macs}});
  }
  return {{"model", model},
          {"input", numbers(s.input)},
          {"parameters", s.parameters},
          {"trainable", s.trainable},
          {"buffers", s.buffers},
          {"macs", s.macs},
          {"macs_convention", kConvention},
          {"uncounted_ops", s.uncounted},
          {"activation_bytes", s.activation_bytes},
          {"layers", layers}};
}

std::string to_text(const Summary& s, const std::string& model) {
  std::vector<std::vector<std::string>> rows{{"layer", "type", "output", "parameters", "MACs"}};
  for (const SummaryRow& r : s.rows) {
    const size_t dot = r.path.rfind('.');
    const std::string name = r.path.empty() ? model : r.path.substr(dot == std::string::npos ? 0 : dot + 1);
    const std::string calls = r.calls > 1 ? fmt::format(" x{}", r.calls) : "";
    rows.push_back({std::string(2 * static_cast<size_t>(r.depth), ' ') + name, r.type + calls, shapes_text(r.outputs),
                    r.parameters > 0 ? grouped(r.parameters) : "-", r.macs > 0 ? grouped(r.macs) : "-"});
  }
  std::string out = table(rows);
  out += fmt::format("\ninput         {}\nparameters    {} ({} trainable), buffers {}\n", to_string(s.input),
                     grouped(s.parameters), grouped(s.trainable), grouped(s.buffers));
  out += fmt::format("MACs          {}\nactivations   {} for one image, none freed\n", grouped(s.macs),
                     html::bytes(static_cast<double>(s.activation_bytes)));
  return out + fmt::format("not counted   {}\n{}\n", uncounted_text(s), kConvention);
}

int work(const Options& options) {
  const Model model = load_module(options.model, "summary");
  const Summary summary = reading([&] { return summarise(*model.module, model.image); });
  write_out(options.json ? to_json(summary, model.name).dump() + "\n" : to_text(summary, model.name));
  return kDone;
}

Work declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model.text, "Run folder or zoo:NAME")->required();
  add_model_options(app, options->model);
  add_json_option(app, options->json);
  return [options] { return work(*options); };
}

}  // namespace

const Verb kSummary{.name = "summary",
                    .help = "Layers of a network with shapes, parameters and MACs",
                    .example = "  ingot summary zoo:resnet50",
                    .declare = declare};

}  // namespace ingot::cli
