#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/file.h"
#include "cli/build_report.h"
#include "cli/checkpoint_info.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "diagnose/html.h"
#include "ir/node.h"
#include "runtime/engine_data.h"

namespace ingot::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ModelChoice model;
  bool layers = false, dot = false, text = false, report = false, fused = false, json = false;
};

/// One object for --json; the overview alone has a text of its own, parts are printed as they are.
struct Inspection {
  Json overview;
  std::vector<std::pair<std::string, Json>> parts;  // as --json shows them
  std::vector<std::string> texts;                   // as a person reads them

  void add(const std::string& name, Json json, std::string text) {
    parts.emplace_back(name, std::move(json));
    texts.push_back(std::move(text));
  }
};

// ---- Engines

Json info_json(const std::vector<TensorInfo>& list) {
  Json out = Json::array();
  for (const TensorInfo& t : list)
    out.push_back({{"name", t.name}, {"dtype", name_of(t.dtype)}, {"shape", to_string(t.shape)}});
  return out;
}

Json overview_of(const Model& model, const Engine& engine, const std::string& path) {
  const Plan& plan = engine.data().plan;
  const MemoryPlan memory = engine.memory();
  const Preprocessing& p = engine.preprocessing();
  return {
      {"model", model.name},
      {"kind", "engine"},
      {"file_bytes", std::filesystem::file_size(path)},
      {"inputs", info_json(engine.inputs())},
      {"outputs", info_json(engine.outputs())},
      {"max_batch", max_batch_of(engine)},
      {"steps", plan.steps.size()},
      {"weights", plan.weights.size()},
      {"memory", {{"arena", memory.peak}, {"unshared", memory.sum}, {"weights", memory.weights}}},
      {"preprocessing",
       {{"resize", p.resize},
        {"center_crop", p.center_crop},
        {"channels", p.channels},
        {"scale", p.scale},
        {"mean", p.mean},
        {"std", p.std}}},
      {"class_names", engine.class_names()},
      {"built_for", {{"cpu", plan.built_for.cpu}, {"isa", plan.built_for.isa}, {"threads", plan.built_for.threads}}}};
}

Json stored_report(const std::string& engine) {
  const std::filesystem::path path = report_path(engine);
  const Json report = Json::parse(read_file(path), nullptr, false);
  CHECK(report.is_object() && report.contains("passes") && report.contains("tactics") && report.contains("memory"),
        "{}: not a report of a build", path.string());
  return report;
}

/// With the seconds of all tactics that a layer was timed with, where the report of its build lies beside the engine.
Json layers_of(const Plan& plan, const std::string& engine) {
  std::map<std::pair<std::string, std::string>, Json> timed;  // by step and winner: the report may be of another build
  if (std::filesystem::exists(report_path(engine))) {
    const Json report = stored_report(engine);
    for (const Json& t : report.at("tactics"))
      timed[{t.at("step").get<std::string>(), t.at("tactic").get<std::string>()}] = t.at("seconds");
  }
  Json out = Json::array();
  for (const PlanStep& step : plan.steps) {
    const std::string& name = plan.tensor(step.results[0]).name;
    out.push_back({{"step", name},
                   {"op", step.op->name},
                   {"path", step.path},
                   {"tactic", step.tactic},
                   {"result", type_text(plan.tensor(step.results[0]).spec)}});
    if (const auto it = timed.find({name, step.tactic}); it != timed.end() && !it->second.empty())
      out.back()["seconds"] = it->second;
  }
  return out;
}

/// A line for each layer that had a choice: its tactic, and behind it those that lost.
std::string choices_text(const Json& layers, int64_t batch) {
  std::vector<std::vector<std::string>> rows{{"layer", "tactic", "ms", "others"}};
  for (const Json& l : layers) {
    if (!l.contains("seconds")) continue;
    const std::string chosen = l.at("tactic"), path = l.at("path");
    std::string winner, others;
    for (const auto& [tactic, seconds] : l.at("seconds").items()) {
      const std::string ms = fmt::format("{:.3f}", seconds.get<double>() * 1e3);
      if (tactic == chosen)
        winner = ms;
      else
        others += fmt::format("{}{} {}", others.empty() ? "" : ", ", tactic, ms);
    }
    rows.push_back({path.empty() ? l.at("step").get<std::string>() : path, chosen, winner, others});
  }
  return rows.size() == 1 ? "" : fmt::format("Tactics (times at batch {})\n{}", batch, table(rows));
}

