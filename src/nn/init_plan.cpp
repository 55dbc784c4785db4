#include "nn/init_plan.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/text.h"
#include "nn/draw.h"
#include "nn/text.h"

namespace ingot {
namespace {

bool is_pretrained(const Initializer& how) { return std::holds_alternative<PretrainedInit>(how); }

double bias_of(double bias, const std::optional<double>& bias_prob) {
  return bias_prob ? bias_init_with_prob(*bias_prob) : bias;
}

bool has_values(const Module& module) {
  return own_parameter(module, "weight").defined() || own_parameter(module, "bias").defined();
}

bool needs_matrix(const Initializer& how) {
  return std::holds_alternative<XavierInit>(how) || std::holds_alternative<KaimingInit>(how) ||
         std::holds_alternative<Caffe2XavierInit>(how) || std::holds_alternative<OrthogonalInit>(how);
}

/// So that of a tie the first name decides.
NamedModules last_first(NamedModules modules) {
  std::reverse(modules.begin(), modules.end());
  return modules;
}

std::vector<std::string> types_in(Module& module) {
  std::set<std::string> types;
  for (const Module* m : module.modules()) types.emplace(m->type_name());
  return {types.begin(), types.end()};
}

/// One rule of one module, while its steps are made.
struct Place {
  Module& module;
  const std::string& path;  // from the root
  const InitRule& rule;
  size_t index;

  std::string owner() const {
    return path.empty() ? std::string(module.type_name()) : fmt::format("'{}' ({})", path, module.type_name());
  }
  /// What errors begin with.
  std::string str() const { return fmt::format("init_cfg[{}] ({}) of {}", index, name_of(rule.type), owner()); }
};

class Planner {
 public:
  InitPlan plan;

  void visit(Module& module, const std::string& path) {
    if (!seen_.insert(&module).second) return;
    const InitCfg& rules = module.init_cfg();
    for (size_t i = 0; i < rules.size(); ++i)
      if (!is_pretrained(rules[i].type)) add_rule({module, path, rules[i], i});
    for (const auto& [name, child] : module.named_children()) visit(*child, dotted(path, name));
    for (size_t i = 0; i < rules.size(); ++i) add_pretrained({module, path, rules[i], i});
  }

 private:
  void add_rule(const Place& at) {
    CHECK(!at.rule.layer.empty() || !at.rule.override.empty(),
          "{} sets nothing: it names neither a layer nor an override. Which layers it is for is said by their type, "
          "such as layer: Linear",
          at.str());
    if (!at.rule.layer.empty()) add_layers(at);
    for (const InitOverride& o : at.rule.override)
      if (!o.type || !is_pretrained(*o.type)) add_override(at, o);
  }

  void add_layers(const Place& at) {
    std::set<std::string> matched;  // of rule.layer
    const size_t before = plan.steps.size();
    for (const auto& [name, m] : last_first(at.module.named_modules(at.path))) {
      bool matches = false;
      for (const std::string& type : at.rule.layer)
        if (m->is_a(type)) matches = true, matched.insert(type);
      if (matches && has_values(*m)) add(at, name, *m, at.rule.type, bias_of(at.rule.bias, at.rule.bias_prob));
    }
    CHECK(!matched.empty(), "{} matches nothing: there is no module of type {} among {}{}", at.str(),
          join(at.rule.layer, " or "), join(types_in(at.module), ", "), hint(at, at.rule.layer.front()));
    CHECK(plan.steps.size() > before, "{} matches nothing: {} has neither weight nor bias", at.str(),
          join(at.rule.layer, " or "));
    for (const std::string& type : at.rule.layer)
      if (const std::string meant = hint(at, type); !matched.contains(type) && !meant.empty())
        plan.warnings.push_back(fmt::format("{}: there is no module of type {}{}", at.str(), type, meant));
  }
  /// A type that is there, was perhaps meant, and is not named beside it.
  static std::string hint(const Place& at, const std::string& type) {
    auto types = types_in(at.module);
    std::erase_if(types, [&](const std::string& t) {
      return std::find(at.rule.layer.begin(), at.rule.layer.end(), t) != at.rule.layer.end();
    });
    return did_you_mean(type, types);
  }

  static Module& overridden(const Place& at, const InitOverride& o) {
    std::vector<std::string> names;
    for (const auto& [name, child] : at.module.named_children()) {
      if (name == o.name) return *child;
      names.push_back(name);
    }
    fail("{}: override '{}' is not a child of it{}", at.str(), o.name, did_you_mean(o.name, names));
  }

  void add_override(const Place& at, const InitOverride& o) {
    const size_t before = plan.steps.size();
    const Initializer& how = o.type ? *o.type : at.rule.type;
    const double bias = o.type ? bias_of(o.bias.value_or(0), o.bias_prob) : bias_of(at.rule.bias, at.rule.bias_prob);
    for (const auto& [name, m] : last_first(overridden(at, o).named_modules(dotted(at.path, o.name))))
      if (has_values(*m)) add(at, name, *m, how, bias);
    CHECK(plan.steps.size() > before, "{}: override '{}' matches nothing: there is no weight and no bias in it",
          at.str(), o.name);
  }

  void add_pretrained(const Place& at) {
    if (is_pretrained(at.rule.type)) add(at, at.path, at.module, at.rule.type, 0);
    for (const InitOverride& o : at.rule.override)
      if (o.type && is_pretrained(*o.type)) add(at, dotted(at.path, o.name), overridden(at, o), *o.type, 0);
  }

  void add(const Place& at, const std::string& name, Module& m, const Initializer& how, double bias) {
    const Tensor weight = own_parameter(m, "weight");
    CHECK(!needs_matrix(how) || !weight.defined() || weight.rank() >= 2,
          "{}: {} needs a weight of two dimensions or more, that of '{}' ({}) is {}", at.str(), name_of(how), name,
          m.type_name(), to_string(weight.shape()));
    const std::string with = is_pretrained(how) ? "" : fmt::format(", bias={}", bias);
    plan.steps.push_back(
        {&m, name, &how, bias, fmt::format("{}{} by init_cfg[{}] of {}", to_string(how), with, at.index, at.owner())});
  }

  std::set<const Module*> seen_;
};

}  // namespace

InitPlan plan_init(Module& root) {
  Planner planner;
  planner.visit(root, "");
  return std::move(planner.plan);
}

void check_init_cfg(Module& module) { plan_init(module); }

}  // namespace ingot
