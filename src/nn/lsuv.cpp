#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "ingot/init.h"
#include "ingot/ops.h"
#include "nn/draw.h"
#include "nn/init_state.h"
#include "nn/mode_scope.h"

namespace ingot {
namespace {

struct Layer {
  std::string name;
  Module* module;
  Tensor weight;
  HookHandle hook = {};
  bool reached = false;
};

std::vector<Layer> layers_of(Module& module, const LsuvOptions& options) {
  std::vector<Layer> found;
  for (const auto& [name, m] : module.named_modules()) {
    const auto is = [m = m](const std::string& type) { return m->is_a(type); };
    if (std::none_of(options.layers.begin(), options.layers.end(), is)) continue;
    const Tensor weight = own_parameter(*m, "weight");
    CHECK(weight.defined(), "lsuv_: {} '{}' has no weight", m->type_name(), name);
    found.push_back({name, m, weight});
  }
  CHECK(!found.empty(), "lsuv_: {} has no layer of the types {}", module.type_name(), join(options.layers, ", "));
  return found;
}

/// Divides the layer's weight by the standard deviation of its output, which is renewed for what follows.
LsuvLayer scale(Layer& layer, const Tensors& inputs, Tensors& outputs, const LsuvOptions& options) {
  LsuvLayer done{.name = layer.name};
  while (true) {
    const Tensor& y = outputs.at(0);
    done.variance = var(cast(y, drawn_dtype(y))).item<double>();
    CHECK(std::isfinite(done.variance), "lsuv_: the output of {} '{}' is not finite", layer.module->type_name(),
          layer.name);
    CHECK(done.variance > 0, "lsuv_: the output of {} '{}' is constant", layer.module->type_name(), layer.name);
    if (std::abs(done.variance - 1) < options.tol || done.steps == options.max_steps) return done;
    copy_into(layer.weight, layer.weight / std::sqrt(done.variance));
    outputs = layer.module->call(inputs);
    ++done.steps;
  }
}

}  // namespace

std::vector<LsuvLayer> lsuv_(Module& module, const Tensor& batch, const LsuvOptions& options, MaybeKey maybe_key) {
  const NoGrad no_grad;
  const ModeScope eval(module, false);
  const RandomKey key = key_or_next(maybe_key);
  std::vector<Layer> layers = layers_of(module, options);
  std::vector<LsuvLayer> done;
  for (Layer& layer : layers) {
    orthogonal_(layer.weight, 1, parameter_key(key, layer.name));
    if (const Tensor bias = own_parameter(*layer.module, "bias"); bias.defined()) zeros_(bias);
    for (const char* set : {"weight", "bias"})
      InitState::of(*layer.module).info[set] = fmt::format("lsuv_ with tol {}", options.tol);
    layer.hook = layer.module->on_forward([&](const Module&, const Tensors& inputs, Tensors& outputs) {
      if (std::exchange(layer.reached, true)) return;
      done.push_back(scale(layer, inputs, outputs, options));
    });
  }
  module.call({batch});
  for (const LsuvLayer& layer : done)
    if (std::abs(layer.variance - 1) >= options.tol)
      log_warning("lsuv_: the output of '{}' has variance {} after {} steps", layer.name, layer.variance, layer.steps);
  return done;
}

}  // namespace ingot
