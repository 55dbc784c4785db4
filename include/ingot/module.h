#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingot/autograd.h"
#include "ingot/error.h"
#include "ingot/tensor.h"

namespace ingot {

class Module;
struct ModuleHooks;
struct BackwardHooks;
struct InitRule;
struct InitState;

/// In the order of registration.
using TensorsByName = std::vector<std::pair<std::string, Tensor>>;
using NamedModules = std::vector<std::pair<std::string, Module*>>;
using ConstNamedModules = std::vector<std::pair<std::string, const Module*>>;

/// Hooks replace what they are given by assigning to it. They see the arguments of type Tensor, and what a result of
/// type Tensor, Tensors, or a pair, tuple or array of them holds.
using ForwardPreHook = std::function<void(const Module&, Tensors& inputs)>;
using ForwardHook = std::function<void(const Module&, const Tensors& inputs, Tensors& outputs)>;
/// Gradients of the module's inputs and outputs, undefined where there is none. No inputs where none requires one.
/// It does not run while a module is traced.
using BackwardHook = std::function<void(const Module&, Tensors& grad_inputs, const Tensors& grad_outputs)>;

/// Removes its hook at its end, or earlier by remove(). keep() leaves the hook for as long as the module lives.
class [[nodiscard]] HookHandle {
 public:
  HookHandle() = default;
  HookHandle(std::weak_ptr<ModuleHooks> hooks, size_t number) : hooks_(std::move(hooks)), number_(number) {}
  HookHandle(HookHandle&&) = default;
  HookHandle& operator=(HookHandle&& other) noexcept;
  ~HookHandle() { remove(); }
  void remove();
  void keep() { hooks_.reset(); }

 private:
  std::weak_ptr<ModuleHooks> hooks_;
  size_t number_ = 0;
};

struct LoadResult {
  std::vector<std::string> missing, unexpected;
};

struct BufferOptions {
  bool persistent = true;        // whether it is part of state_dict
  bool zero_if_missing = false;  // load_state_dict sets it to 0 where the state has no such entry
};

/// Parameters, buffers and submodules by name. A network derives from ModuleOf<Network>, registers its members once in
/// its constructor, and has `forward`:
///
///   class Net : public ModuleOf<Net> {
///    public:
///     Net() { child("conv", conv); child("fc", fc); }
///     Tensor forward(const Tensor& x) { return fc(flatten(relu(conv(x)), 1)); }
///     Conv2d conv{1, 8, 3};
///     Linear fc{8 * 26 * 26, 10};
///   };
///
/// A module is called as net(x), which runs hooks and names the module in errors; `forward` itself does neither.
/// Copying a module copies handles, as copying a Tensor does: both share their parameters. clone() copies values.
/// A copy or clone has no hooks. Facts follow torch/nn/modules/module.py of PyTorch 2.
class Module {
 public:
  virtual ~Module();

  virtual std::string_view type_name() const = 0;
  /// Whether `type` is the name of this type or of one it derives from, e.g. "BatchNorm2d" or "_BatchNorm".
  virtual bool is_a(std::string_view type) const { return type == "Module"; }

  /// Calls the module with hooks, whatever the signature of its forward. Throws Error if forward does not take so many
  /// tensors, or returns none.
  virtual Tensors call(std::span<const Tensor> inputs) = 0;
  Tensors call(std::initializer_list<Tensor> inputs) { return call(std::span(inputs.begin(), inputs.size())); }

  /// Direct children, each once though it may be registered twice.
  NamedModules named_children();
  ConstNamedModules named_children() const;
  std::vector<Module*> children();
  /// The module itself under `prefix`, then its descendants, pre-order. A module that is registered twice appears under
  /// its first name only, unless remove_duplicate is false.
  NamedModules named_modules(const std::string& prefix = "", bool remove_duplicate = true);
  ConstNamedModules named_modules(const std::string& prefix = "", bool remove_duplicate = true) const;
  std::vector<Module*> modules();
  /// The descendant at a dotted path; "" is the module itself. Throws Error naming the part that does not exist.
  Module& submodule(std::string_view path);

