#include "ingot/module.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "ingot/ops.h"
#include "nn/hooks.h"
#include "nn/init_state.h"
#include "nn/text.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

thread_local bool t_skip_init = false;

// Casts in place, so that all handles on the tensor see it.
void cast_in_place(Tensor& x, DType dtype) {
  if (!is_floating(x.dtype()) || x.dtype() == dtype) return;
  const NoGrad no_grad;
  const Tensor grad = x.grad();
  const Tensor y = cast(detach(x), dtype);
  TensorImpl& impl = *x.impl();
  impl.storage = y.impl()->storage;
  impl.offset = y.impl()->offset;
  impl.strides = y.impl()->strides;
  impl.dtype = dtype;
  impl.layout = y.impl()->layout;
  if (grad.defined()) x.set_grad(cast(detach(grad), dtype));
}

}  // namespace

/// Visits the tree of a module.
struct Module::Walk {
  template <class Fn>
  static void modules(Module& module, const std::string& prefix, bool once, std::set<const Module*>& seen,
                      const Fn& fn) {
    if (once && !seen.insert(&module).second) return;
    fn(prefix, module);
    for (size_t i = 0; i < module.children_.size(); ++i)
      modules(*module.child_at(i), dotted(prefix, module.children_[i].name), once, seen, fn);
  }
  template <class Fn>
  static void modules(const Module& module, const std::string& prefix, bool once, const Fn& fn) {
    std::set<const Module*> seen;
    modules(const_cast<Module&>(module), prefix, once, seen, fn);
  }

  /// Every persistent tensor under every name, in the order of state_dict.
  template <class Fn>
  static void state(const Module& module, const std::string& prefix, const Fn& fn) {
    for (const Slot& slot : module.parameters_) fn(dotted(prefix, slot.name), module.tensor_at(slot), slot);
    for (const Slot& slot : module.buffers_)
      if (slot.buffer.persistent) fn(dotted(prefix, slot.name), module.tensor_at(slot), slot);
    for (size_t i = 0; i < module.children_.size(); ++i)
      state(*module.child_at(i), dotted(prefix, module.children_[i].name), fn);
  }

  static TensorsByName tensors(const Module& module, std::vector<Slot> Module::* slots, bool recurse) {
    TensorsByName found;
    std::set<const TensorImpl*> seen;
    const auto add = [&](const std::string& prefix, const Module& m) {
      for (const Slot& slot : m.*slots)
        if (const Tensor& x = m.tensor_at(slot); seen.insert(x.impl().get()).second)
          found.emplace_back(dotted(prefix, slot.name), x);
    };
    if (recurse)
      modules(module, "", true, add);
    else
      add("", module);
    return found;
  }
};

Module::~Module() {
  if (hooks_) hooks_->owner = nullptr;
}

Module::Child::Child(const Child& other)
    : name(other.name), offset(other.offset), owned(other.owned ? other.owned->copy() : nullptr) {}

Module::Module(const Module& other)
    : parameters_(other.parameters_),
      buffers_(other.buffers_),
      children_(other.children_),
      scope_(other.scope_),
      training_(other.training_),
      init_state_(other.init_state_ ? std::make_shared<InitState>(*other.init_state_) : nullptr) {}

Module::Module(Module&& other) noexcept
    : parameters_(std::move(other.parameters_)),
      buffers_(std::move(other.buffers_)),
      children_(std::move(other.children_)),
      scope_(std::move(other.scope_)),
      training_(other.training_),
      hooks_(std::move(other.hooks_)),
      init_state_(std::move(other.init_state_)) {
  if (hooks_) hooks_->owner = this;
}

// The name stays: it belongs to the place in the parent that is assigned to.
Module& Module::operator=(Module&& other) noexcept {
  if (hooks_) hooks_->owner = nullptr;
  parameters_ = std::move(other.parameters_);
  buffers_ = std::move(other.buffers_);
  children_ = std::move(other.children_);
  training_ = other.training_;
  hooks_ = std::move(other.hooks_);
  init_state_ = std::move(other.init_state_);
  if (hooks_) hooks_->owner = this;
  set_scope(scope_);
  return *this;
}

