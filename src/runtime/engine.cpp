#include <mutex>

#include "base/check.h"
#include "runtime/executor.h"

namespace ingot {
namespace {

SizeSource source_of(const Plan& plan, const PlanSize& size) {
  const Dim symbol = Dim::symbol(size.name, size.example);
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const Shape& shape = plan.tensor(plan.inputs[i]).spec.shape;
    for (size_t d = 0; d < shape.size(); ++d)
      if (shape[d] == symbol) return {i, d};
  }
  fail("no input's shape decides the size '{}'", size.name);
}

TensorInfo info(const PlanTensor& t, const std::string& name) { return {name, t.spec.dtype, t.spec.shape}; }

}  // namespace

std::shared_ptr<const EngineData> make_engine_data(Plan plan, std::vector<WeightData> weights) {
  uint64_t weights_bytes = 0;
  for (const PlanWeight& w : plan.weights) weights_bytes = std::max(weights_bytes, w.offset + w.bytes);
  validate(plan, weights_bytes);
  at_sizes(plan, plan.examples());
  CHECK(weights.size() == plan.weights.size(), "internal: {} weights for a plan with {}", weights.size(),
        plan.weights.size());
  for (size_t i = 0; i < weights.size(); ++i)
    CHECK(weights[i].bytes == plan.weights[i].bytes, "internal: weight '{}' has {} bytes, the plan says {}",
          plan.weights[i].name, weights[i].bytes, plan.weights[i].bytes);
  auto data = std::make_shared<EngineData>();
  data->plan = std::move(plan);
  data->weights = std::move(weights);
  for (const PlanSize& size : data->plan.sizes) data->size_sources.push_back(source_of(data->plan, size));
  return data;
}

// ---- Engine

/// Contexts that wait for the next call of Engine::run.
struct Engine::Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<Context>> idle;

  std::unique_ptr<Context> take(const Engine& engine) {
    const std::scoped_lock lock(mutex);
    if (idle.empty()) return std::make_unique<Context>(engine);
    auto context = std::move(idle.back());
    idle.pop_back();
    return context;
  }
  void put(std::unique_ptr<Context> context) {
    const std::scoped_lock lock(mutex);
    idle.push_back(std::move(context));
  }
};

Engine::Engine(std::shared_ptr<const EngineData> data) : data_(std::move(data)), pool_(std::make_shared<Pool>()) {}

std::vector<TensorInfo> Engine::inputs() const {
  std::vector<TensorInfo> out;
  for (const TensorId id : data_->plan.inputs) out.push_back(info(data_->plan.tensor(id), data_->plan.tensor(id).name));
  return out;
}

std::vector<TensorInfo> Engine::outputs() const {
  std::vector<TensorInfo> out;
  for (const PlanOutput& o : data_->plan.outputs) out.push_back(info(data_->plan.tensor(o.tensor), o.name));
  return out;
}

const Preprocessing& Engine::preprocessing() const { return data_->plan.preprocessing; }
const std::vector<std::string>& Engine::class_names() const { return data_->plan.class_names; }
std::string Engine::text() const { return to_string(data_->plan); }

Tensors Engine::run(const Tensors& inputs) const {
  auto context = pool_->take(*this);
  Tensors outputs = context->run(inputs);
  pool_->put(std::move(context));
  return outputs;
}

// ---- Context

Context::Context(const Engine& engine, const ContextOptions& options)
    : executor_(std::make_unique<Executor>(engine.data_, options)) {}
Context::~Context() = default;
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;

void Context::run(std::span<const Tensor> inputs, std::span<Tensor> outputs, const RunOptions& options) {
  executor_->run(inputs, outputs, options);
}

Tensors Context::run(const Tensors& inputs, const RunOptions& options) {
  Tensors outputs(executor_->engine().plan.outputs.size());
  run(inputs, outputs, options);
  return outputs;
}

MemoryPlan Context::memory() const { return executor_->memory(); }

}  // namespace ingot
