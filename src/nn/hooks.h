#pragma once

#include <map>
#include <memory>

#include "ingot/module.h"

namespace ingot {

/// A module's hooks in the order of their registration; handles hold them weakly.
struct ModuleHooks {
  const Module* owner = nullptr;  // null once the module is gone: a backward may run later
  size_t next = 0;
  std::map<size_t, ForwardPreHook> forward_pre;
  std::map<size_t, ForwardHook> forward;
  std::map<size_t, BackwardHook> backward;

  bool empty() const { return forward_pre.empty() && forward.empty() && backward.empty(); }
};

/// What one call of a module with backward hooks keeps between the gradient of its outputs and that of its inputs.
struct BackwardHooks {
  std::weak_ptr<ModuleHooks> hooks;
  bool has_inputs = false;  // some input requires a gradient
  Tensors grad_outputs;

  void run(Tensors& grad_inputs) const;
};

/// The tensors themselves; in backward, their gradients are remembered (outputs) or shown to the hooks (inputs).
Tensors tap_outputs(const Tensors& outputs, std::shared_ptr<BackwardHooks> state);
Tensors tap_inputs(const Tensors& inputs, std::shared_ptr<BackwardHooks> state);

}  // namespace ingot