  /// Each tensor once, under its first name.
  TensorsByName named_parameters(bool recurse = true) const;
  TensorsByName named_buffers(bool recurse = true) const;
  /// Parameters and buffers together: the names that trace() (graph.h) gives to constants.
  std::map<std::string, Tensor> named_tensors() const;
  Tensors parameters(bool recurse = true) const;
  Tensors buffers(bool recurse = true) const;

  /// Own parameters, persistent buffers, then children, in the order of registration; tied tensors under every name.
  /// The values are the live ones, without gradient history.
  TensorsByName state_dict() const;
  /// Copies values into the parameters and buffers, cast to their dtypes. Ties stay. Throws Error that lists all that
  /// is wrong: a shape that differs always; missing and unexpected names if `strict`. Then nothing was copied.
  LoadResult load_state_dict(const TensorsByName& state, bool strict = true);

  /// Calls fn for all descendants, children before parents, then for the module itself.
  Module& apply(const std::function<void(Module&)>& fn);
  Module& train(bool training = true);
  Module& eval() { return train(false); }
  bool is_training() const { return training_; }
  Module& requires_grad_(bool requires_grad = true);
  void zero_grad();
  /// Casts floating parameters, their gradients, and buffers in place: handles held elsewhere (ties, an optimiser's)
  /// see the change.
  Module& to(DType dtype);

  HookHandle on_forward_pre(ForwardPreHook hook);
  HookHandle on_forward(ForwardHook hook);
  HookHandle on_backward(BackwardHook hook);
  bool has_hooks() const;
  /// The name that errors show while the module runs, relative to the modules around it; "" for a root.
  const std::string& scope() const { return scope_; }

  /// A deep copy: own values, ties kept, no gradients, no hooks.
  std::unique_ptr<Module> clone() const;
  /// A copy that shares its tensors with this module.
  virtual std::unique_ptr<Module> copy() const = 0;

  /// Draws this module's own parameters anew by the layer's default rule. Each value is a function of the key and the
  /// parameter's name.
  virtual void reset_parameters(RandomKey /*key*/) {}
  /// Whether reset_parameters also draws all descendants, as models do that prescribe how their layers start.
  virtual bool resets_children() const { return false; }

  /// Rules by which init_weights (init.h) sets parameters of this module and its descendants; init_cfg.h has them.
  /// Copies keep them. Throws Error that names a rule which contradicts itself.
  void set_init_cfg(std::vector<InitRule> rules);
  const std::vector<InitRule>& init_cfg() const;
  /// What the last init_weights set a parameter by: "default of Linear",
  /// "Xavier(gain=1, distribution=normal), bias=0 by init_cfg[1] of SmallCnn", "as it was built".
  /// Throws Error where there is no such parameter.
  std::string init_info(std::string_view parameter) const;

  /// What printing shows between the parentheses.
  virtual std::string extra_repr() const { return ""; }
  /// As PyTorch prints modules.
  virtual std::string str() const;

 protected:
  Module() = default;
  Module(const Module& other);
  Module(Module&& other) noexcept;
  Module& operator=(const Module&) = delete;
  Module& operator=(Module&& other) noexcept;

  /// Each registers a member under a name; a name is not empty, has no "." and is used once. Members must lie in the
  /// object itself (an engaged std::optional is fine): the registry keeps where they lie, so that a copy names its own.
  void parameter(const std::string& name, Tensor& member, Tensor value);
  void parameter(const std::string& name, std::optional<Tensor>& member, Tensor value);
  void buffer(const std::string& name, Tensor& member, Tensor value, const BufferOptions& options = {});
  void buffer(const std::string& name, std::optional<Tensor>& member, Tensor value, const BufferOptions& options = {});
  void child(const std::string& name, Module& member);
  /// A child that the registry holds, for containers.
  Module& own(const std::string& name, std::unique_ptr<Module> module);
  /// At the end of a layer's constructor: reset_parameters with a key of Generator::current(), unless in SkipInit.
  void draw_initial_values();