std::string json_quoted(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string plan_dot(const Plan& plan) {
  std::string out = "digraph {\n  node [shape=box];\n";
  std::map<TensorId, std::string> maker;
  for (const TensorId id : plan.inputs) {
    maker[id] = fmt::format("input{}", id);
    out += fmt::format("  {} [label={}, shape=ellipse];\n", maker[id], json_quoted(plan.tensor(id).name));
  }
  const auto edge = [&](TensorId id, const std::string& to) {
    if (const auto it = maker.find(id); it != maker.end())
      out += fmt::format("  {} -> {} [label={}];\n", it->second, to, json_quoted(type_text(plan.tensor(id).spec)));
  };
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const PlanStep& step = plan.steps[i];
    const std::string name = fmt::format("step{}", i);
    out += fmt::format("  {} [label={}];\n", name,
                       json_quoted(fmt::format("{}\n{}\n{}", step.op->name, step.path, step.tactic)));
    for (const TensorId id : step.operands) edge(id, name);
    for (const TensorId id : step.results) maker[id] = name;
  }
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    out += fmt::format("  output{} [label={}, shape=ellipse];\n", i, json_quoted(plan.outputs[i].name));
    edge(plan.outputs[i].tensor, fmt::format("output{}", i));
  }
  return out + "}\n";
}

Inspection inspect_engine(const Model& model, const Options& options) {
  const Engine& engine = *model.engine;
  const Plan& plan = engine.data().plan;
  Inspection out{.overview = overview_of(model, engine, options.model.text)};
  if (options.layers) {
    const Json layers = layers_of(plan, options.model.text);
    const int64_t batch = std::min(kExampleBatch, max_batch_of(engine));
    out.add("layers", layers, engine.describe() + choices_text(layers, batch));
  }
  if (options.text) out.add("text", engine.text(), engine.text());
  if (options.dot) out.add("dot", plan_dot(plan), plan_dot(plan));
  if (options.report) {
    const Json report = stored_report(options.model.text);
    out.add("report", report, build_text(report));
  }
  return out;
}

// ---- Networks

Json overview_of(const Model& model, const Graph& graph) {
  std::map<std::string, int64_t> ops;
  for (const Node& node : graph.nodes()) ++ops[std::string(node.op->name)];
  int64_t parameters = 0;
  for (const auto& [name, tensor] : model.module->named_parameters()) parameters += tensor.numel().value();
  const Value &in = *graph.inputs()[0], &result = *graph.outputs()[0].value;
  const auto info = [](const std::string& name, const Value& v) {
    return Json::array({{{"name", name}, {"dtype", name_of(v.spec.dtype)}, {"shape", to_string(v.spec.shape)}}});
  };
  return {{"model", model.name},         {"kind", "network"},
          {"inputs", info(in.name, in)}, {"outputs", info(graph.outputs()[0].name, result)},
          {"nodes", graph.node_count()}, {"ops", ops},
          {"parameters", parameters},    {"class_names", model.class_names}};
}

Json layers_of(const Graph& graph) {
  Json out = Json::array();
  for (const Node& node : graph.nodes())
    out.push_back({{"step", node.result().name},
                   {"op", node.op->name},
                   {"path", node.path},
                   {"result", to_string(node.result().spec)}});
  return out;
}

std::string layers_text(const Json& layers) {
  std::vector<std::vector<std::string>> rows{{"value", "op", "layer", "result"}};
  for (const Json& l : layers) rows.push_back({l.at("step"), l.at("op"), l.at("path"), l.at("result")});
  return table(rows);
}

Inspection inspect_network(const Model& model, const Options& options) {
  Graph graph = trace_model(model).graph;
  Report passes;
  if (options.fused || options.report) {
    Graph fused = graph.clone();
    passes = optimize(fused);
    if (options.fused) graph = std::move(fused);
  }
  Inspection out{.overview = overview_of(model, graph)};
  if (options.layers) out.add("layers", layers_of(graph), layers_text(layers_of(graph)));
  if (options.text) out.add("text", to_string(graph), to_string(graph));
  if (options.dot) out.add("dot", to_dot(graph), to_dot(graph));
  if (options.report) {
    const Json report = Json::parse(ingot::to_json(passes));
    out.add("report", report, passes_text(report));
  }
  return out;
}

// ---- Printing

