#include "optim/rules.h"

#include <map>

#include "ingot/ops.h"

namespace ingot {
namespace {

using kernels::ParameterRun;

struct Batch {
  std::vector<ParameterRun> runs;
  std::vector<std::pair<Tensor, Tensor>> rounded;  // parameter, its f32 copy
  Tensors kept;                                    // gradients that were cast
};

void* writable(Tensor x) {
  x.count_write();
  return x.dtype() == DType::f64 ? static_cast<void*>(x.mutable_data<double>()) : x.mutable_data<float>();
}
const void* readable(const Tensor& x) {
  return x.dtype() == DType::f64 ? static_cast<const void*>(x.data<double>()) : x.data<float>();
}

void add(Batch& batch, const ParamUpdate& u, std::span<const size_t> states) {
  Tensor param = u.param, grad = u.grad;
  if (param.dtype() == DType::bf16) {
    param = cast(detach(param), DType::f32);
    grad = cast(grad, DType::f32);
    batch.rounded.emplace_back(u.param, param);
    batch.kept.push_back(grad);
  }
  ParameterRun run{.theta = writable(param), .grad = readable(grad), .state = {}, .count = param.numel()};
  for (size_t i = 0; i < states.size(); ++i) run.state[i] = writable((*u.state)[states[i]]);
  batch.runs.push_back(run);
}

}  // namespace

void require_not_negative(std::string_view what, double value) {
  CHECK(value >= 0, "{} is {}, it must not be negative", what, value);
}
void require_betas(const std::array<double, 2>& betas) {
  for (const double beta : betas) CHECK(beta >= 0 && beta < 1, "a beta is {}, it must be in [0, 1)", beta);
}

double& ParamUpdate::number(size_t index, double initial) const {
  Tensor& x = (*state)[index];
  if (!x.defined()) x = scalar(initial, DType::f64);
  x.count_write();
  return *x.mutable_data<double>();
}

void in_batches(std::span<ParamUpdate> updates, std::span<const size_t> states,
                const std::function<int64_t(const ParamUpdate&)>& key,
                const std::function<void(DType, int64_t, std::span<const ParameterRun>)>& step) {
  std::map<std::pair<DType, int64_t>, Batch> batches;
  for (const ParamUpdate& u : updates) {
    const DType dtype = u.param.dtype() == DType::f64 ? DType::f64 : DType::f32;
    add(batches[{dtype, key(u)}], u, states);
  }
  for (auto& [shared, batch] : batches) {
    step(shared.first, shared.second, batch.runs);
    for (auto& [param, copy] : batch.rounded) copy_into(param, copy);
  }
}

}  // namespace ingot
