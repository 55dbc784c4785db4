#include "cli/sides.h"

#include <map>

#include "ir/node.h"
#include "runtime/engine_data.h"

namespace ingot::cli {
namespace {

class Unfused : public Side {
 public:
  explicit Unfused(const Model& model) : graph_(trace_model(model).graph) {}

  Tensor run(const Tensor& images, const std::vector<std::string>& wanted, const Seen& seen) override {
    const std::set<std::string> names(wanted.begin(), wanted.end());
    return interpret(graph_, {images}, [&](const Value& value, const Tensor& data) {
      if (names.contains(value.name)) seen(value.name, data);
    })[0];
  }
  std::vector<Computed> values() const override {
    std::vector<Computed> out;
    for (const Node& node : graph_.nodes())
      out.push_back({node.result().name, std::string(node.op->name), node.path,
                     node.op->view != nullptr ? node.inputs[0]->name : ""});
    return out;
  }

 private:
  Graph graph_;
};

class Compiled : public Side {
 public:
  explicit Compiled(const Engine& engine) : engine_(engine), context_(engine) {}

  Tensor run(const Tensor& images, const std::vector<std::string>& wanted, const Seen& seen) override {
    RunOptions options{.observe = wanted};
    if (!wanted.empty())
      options.seen = [&](std::string_view name, const Tensor& data) { seen(std::string(name), data); };
    return context_.run({images}, options)[0];
  }
  std::vector<Computed> values() const override {
    const Plan& plan = engine_.data().plan;
    std::vector<Computed> out;
    for (const PlanStep& step : plan.steps)
      out.push_back({plan.tensor(step.results[0]).name, std::string(step.op->name), step.path,
                     step.op->view != nullptr ? plan.tensor(step.operands[0]).name : ""});
    return out;
  }

 private:
  Engine engine_;
  Context context_;
};

}  // namespace

std::unique_ptr<Side> make_side(const Model& model, bool fused) {
  if (model.is_engine()) return std::make_unique<Compiled>(*model.engine);
  if (!fused) return std::make_unique<Unfused>(model);
  return std::make_unique<Compiled>(compile(trace_model(model).graph, {.time_tactics = false}));
}

std::vector<Side::Computed> common_values(const Side& a, const Side& b) {
  std::map<std::string, std::string> viewed;
  for (const auto& value : a.values()) viewed[value.name] = value.viewed;
  std::vector<Side::Computed> common;
  for (auto& value : b.values())
    if (const auto it = viewed.find(value.name); it != viewed.end() && it->second == value.viewed)
      common.push_back(std::move(value));
  return common;
}

}  // namespace ingot::cli