std::string tensors_text(const Json& list) {
  std::string out;
  for (const Json& t : list)
    out += fmt::format("{}{}: {}{}", out.empty() ? "" : ", ", t.at("name").get<std::string>(),
                       t.at("dtype").get<std::string>(), t.at("shape").get<std::string>());
  return out;
}

std::string names_text(const Json& names) {
  std::string out;
  for (const Json& name : names) out += (out.empty() ? "" : ", ") + name.get<std::string>();
  return out.empty() ? "none" : out;
}

std::string overview_text(const Json& o) {
  std::string out = fmt::format("{}: {}\n", o.at("model").get<std::string>(), o.at("kind").get<std::string>());
  const auto line = [&](std::string_view name, const std::string& text) {
    out += fmt::format("{:<14}{}\n", name, text);
  };
  const auto size = [](const Json& bytes) { return html::bytes(bytes.get<double>()); };
  line("inputs", tensors_text(o.at("inputs")));
  line("outputs", tensors_text(o.at("outputs")));
  if (o.at("kind") == "engine") {
    const Json &m = o.at("memory"), &p = o.at("preprocessing"), &b = o.at("built_for");
    line("batch", fmt::format("1 to {}", o.at("max_batch").get<int64_t>()));
    line("steps", o.at("steps").dump());
    line("file", size(o.at("file_bytes")));
    line("memory", fmt::format("arena {} ({} without sharing), weights {}", size(m.at("arena")), size(m.at("unshared")),
                               size(m.at("weights"))));
    if (!p.at("resize").empty() || !p.at("center_crop").empty())
      line("images", fmt::format("resize {}, center_crop {}", p.at("resize").dump(), p.at("center_crop").dump()));
    line("pixels", fmt::format("{}, scale {:g}, mean {}, std {}", p.at("channels").get<std::string>(),
                               p.at("scale").get<double>(), p.at("mean").dump(), p.at("std").dump()));
    line("built for", fmt::format("{}, {}, {} threads", b.at("cpu").get<std::string>(), b.at("isa").get<std::string>(),
                                  b.at("threads").get<int>()));
  } else {
    line("parameters", o.at("parameters").dump());
    line("nodes", o.at("nodes").dump());
    for (const auto& [op, count] : o.at("ops").items()) line("", fmt::format("{:>5} {}", count.get<int64_t>(), op));
  }
  line("classes", names_text(o.at("class_names")));
  return out;
}

void print(const Inspection& inspection, bool json) {
  if (json) {
    Json out = inspection.overview;
    for (const auto& [name, part] : inspection.parts) out[name] = part;
    write_out(out.dump() + "\n");
    return;
  }
  if (inspection.texts.empty()) write_out(overview_text(inspection.overview));
  for (const std::string& text : inspection.texts) write_out(text);
}

int work(const Options& options) {
  if (is_checkpoint(options.model.text)) {
    const Json info = reading([&] { return checkpoint_info(options.model.text, options.model.verify); });
    write_out(options.json ? info.dump() + "\n" : checkpoint_text(info));
    return kDone;
  }
  const Model model = load_model(options.model);
  if (model.is_engine() && options.fused) throw Refusal("--fused is for networks; an engine holds a fused graph only");
  print(reading([&] { return model.is_engine() ? inspect_engine(model, options) : inspect_network(model, options); }),
        options.json);
  return kDone;
}

Work declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model.text, "Engine, run folder, zoo:NAME, or a .safetensors, .pth or .pt file")
      ->required();
  app.add_flag("--layers", options->layers,
               "A line for each layer; an engine's with the times of all tactics, where its report is");
  app.add_flag("--dot", options->dot, "The graph for Graphviz");
  app.add_flag("--text", options->text, "The graph or plan as text");
  app.add_flag("--report", options->report, "What was fused, and what not and why");
  app.add_flag("--fused", options->fused, "Show a network's graph after the passes, not as it was traced");
  add_model_options(app, options->model);
  add_verify_option(app, options->model);
  add_json_option(app, options->json);
  return [options] { return work(*options); };
}

}  // namespace

const Verb kInspect{.name = "inspect",
                    .help = "Show an engine, a network's graph, or the tensors of a checkpoint",
                    .example =
                        "  ingot inspect runs/demo/model.ingot --layers\n"
                        "  ingot inspect runs/demo/best.safetensors\n"
                        "  ingot inspect weights.pth --json",
                    .declare = declare};

}  // namespace ingot::cli
