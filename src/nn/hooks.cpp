#include "nn/hooks.h"

#include <algorithm>
#include <cstring>

#include "autograd/op_def.h"
#include "base/check.h"
#include "tensor/each_element.h"

namespace ingot {
namespace {

// The op that taps gradients is the identity. Its attributes are the state itself; it never reaches a graph.
const AttrsType kNoFields{};
const std::shared_ptr<BackwardHooks>& state_of(const Attrs& attrs) {
  return attrs.get<std::shared_ptr<BackwardHooks>>();
}
Attrs attrs_with(std::shared_ptr<BackwardHooks> state) {
  return Attrs(kNoFields, std::make_shared<const std::shared_ptr<BackwardHooks>>(std::move(state)));
}

Results infer_same(const InferArgs& a) {
  Results results;
  for (const Spec& spec : a.in) results.specs.push_back(spec);
  results.visible = a.in.size();
  return results;
}

void copy_elements(const Array& from, const Array& to) {
  std::vector<int64_t> places(static_cast<size_t>(from.numel()));
  each_element(from, [&](int64_t i, int64_t at) { places[static_cast<size_t>(i)] = at; });
  const auto bytes = static_cast<int64_t>(size_of(from.dtype));
  each_element(to, [&](int64_t i, int64_t at) {
    std::memcpy(to.as<std::byte>() + at * bytes, from.as<std::byte>() + places[static_cast<size_t>(i)] * bytes,
                static_cast<size_t>(bytes));
  });
}

void eval_copy(const EvalArgs& a) {
  for (size_t i = 0; i < a.in.size(); ++i) copy_elements(a.in[i], a.out[i]);
}

// With a single tensor the result is a view of it and nothing is copied.
std::optional<View> view_same(const ViewArgs& a) {
  View view;
  for (int d = 0; d < a.in.rank; ++d) view.strides.push_back(a.in.strides[static_cast<size_t>(d)]);
  return view;
}

Tensors output_gradients(const VjpArgs& a) {
  Tensors grads(a.grad.begin(), a.grad.end());
  BackwardHooks& state = *state_of(a.attrs);
  state.grad_outputs = grads;
  if (!state.has_inputs) {
    Tensors none;
    state.run(none);
  }
  return grads;
}

Tensors input_gradients(const VjpArgs& a) {
  Tensors grads(a.grad.begin(), a.grad.end());
  state_of(a.attrs)->run(grads);
  return grads;
}

const OpDef kTapOutput{
    .name = "tap_output", .infer = infer_same, .view = view_same, .eval = eval_copy, .vjp = output_gradients};
const OpDef kTapOutputs{.name = "tap_outputs", .infer = infer_same, .eval = eval_copy, .vjp = output_gradients};
const OpDef kTapInput{
    .name = "tap_input", .infer = infer_same, .view = view_same, .eval = eval_copy, .vjp = input_gradients};
const OpDef kTapInputs{.name = "tap_inputs", .infer = infer_same, .eval = eval_copy, .vjp = input_gradients};

template <class Hook>
HookHandle add(const std::shared_ptr<ModuleHooks>& hooks, std::map<size_t, Hook>& table, Hook hook) {
  const size_t number = hooks->next++;
  table.emplace(number, std::move(hook));
  return HookHandle(hooks, number);
}

}  // namespace

void BackwardHooks::run(Tensors& grad_inputs) const {
  const auto alive = hooks.lock();
  if (!alive || alive->owner == nullptr) return;
  const auto table = alive->backward;  // a hook may remove itself
  for (const auto& [number, hook] : table) {
    hook(*alive->owner, grad_inputs, grad_outputs);
  }
}

Tensors tap_outputs(const Tensors& outputs, std::shared_ptr<BackwardHooks> state) {
  return apply_all(outputs.size() == 1 ? kTapOutput : kTapOutputs, outputs, attrs_with(std::move(state)));
}

Tensors tap_inputs(const Tensors& inputs, std::shared_ptr<BackwardHooks> state) {
  return apply_all(inputs.size() == 1 ? kTapInput : kTapInputs, inputs, attrs_with(std::move(state)));
}

HookHandle& HookHandle::operator=(HookHandle&& other) noexcept {
  remove();
  hooks_ = std::exchange(other.hooks_, {});
  number_ = other.number_;
  return *this;
}

void HookHandle::remove() {
  if (const auto hooks = hooks_.lock()) {
    hooks->forward_pre.erase(number_);
    hooks->forward.erase(number_);
    hooks->backward.erase(number_);
  }
  hooks_.reset();
}

ModuleHooks& Module::hooks() {
  if (!hooks_) {
    hooks_ = std::make_shared<ModuleHooks>();
    hooks_->owner = this;
  }
  return *hooks_;
}

HookHandle Module::on_forward_pre(ForwardPreHook hook) { return add(hooks_, hooks().forward_pre, std::move(hook)); }
HookHandle Module::on_forward(ForwardHook hook) { return add(hooks_, hooks().forward, std::move(hook)); }
HookHandle Module::on_backward(BackwardHook hook) { return add(hooks_, hooks().backward, std::move(hook)); }
bool Module::has_hooks() const { return hooks_ && !hooks_->empty(); }

std::shared_ptr<BackwardHooks> Module::before_forward(Tensors& inputs) const {
  const auto table = hooks_->forward_pre;
  for (const auto& [number, hook] : table) {
    const size_t count = inputs.size();
    hook(*this, inputs);
    CHECK(inputs.size() == count, "a forward-pre hook of {} turned {} inputs into {}", type_name(), count,
          inputs.size());
  }
  if (hooks_->backward.empty() || !grad_enabled() || tracing()) return nullptr;
  auto state = std::make_shared<BackwardHooks>();
  state->hooks = hooks_;
  state->has_inputs =
      std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.defined() && x.requires_grad(); });
  if (state->has_inputs) inputs = tap_inputs(inputs, state);
  return state;
}

void Module::after_forward(const Tensors& inputs, Tensors& outputs,
                           const std::shared_ptr<BackwardHooks>& backward) const {
  const auto table = hooks_->forward;
  for (const auto& [number, hook] : table) {
    const size_t count = outputs.size();
    hook(*this, inputs, outputs);
    CHECK(outputs.size() == count, "a forward hook of {} turned {} outputs into {}", type_name(), count,
          outputs.size());
  }
  if (backward && !outputs.empty()) outputs = tap_outputs(outputs, backward);
}

}  // namespace ingot