  /// The name by which a child's calls are shown while it runs, relative to the modules that are running.
  virtual std::string child_scope(const std::string& name) const { return name; }
  virtual void set_scope(std::string scope) { scope_ = std::move(scope); }
  /// Gives the children their scopes anew, for containers whose own scope changed.
  void rename_children();

  Module* child_at(size_t index) const;
  size_t child_count() const { return children_.size(); }
  const std::string& child_name(size_t index) const { return children_[index].name; }

  // What ModuleOf's call needs.
  std::shared_ptr<BackwardHooks> before_forward(Tensors& inputs) const;
  void after_forward(const Tensors& inputs, Tensors& outputs, const std::shared_ptr<BackwardHooks>& backward) const;
  void check_copyable(const void* begin, size_t size, bool exact_type) const;
  std::unique_ptr<Module> unshared(std::unique_ptr<Module> copy) const;
  [[noreturn]] void refuse_call(size_t inputs) const;
  [[noreturn]] void refuse_result() const;

 private:
  friend struct InitState;
  struct Slot {
    std::string name;
    ptrdiff_t offset;  // of the Tensor from this Module
    BufferOptions buffer{};
  };
  struct Child {
    std::string name;
    ptrdiff_t offset = 0;           // of a member from this Module
    std::unique_ptr<Module> owned;  // or the child itself
    Child(std::string n, ptrdiff_t o, std::unique_ptr<Module> m) : name(std::move(n)), offset(o), owned(std::move(m)) {}
    Child(const Child& other);
    Child(Child&&) = default;
    Child& operator=(Child&&) = default;
  };
  struct Walk;

  void check_name(std::string_view kind, const std::string& name) const;
  Tensor& tensor_at(const Slot& slot) const;
  ModuleHooks& hooks();

  std::vector<Slot> parameters_, buffers_;
  std::vector<Child> children_;
  std::string scope_;
  bool training_ = true;
  std::shared_ptr<ModuleHooks> hooks_;
  std::shared_ptr<InitState> init_state_;  // none until it is needed
};

std::string to_string(const Module& module);

/// Layers built inside the scope leave their parameters unset: for models whose weights are loaded or drawn afterwards.
class SkipInit {
 public:
  SkipInit();
  ~SkipInit();
  SkipInit(const SkipInit&) = delete;
  SkipInit& operator=(const SkipInit&) = delete;

 private:
  bool outer_;
};

namespace detail {

/// "Conv2d" of ingot::Conv2d, from the compiler's spelling of this function.
template <class T>
constexpr std::string_view type_name_of() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  text = text.substr(0, text.find_first_of(";]"));
  const std::string_view plain = text.substr(0, text.find('<'));
  const size_t colons = plain.rfind("::");
  return colons == std::string_view::npos ? text : text.substr(colons + 2);
}

/// Calls fn(Tensor&) for what a forward's result holds; nothing for a type that it does not know.
template <class F>
void each_tensor(Tensor& x, const F& fn) {
  fn(x);
}
template <class F>
void each_tensor(Tensors& list, const F& fn) {
  for (Tensor& x : list) fn(x);
}
template <class R, class F>
void each_tensor(R& result, const F& fn) {
  if constexpr (requires { std::tuple_size<R>::value; })
    std::apply([&](auto&... parts) { (each_tensor(parts, fn), ...); }, result);
}

template <class A>
inline constexpr bool is_tensor = std::is_same_v<std::remove_cvref_t<A>, Tensor>;

template <class... A>
constexpr size_t tensors_before(size_t argument) {
  const bool flags[] = {is_tensor<A>..., false};
  size_t count = 0;
  for (size_t i = 0; i < argument; ++i) count += flags[i];
  return count;
}

/// Pushes a module's registered name for the time of a call; the root has none.
class CallScope {
 public:
  explicit CallScope(const std::string& name) {
    if (!name.empty()) scope_.emplace(name);
  }

 private:
  std::optional<ModuleScope> scope_;
};

}  // namespace detail

