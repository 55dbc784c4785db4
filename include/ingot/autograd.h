#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ingot/tensor.h"

namespace ingot {

/// Calls inside the scope are not recorded for gradients.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool outer_;
};
bool grad_enabled();

/// Calls `hook(gradient)` in every backward at the leaf's last contribution, when its gradient is complete.
/// Returns a number for remove_gradient_ready.
size_t on_gradient_ready(const Tensor& leaf, std::function<void(const Tensor& grad)> hook);
void remove_gradient_ready(const Tensor& leaf, size_t number);

/// The path of the module that is running, e.g. "backbone.layer2.0.conv1"; "" outside modules.
std::string current_module_path();

/// Names the module that runs until the end of the scope; scopes nest into a path.
class ModuleScope {
 public:
  explicit ModuleScope(std::string_view name);
  ~ModuleScope();
  ModuleScope(const ModuleScope&) = delete;
  ModuleScope& operator=(const ModuleScope&) = delete;

 private:
  uint32_t outer_;
};

}  // namespace ingot
