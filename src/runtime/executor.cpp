#include "runtime/executor.h"

#include <chrono>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/elementwise.h"
#include "runtime/observer.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

bool fits(const Tensor& x, const Spec& spec) {
  return x.is_dense() && (x.layout() == spec.layout || is_dense(x.shape(), x.strides(), spec.layout));
}

Tensor& resized(Tensor& x, const Spec& spec) {
  if (!x.defined() || !(x.shape() == spec.shape)) x = empty(spec.shape, spec.dtype, spec.layout);
  return x;
}

bool overlap(const Array& a, const Array& b) {
  const auto* p = a.as<const std::byte>();
  const auto* q = b.as<const std::byte>();
  return p < q + extent(b) && q < p + extent(a);
}

void run_step(const BoundStep& bound) {
  try {
    evaluate(*bound.step->op, bound.tactic, bound.args());
  } catch (const Error& e) {
    if (std::string_view(e.what()).starts_with('[')) throw;
    fail("{}: {}", name_of(*bound.step), e.what());
  }
}

}  // namespace

Executor::Executor(std::shared_ptr<const EngineData> engine, const ContextOptions& options)
    : engine_(std::move(engine)),
      options_(options),
      staged_inputs_(engine_->plan.inputs.size()),
      staged_outputs_(engine_->plan.outputs.size()) {
  CHECK(options.kept_sizes >= 1, "kept_sizes is {}, it must be at least 1", options.kept_sizes);
}

void Executor::check_inputs(std::span<const Tensor> inputs) const {
  const Plan& plan = engine_->plan;
  CHECK(inputs.size() == plan.inputs.size(), "the engine has {} inputs, {} are given", plan.inputs.size(),
        inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const PlanTensor& wanted = plan.tensor(plan.inputs[i]);
    const Tensor& x = inputs[i];
    CHECK(x.defined() && !x.is_abstract(), "input '{}' has no data", wanted.name);
    CHECK(x.dtype() == wanted.spec.dtype && x.shape().size() == wanted.spec.shape.size(),
          "input '{}' is {}{}, the engine wants {}", wanted.name, name_of(x.dtype()), to_string(x.shape()),
          type_text(wanted.spec));
  }
}

SymbolValues Executor::sizes_of(std::span<const Tensor> inputs) const {
  const Plan& plan = engine_->plan;
  SymbolValues sizes;
  for (size_t i = 0; i < plan.sizes.size(); ++i) {
    const SizeSource& source = engine_->size_sources[i];
    sizes[plan.sizes[i].name] = inputs[source.input].shape()[source.dim].value();
  }
  check_ranges(plan, sizes);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const PlanTensor& wanted = plan.tensor(plan.inputs[i]);
    for (size_t d = 0; d < wanted.spec.shape.size(); ++d)
      CHECK(substitute(wanted.spec.shape[d], sizes) == inputs[i].shape()[d], "input '{}' is {}, the engine wants {}",
            wanted.name, to_string(inputs[i].shape()), to_string(wanted.spec.shape));
  }
  return sizes;
}

Executor::Kept& Executor::binding_for(std::span<const Tensor> inputs) {
  const int threads = adopt_thread_count();
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    const bool same = it->binding->threads == threads &&
                      std::equal(inputs.begin(), inputs.end(), it->input_shapes.begin(),
                                 [](const Tensor& x, const Shape& shape) { return x.shape() == shape; });
    if (!same) continue;
    kept_.splice(kept_.begin(), kept_, it);
    return kept_.front();
  }
  Kept kept;
  for (const Tensor& x : inputs) kept.input_shapes.push_back(x.shape());
  kept.binding = std::make_unique<Binding>(*engine_, sizes_of(inputs), options_.guard ? Guard::kBytes : 0);
  const auto needed = static_cast<size_t>(kept.binding->arena_bytes);
  if (!arena_ || arena_->bytes() < needed) arena_ = std::make_unique<Storage>(std::max<size_t>(needed, 1));
  kept_.push_front(std::move(kept));
  if (kept_.size() > options_.kept_sizes) kept_.pop_back();
  return kept_.front();
}

