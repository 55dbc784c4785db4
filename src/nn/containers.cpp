#include <typeinfo>

#include "base/text.h"
#include "ingot/nn.h"
#include "nn/refuse.h"
#include "nn/text.h"

namespace ingot {
namespace {

/// The module as one of PyTorch's batch norms, whose forward is known; else null.
BatchNormBase* plain_batch_norm(Module* module) {
  const std::type_info& type = typeid(*module);
  const bool plain = type == typeid(BatchNorm2d) || type == typeid(BatchNorm1d) || type == typeid(BatchNorm3d);
  return plain ? static_cast<BatchNormBase*>(module) : nullptr;
}

std::string below(const std::string& scope, const std::string& name) {
  return scope.empty() ? name : scope + "." + name;
}

}  // namespace

Module& Container::operator[](int64_t index) const {
  const auto count = static_cast<int64_t>(size());
  const int64_t at = index < 0 ? index + count : index;
  require(at >= 0 && at < count, type_name(), "there is no module {}, it has {}", index, count);
  return *child_at(static_cast<size_t>(at));
}

void Container::refuse_type(int64_t index, std::string_view wanted) const {
  refuse(type_name(), "module {} is {}, not {}", index, (*this)[index].type_name(), wanted);
}

Tensor Sequential::forward(const Tensor& x) {
  Tensors at{x};
  for (size_t i = 0; i < size(); ++i) {
    auto* norm = plain_batch_norm(child_at(i));
    Module* const after = norm && i + 1 < size() ? child_at(i + 1) : nullptr;
    if (after && typeid(*after) == typeid(ReLU) && at.size() == 1)
      at = {norm_relu(*norm, static_cast<ReLU&>(*after), at[0])}, ++i;
    else
      at = child_at(i)->call(at);
  }
  require(at.size() == 1, "Sequential", "the last module returns {} tensors, it must return one", at.size());
  return at[0];
}

// A list is not called, so its name goes in front of its modules' names.
std::string ModuleList::child_scope(const std::string& name) const { return below(scope(), name); }
void ModuleList::set_scope(std::string scope) {
  Module::set_scope(std::move(scope));
  rename_children();
}

// As PyTorch 2 prints lists: equal neighbours once, as "(0-2): 3 x Linear(...)".
std::string ModuleList::str() const {
  if (empty()) return "ModuleList()";
  std::string lines;
  for (size_t i = 0; i < size();) {
    const std::string text = child_at(i)->str();
    size_t end = i + 1;
    while (end < size() && child_at(end)->str() == text) ++end;
    lines += "\n  " + indented(end == i + 1 ? fmt::format("({}): {}", i, text)
                                            : fmt::format("({}-{}): {} x {}", i, end - 1, end - i, text));
    i = end;
  }
  return fmt::format("ModuleList({}\n)", lines);
}

std::string ModuleDict::child_scope(const std::string& name) const { return below(scope(), name); }
void ModuleDict::set_scope(std::string scope) {
  Module::set_scope(std::move(scope));
  rename_children();
}

std::vector<std::string> ModuleDict::keys() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < size(); ++i) names.push_back(child_name(i));
  return names;
}

bool ModuleDict::contains(std::string_view name) const {
  for (size_t i = 0; i < size(); ++i)
    if (child_name(i) == name) return true;
  return false;
}

Module& ModuleDict::at(std::string_view name) const {
  for (size_t i = 0; i < size(); ++i)
    if (child_name(i) == name) return *child_at(i);
  refuse("ModuleDict", "there is no module '{}'{}", name, did_you_mean(name, keys()));
}

}  // namespace ingot
