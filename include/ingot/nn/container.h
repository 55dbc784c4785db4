#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "ingot/module.h"

// Containers hold their modules.
namespace ingot {

template <class M>
concept ModuleType = std::is_base_of_v<Module, M>;

/// What the containers share. Numbers from the end are negative, as in Python.
class Container : public Module {
 public:
  size_t size() const { return child_count(); }
  bool empty() const { return size() == 0; }
  Module& operator[](int64_t index) const;
  /// The module, which must be an M. Throws Error that says what it is.
  template <ModuleType M>
  M& get(int64_t index) const {
    M* module = dynamic_cast<M*>(&(*this)[index]);
    if (module == nullptr) refuse_type(index, detail::type_name_of<M>());
    return *module;
  }

 protected:
  Container() = default;
  [[noreturn]] void refuse_type(int64_t index, std::string_view wanted) const;
};

/// Runs its modules one after another; they may take and return several tensors, the last one returns one.
/// Modules are named "0", "1", ... or as given to add().
class Sequential : public ModuleOf<Sequential, Container> {
 public:
  Sequential() = default;
  template <ModuleType... M>
    requires(sizeof...(M) > 1 || (!std::is_same_v<M, Sequential> && ...))
  explicit Sequential(M... modules) {
    (append(std::move(modules)), ...);
  }
  /// Adds a module and returns the one that is held.
  template <ModuleType M>
  M& append(M module) {
    return add(std::to_string(size()), std::move(module));
  }
  template <ModuleType M>
  M& add(const std::string& name, M module) {
    return static_cast<M&>(own(name, std::make_unique<M>(std::move(module))));
  }
  Module& append(std::unique_ptr<Module> module) { return own(std::to_string(size()), std::move(module)); }
  Module& add(const std::string& name, std::unique_ptr<Module> module) { return own(name, std::move(module)); }

  Tensor forward(const Tensor& x);
};

/// Modules by number; it is not called itself, its modules are.
class ModuleList : public ModuleOf<ModuleList, Container> {
 public:
  template <ModuleType M>
  M& append(M module) {
    return static_cast<M&>(append(std::make_unique<M>(std::move(module))));
  }
  Module& append(std::unique_ptr<Module> module) { return own(std::to_string(size()), std::move(module)); }
  std::string str() const override;

 protected:
  std::string child_scope(const std::string& name) const override;
  void set_scope(std::string scope) override;
};

/// Modules by name, in the order in which they were added; it is not called itself, its modules are.
class ModuleDict : public ModuleOf<ModuleDict, Container> {
 public:
  template <ModuleType M>
  M& add(const std::string& name, M module) {
    return static_cast<M&>(own(name, std::make_unique<M>(std::move(module))));
  }
  Module& add(const std::string& name, std::unique_ptr<Module> module) { return own(name, std::move(module)); }
  bool contains(std::string_view name) const;
  std::vector<std::string> keys() const;
  /// Throws Error that names the nearest key.
  Module& at(std::string_view name) const;

 protected:
  std::string child_scope(const std::string& name) const override;
  void set_scope(std::string scope) override;
};

INGOT_INSTANCE class ModuleOf<Sequential, Container>;
INGOT_INSTANCE class ModuleOf<ModuleList, Container>;
INGOT_INSTANCE class ModuleOf<ModuleDict, Container>;

}  // namespace ingot