void Module::check_name(std::string_view kind, const std::string& name) const {
  CHECK(!name.empty(), "{}: a {} needs a name", type_name(), kind);
  CHECK(name.find('.') == std::string::npos, "{}: the name '{}' of a {} has a '.', which separates modules in a path",
        type_name(), name, kind);
  const auto same = [&](const auto& entry) { return entry.name == name; };
  CHECK(std::none_of(parameters_.begin(), parameters_.end(), same), "{}: there is a parameter '{}' already",
        type_name(), name);
  CHECK(std::none_of(buffers_.begin(), buffers_.end(), same), "{}: there is a buffer '{}' already", type_name(), name);
  CHECK(std::none_of(children_.begin(), children_.end(), same), "{}: there is a child '{}' already", type_name(), name);
}

void Module::parameter(const std::string& name, Tensor& member, Tensor value) {
  check_name("parameter", name);
  CHECK(value.defined(), "{}: the parameter '{}' has no value", type_name(), name);
  CHECK(value.is_leaf(),
        "{}: the parameter '{}' is a result of other tensors; a parameter is a leaf, so use detach() or compute it "
        "in forward",
        type_name(), name);
  CHECK(is_floating(value.dtype()), "{}: the parameter '{}' is {}, it must be floating", type_name(), name,
        name_of(value.dtype()));
  member = std::move(value);
  member.set_requires_grad();
  parameters_.push_back({name, reinterpret_cast<const char*>(&member) - reinterpret_cast<const char*>(this)});
}

void Module::parameter(const std::string& name, std::optional<Tensor>& member, Tensor value) {
  member.emplace();
  parameter(name, *member, std::move(value));
}

void Module::buffer(const std::string& name, Tensor& member, Tensor value, const BufferOptions& options) {
  check_name("buffer", name);
  CHECK(value.defined(), "{}: the buffer '{}' has no value", type_name(), name);
  member = std::move(value);
  buffers_.push_back({name, reinterpret_cast<const char*>(&member) - reinterpret_cast<const char*>(this), options});
}

void Module::buffer(const std::string& name, std::optional<Tensor>& member, Tensor value,
                    const BufferOptions& options) {
  member.emplace();
  buffer(name, *member, std::move(value), options);
}

void Module::child(const std::string& name, Module& member) {
  check_name("child", name);
  const ptrdiff_t offset = reinterpret_cast<const char*>(&member) - reinterpret_cast<const char*>(this);
  const bool again =
      std::any_of(children_.begin(), children_.end(), [&](const Child& c) { return !c.owned && c.offset == offset; });
  children_.emplace_back(name, offset, nullptr);
  if (!again) member.set_scope(child_scope(name));
}

Module& Module::own(const std::string& name, std::unique_ptr<Module> module) {
  check_name("child", name);
  CHECK(module != nullptr, "{}: the child '{}' is null", type_name(), name);
  module->set_scope(child_scope(name));
  children_.emplace_back(name, 0, std::move(module));
  return *children_.back().owned;
}

void Module::rename_children() {
  for (size_t i = 0; i < children_.size(); ++i) child_at(i)->set_scope(child_scope(children_[i].name));
}

Module* Module::child_at(size_t index) const {
  const Child& c = children_[index];
  if (c.owned) return c.owned.get();
  return reinterpret_cast<Module*>(const_cast<char*>(reinterpret_cast<const char*>(this)) + c.offset);
}

Tensor& Module::tensor_at(const Slot& slot) const {
  return *reinterpret_cast<Tensor*>(const_cast<char*>(reinterpret_cast<const char*>(this)) + slot.offset);
}