/// Gives a module its type's name, copying, and the call operator that runs hooks around `forward`. A module that
/// extends another one names it second: class BatchNorm2d : public ModuleOf<BatchNorm2d, BatchNormBase>.
template <class T, class Base = Module>
class ModuleOf : public Base {
 public:
  using Base::Base;

  template <class... A>
  auto operator()(A&&... args) {
    return run(static_cast<T&>(*this), std::forward<A>(args)...);
  }
  template <class... A>
  auto operator()(A&&... args) const {
    return run(static_cast<const T&>(*this), std::forward<A>(args)...);
  }

  std::string_view type_name() const override { return detail::type_name_of<T>(); }
  bool is_a(std::string_view type) const override { return type == detail::type_name_of<T>() || Base::is_a(type); }

  std::unique_ptr<T> clone() const {
    auto deep = this->unshared(copy());
    return std::unique_ptr<T>(static_cast<T*>(deep.release()));
  }
  std::unique_ptr<Module> copy() const override {
    const T& self = static_cast<const T&>(*this);
    this->check_copyable(&self, sizeof(T), typeid(*this) == typeid(T));
    return std::make_unique<T>(self);
  }

  using Module::call;
  Tensors call(std::span<const Tensor> inputs) override { return call_with<0>(inputs); }

 private:
  static constexpr size_t kMostInputs = 6;

  template <class... A>
  static bool constexpr kForward = requires(T& self, A&&... args) { self.forward(std::forward<A>(args)...); };
  template <size_t... I>
  static constexpr bool takes(std::index_sequence<I...>) {
    return kForward<decltype((void(I), std::declval<const Tensor&>()))...>;
  }

  template <size_t kCount>
  Tensors call_with(std::span<const Tensor> in) {
    if constexpr (kCount == 0 && kForward<const Tensors&>) {
      return collect((*this)(Tensors(in.begin(), in.end())));
    } else {
      if constexpr (takes(std::make_index_sequence<kCount>()))
        if (in.size() == kCount)
          return [&]<size_t... I>(std::index_sequence<I...>) {
            return collect((*this)(in[I]...));
          }(std::make_index_sequence<kCount>());
      if constexpr (kCount < kMostInputs)
        return call_with<kCount + 1>(in);
      else
        this->refuse_call(in.size());
    }
  }

  template <class R>
  Tensors collect(R result) const {
    Tensors out;
    detail::each_tensor(result, [&](Tensor& x) { out.push_back(std::move(x)); });
    if (out.empty()) this->refuse_result();
    return out;
  }

  template <class Self, class... A>
  static auto run(Self& self, A&&... args) {
    const detail::CallScope scope(self.ModuleOf::scope());
    if (self.has_hooks()) return run_hooked(self, std::index_sequence_for<A...>(), std::forward<A>(args)...);
    return self.forward(std::forward<A>(args)...);
  }

  template <class Self, size_t... I, class... A>
  static auto run_hooked(Self& self, std::index_sequence<I...>, A&&... args) {
    const ModuleOf& hooked = self;
    Tensors inputs;
    const auto add = [&](const auto& arg) {
      if constexpr (detail::is_tensor<decltype(arg)>) inputs.push_back(arg);
    };
    (add(args), ...);
    const auto backward = hooked.before_forward(inputs);
    auto result = self.forward(pick<detail::tensors_before<A...>(I)>(std::forward<A>(args), inputs)...);
    Tensors outputs;
    detail::each_tensor(result, [&](Tensor& x) { outputs.push_back(x); });
    hooked.after_forward(inputs, outputs, backward);
    size_t at = 0;
    detail::each_tensor(result, [&](Tensor& x) { x = outputs.at(at++); });
    return result;
  }

  template <size_t kTensor, class A>
  static decltype(auto) pick(A&& arg, const Tensors& inputs) {
    if constexpr (detail::is_tensor<A>)
      return inputs.at(kTensor);
    else
      return std::forward<A>(arg);
  }
};

// What ModuleOf makes of the library's own layers is compiled once, in src/nn/instances.cpp, and not in each file that
// includes them.
#ifndef INGOT_INSTANCE
#define INGOT_INSTANCE extern template
#endif

}  // namespace ingot
