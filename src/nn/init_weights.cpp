#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "ingot/init.h"
#include "nn/draw.h"
#include "nn/init_plan.h"
#include "nn/init_state.h"
#include "nn/pretrained.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

using Info = std::map<const TensorImpl*, std::string>;

/// The modules whose reset_parameters draws all parameters, last names first, so that a tie's first name decides.
NamedModules drawing_modules(Module& module) {
  std::vector<std::string> covered;
  NamedModules drawn;
  for (const auto& [name, m] : module.named_modules()) {
    const auto inside = [&, &name = name](const std::string& prefix) { return name.starts_with(prefix); };
    if (std::any_of(covered.begin(), covered.end(), inside)) continue;
    if (m->resets_children()) covered.push_back(name.empty() ? "" : name + ".");
    drawn.emplace_back(name, m);
  }
  std::reverse(drawn.begin(), drawn.end());
  return drawn;
}

void draw_defaults(Module& module, uint64_t seed, Info& info) {
  for (const Tensor& x : module.parameters()) info[x.impl().get()] = "as it was built";
  for (const auto& [name, m] : drawing_modules(module)) {
    std::vector<std::pair<Tensor, uint32_t>> before;  // with its version: a module may leave a parameter alone
    for (const Tensor& x : m->parameters(m->resets_children())) before.emplace_back(x, x.impl()->storage->version());
    m->reset_parameters(random_key(seed, "init", name));
    for (const auto& [x, version] : before)
      if (x.impl()->storage->version() != version) info[x.impl().get()] = fmt::format("default of {}", m->type_name());
  }
}

void apply(const InitStep& step, uint64_t seed, Info& info) {
  if (const auto* from = std::get_if<PretrainedInit>(step.how)) {
    const auto loaded = load_pretrained(*step.module, *from);
    for (const auto& [name, x] : step.module->named_parameters())
      if (loaded.contains(name)) info[x.impl().get()] = step.rule;
    return;
  }
  init_layer(*step.module, *step.how, step.bias, random_key(seed, "init", step.name));
  for (const char* name : {"weight", "bias"})
    if (const Tensor x = own_parameter(*step.module, name); x.defined()) info[x.impl().get()] = step.rule;
}

}  // namespace

void init_weights(Module& module, uint64_t seed) {
  const InitPlan plan = plan_init(module);
  for (const std::string& warning : plan.warnings) log_warning("{}", warning);
  if (InitState::of(module).ran)
    log_warning("init_weights of {} has run before: all parameters are set anew", module.type_name());
  Info info;
  draw_defaults(module, seed, info);
  for (const InitStep& step : plan.steps) apply(step, seed, info);
  InitState::record(module, info);
}

InitState& InitState::of(Module& module) {
  if (!module.init_state_) module.init_state_ = std::make_shared<InitState>();
  return *module.init_state_;
}

void InitState::record(Module& root, const Info& info) {
  for (Module* m : root.modules()) {
    InitState& state = of(*m);
    state.ran = true;
    for (const Module::Slot& slot : m->parameters_) state.info[slot.name] = info.at(m->tensor_at(slot).impl().get());
  }
}

std::string Module::init_info(std::string_view parameter) const {
  const size_t dot = parameter.rfind('.');
  const bool own = dot == parameter.npos;
  const Module& owner = const_cast<Module*>(this)->submodule(own ? "" : parameter.substr(0, dot));
  const std::string_view name = own ? parameter : parameter.substr(dot + 1);
  std::vector<std::string> names;
  for (const Slot& slot : owner.parameters_) names.push_back(slot.name);
  CHECK(std::find(names.begin(), names.end(), name) != names.end(), "{} has no parameter '{}'{}", type_name(),
        parameter, did_you_mean(name, names));
  if (!owner.init_state_) return "as it was built";
  const auto it = owner.init_state_->info.find(name);
  return it == owner.init_state_->info.end() ? "as it was built" : it->second;
}

}  // namespace ingot