NamedModules Module::named_children() {
  NamedModules found;
  std::set<const Module*> seen;
  for (size_t i = 0; i < children_.size(); ++i)
    if (Module* c = child_at(i); seen.insert(c).second) found.emplace_back(children_[i].name, c);
  return found;
}
ConstNamedModules Module::named_children() const {
  const auto found = const_cast<Module*>(this)->named_children();
  return {found.begin(), found.end()};
}
std::vector<Module*> Module::children() {
  std::vector<Module*> found;
  for (const auto& [name, m] : named_children()) found.push_back(m);
  return found;
}

NamedModules Module::named_modules(const std::string& prefix, bool remove_duplicate) {
  NamedModules found;
  Walk::modules(*this, prefix, remove_duplicate,
                [&](const std::string& name, Module& m) { found.emplace_back(name, &m); });
  return found;
}
ConstNamedModules Module::named_modules(const std::string& prefix, bool remove_duplicate) const {
  const auto found = const_cast<Module*>(this)->named_modules(prefix, remove_duplicate);
  return {found.begin(), found.end()};
}
std::vector<Module*> Module::modules() {
  std::vector<Module*> found;
  for (const auto& [name, m] : named_modules()) found.push_back(m);
  return found;
}

Module& Module::submodule(std::string_view path) {
  Module* at = this;
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    const auto it =
        std::find_if(at->children_.begin(), at->children_.end(), [&](const Child& c) { return c.name == name; });
    CHECK(it != at->children_.end(), "{} has no module '{}': {} has no child '{}'", type_name(), path, at->type_name(),
          name);
    at = at->child_at(static_cast<size_t>(it - at->children_.begin()));
  }
  return *at;
}

TensorsByName Module::named_parameters(bool recurse) const {
  return Walk::tensors(*this, &Module::parameters_, recurse);
}
TensorsByName Module::named_buffers(bool recurse) const { return Walk::tensors(*this, &Module::buffers_, recurse); }
std::map<std::string, Tensor> Module::named_tensors() const {
  std::map<std::string, Tensor> found;
  for (const TensorsByName& part : {named_parameters(), named_buffers()}) found.insert(part.begin(), part.end());
  return found;
}
Tensors Module::parameters(bool recurse) const {
  Tensors found;
  for (auto& [name, x] : named_parameters(recurse)) found.push_back(std::move(x));
  return found;
}
Tensors Module::buffers(bool recurse) const {
  Tensors found;
  for (auto& [name, x] : named_buffers(recurse)) found.push_back(std::move(x));
  return found;
}

TensorsByName Module::state_dict() const {
  TensorsByName state;
  Walk::state(*this, "",
              [&](const std::string& name, const Tensor& x, const Slot&) { state.emplace_back(name, detach(x)); });
  return state;
}

LoadResult Module::load_state_dict(const TensorsByName& state, bool strict) {
  std::map<std::string_view, const Tensor*> given;
  for (const auto& [name, x] : state) given[name] = &x;

  LoadResult result;
  std::vector<std::string> sizes;
  std::vector<std::pair<Tensor, const Tensor*>> copies;  // to, from; none: zero
  Walk::state(*this, "", [&](const std::string& name, const Tensor& x, const Slot& slot) {
    const auto it = given.find(name);
    if (it == given.end()) {
      if (slot.buffer.zero_if_missing)
        copies.emplace_back(x, nullptr);
      else
        result.missing.push_back(name);
      return;
    }
    if (it->second->shape() == x.shape())
      copies.emplace_back(x, it->second);
    else
      sizes.push_back(fmt::format("{} is {} in the state, {} in the module", name, to_string(it->second->shape()),
                                  to_string(x.shape())));
    given.erase(it);
  });
  for (const auto& [name, x] : state)
    if (given.contains(name)) result.unexpected.push_back(name);

  std::string wrong;
  if (strict && !result.missing.empty()) wrong += fmt::format("\n  missing: {}", fmt::join(result.missing, ", "));
  if (strict && !result.unexpected.empty())
    wrong += fmt::format("\n  unexpected: {}", fmt::join(result.unexpected, ", "));
  if (!sizes.empty()) wrong += fmt::format("\n  size mismatch: {}", fmt::join(sizes, "; "));
  CHECK(wrong.empty(), "the state does not fit {}:{}", type_name(), wrong);

  const NoGrad no_grad;
  for (auto& [to, from] : copies) {
    if (from)
      copy_into(to, *from);
    else
      fill(to, 0);
  }
  return result;
}