void* Executor::dense_input(Binding& binding, size_t i, const Tensor& x) {
  const auto id = static_cast<size_t>(engine_->plan.inputs[i]);
  const Spec& spec = binding.placement.sized.specs[id];
  if (fits(x, spec)) return array_of(x).data;
  const Array dense = array_of(resized(staged_inputs_[i].tensor, spec));
  kernels::copy(array_of(x), dense);
  return dense.data;
}

void* Executor::dense_output(Binding& binding, size_t i, Tensor& y) {
  const PlanOutput& output = engine_->plan.outputs[i];
  const Spec& spec = binding.placement.sized.specs[static_cast<size_t>(output.tensor)];
  if (!y.defined()) y = empty(spec.shape, spec.dtype, spec.layout);
  CHECK(y.shape() == spec.shape && y.dtype() == spec.dtype, "output '{}' is {}{}, the engine makes {}", output.name,
        name_of(y.dtype()), to_string(y.shape()), type_text(spec));
  y.count_write();
  staged_outputs_[i].used = !fits(y, spec);
  return array_of(staged_outputs_[i].used ? resized(staged_outputs_[i].tensor, spec) : y).data;
}

void Executor::connect(Binding& binding, std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  for (size_t i = 0; i < inputs.size(); ++i)
    binding.set_external(Memory::Kind::input, i, dense_input(binding, i, inputs[i]));
  for (size_t i = 0; i < outputs.size(); ++i)
    binding.set_external(Memory::Kind::output, i, dense_output(binding, i, outputs[i]));
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Array y = array_of(outputs[i]);
    const std::string& name = engine_->plan.outputs[i].name;
    for (const Tensor& x : inputs) CHECK(!overlap(y, array_of(x)), "output '{}' shares memory with an input", name);
    for (size_t j = 0; j < i; ++j)
      CHECK(!overlap(y, array_of(outputs[j])), "output '{}' shares memory with another", name);
  }
}

void Executor::run_steps(Binding& binding, const RunOptions& options) {
  using Clock = std::chrono::steady_clock;
  const Observer observer(engine_->plan, binding, options);
  const Guard guard(binding, arena_->data());
  if (options_.guard) guard.before_run();
  observer.before_run();
  for (size_t i = 0; i < binding.steps.size(); ++i) {
    const auto start = options.profile != nullptr ? Clock::now() : Clock::time_point{};
    if (options_.guard) guard.before_step(i);
    if (binding.steps[i].runs) run_step(binding.steps[i]);
    if (options.profile != nullptr)
      options.profile->seconds[i] += std::chrono::duration<double>(Clock::now() - start).count();
    observer.after_step(i);
    if (options_.guard) guard.after_step(i);
  }
}

void Executor::finish_outputs(Binding& binding, std::span<Tensor> outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (binding.placement.output_copy[i])
      kernels::copy(binding.array(engine_->plan.outputs[i].tensor), array_of(outputs[i]));
    else if (staged_outputs_[i].used)
      kernels::copy(array_of(staged_outputs_[i].tensor), array_of(outputs[i]));
  }
}

void Executor::run(std::span<const Tensor> inputs, std::span<Tensor> outputs, const RunOptions& options) {
  CHECK(outputs.size() == engine_->plan.outputs.size(), "the engine has {} outputs, {} are given",
        engine_->plan.outputs.size(), outputs.size());
  check_inputs(inputs);
  Kept& kept = binding_for(inputs);
  Binding& binding = *kept.binding;
  if (kept.arena != arena_->data()) {
    kept.arena = arena_->data();
    binding.set_arena(kept.arena);
  }
  const FlushDenormals flush;
  connect(binding, inputs, outputs);
  if (options.profile != nullptr) {
    options.profile->seconds.resize(binding.steps.size());
    ++options.profile->runs;
  }
  run_steps(binding, options);
  finish_outputs(binding, outputs);
}

MemoryPlan Executor::memory() const { return kept_.empty() ? MemoryPlan{} : kept_.front().binding->memory; }

}  // namespace ingot