Module& Module::apply(const std::function<void(Module&)>& fn) {
  for (Module* c : children()) c->apply(fn);
  fn(*this);
  return *this;
}

Module& Module::train(bool training) {
  for (Module* m : modules()) m->training_ = training;
  return *this;
}

Module& Module::requires_grad_(bool requires_grad) {
  for (Tensor& x : parameters()) x.set_requires_grad(requires_grad);
  return *this;
}

void Module::zero_grad() {
  for (Tensor& x : parameters()) x.set_grad({});
}

Module& Module::to(DType dtype) {
  CHECK(is_floating(dtype), "{}: to({}) needs a floating dtype", type_name(), name_of(dtype));
  for (Tensor& x : parameters()) cast_in_place(x, dtype);
  for (Tensor& x : buffers()) cast_in_place(x, dtype);
  return *this;
}

void Module::check_copyable(const void* begin, size_t size, bool exact_type) const {
  CHECK(exact_type, "{}: a class that derives from it cannot be copied, as it lacks ModuleOf<Class, {}>", type_name(),
        type_name());
  const ptrdiff_t first = static_cast<const char*>(begin) - reinterpret_cast<const char*>(this);
  const auto outside = [&](ptrdiff_t offset) {
    return offset < first || offset >= first + static_cast<ptrdiff_t>(size);
  };
  const auto check = [&](std::string_view kind, const std::string& name, ptrdiff_t offset) {
    CHECK(!outside(offset), "{}: the {} '{}' does not lie in the module itself, so a copy would not have its own",
          type_name(), kind, name);
  };
  for (const Slot& slot : parameters_) check("parameter", slot.name, slot.offset);
  for (const Slot& slot : buffers_) check("buffer", slot.name, slot.offset);
  for (const Child& c : children_)
    if (!c.owned) check("child", c.name, c.offset);
}

std::unique_ptr<Module> Module::unshared(std::unique_ptr<Module> copy) const {
  std::map<const TensorImpl*, Tensor> fresh;  // by the tensor that is shared with the original: ties stay ties
  const auto renew = [&](Tensor& x) {
    Tensor& own = fresh[x.impl().get()];
    if (!own.defined()) {
      own = ingot::clone(x);
      if (x.requires_grad()) own.set_requires_grad();
    }
    x = own;
  };
  Walk::modules(*copy, "", true, [&](const std::string&, Module& m) {
    for (const Slot& slot : m.parameters_) renew(m.tensor_at(slot));
    for (const Slot& slot : m.buffers_) renew(m.tensor_at(slot));
  });
  return copy;
}

std::unique_ptr<Module> Module::clone() const { return unshared(copy()); }

void Module::refuse_call(size_t inputs) const { fail("forward of {} does not take {} tensors", type_name(), inputs); }
void Module::refuse_result() const {
  fail("forward of {} returns no tensor, so it cannot be called by call()", type_name());
}

std::string Module::str() const {
  const std::string extra = extra_repr();
  if (children_.empty()) return fmt::format("{}({})", type_name(), extra);
  std::string lines = extra.empty() ? "" : "\n  " + extra;
  for (size_t i = 0; i < children_.size(); ++i)
    lines += fmt::format("\n  ({}): {}", children_[i].name, indented(child_at(i)->str()));
  return fmt::format("{}({}\n)", type_name(), lines);
}

std::string to_string(const Module& module) { return module.str(); }

SkipInit::SkipInit() : outer_(t_skip_init) { t_skip_init = true; }
SkipInit::~SkipInit() { t_skip_init = outer_; }

void Module::draw_initial_values() {
  if (!t_skip_init) reset_parameters(Generator::current().next("init"));
}

}  // namespace ingot
