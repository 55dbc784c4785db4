#include <map>

#include "ingot/ops.h"
#include "ingot/optim.h"
#include "kernels/optim.h"
#include "optim/update.h"

namespace ingot {
namespace {

using kernels::ParameterRun;

/// Parameters that one call of a kernel steps: they share a dtype and how many steps they have made. bf16 parameters
/// step as f32 copies, which are rounded back afterwards.
struct Batch {
  DType dtype = DType::f32;
  int64_t step = 1;
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

void add(Batch& batch, const ParamUpdate& u) {
  Tensor param = u.param, grad = u.grad;
  if (param.dtype() == DType::bf16) {
    param = cast(detach(param), DType::f32);
    grad = cast(grad, DType::f32);
    batch.rounded.emplace_back(u.param, param);
    batch.kept.push_back(grad);
  }
  ParameterRun run{.theta = writable(param), .grad = readable(grad), .state = {}, .count = param.numel()};
  for (size_t i = 0; i < run.state.size(); ++i)
    if ((*u.state)[i].defined()) run.state[i] = writable((*u.state)[i]);
  batch.runs.push_back(run);
}

/// Calls step(dtype, t, runs) for the updates in batches; `same` tells apart what cannot share a call.
template <class Same, class Step>
void in_batches(std::span<ParamUpdate> updates, const Same& same, const Step& step) {
  std::map<std::pair<DType, int64_t>, Batch> batches;
  for (const ParamUpdate& u : updates) {
    const DType dtype = u.param.dtype() == DType::f64 ? DType::f64 : DType::f32;
    add(batches[{dtype, same(u)}], u);
  }
  for (auto& [key, batch] : batches) {
    step(key.first, key.second, std::span<const ParameterRun>(batch.runs));
    for (auto& [param, copy] : batch.rounded) copy_into(param, copy);
  }
}

int64_t step_of(const ParamUpdate& u) { return u.step; }

template <class Options>
void adam(const Options& o, bool decoupled, std::span<ParamUpdate> updates) {
  for (const ParamUpdate& u : updates) {
    u.need(0);
    u.need(1);
    if (o.amsgrad) u.need(2);
  }
  in_batches(updates, step_of, [&](DType dtype, int64_t t, std::span<const ParameterRun> runs) {
    kernels::adam_step({.lr = o.lr,
                        .beta1 = o.betas[0],
                        .beta2 = o.betas[1],
                        .eps = o.eps,
                        .weight_decay = o.weight_decay,
                        .amsgrad = o.amsgrad,
                        .decoupled = decoupled,
                        .maximize = o.maximize,
                        .t = t},
                       dtype, runs);
  });
}

constexpr std::string_view kSGDNames[] = {"momentum_buffer"};
constexpr std::string_view kAdagradNames[] = {"sum"};
constexpr std::string_view kAdamNames[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};

}  // namespace

std::span<const std::string_view> SGD::state_names() const { return kSGDNames; }
std::span<const std::string_view> Adagrad::state_names() const { return kAdagradNames; }
std::span<const std::string_view> Adam::state_names() const { return kAdamNames; }
std::span<const std::string_view> AdamW::state_names() const { return kAdamNames; }

void SGD::step_group(size_t group, std::span<ParamUpdate> updates) {
  const SGDOptions& o = options(group);
  std::map<const void*, bool> fresh;  // whose buffer is made in this step
  for (const ParamUpdate& u : updates) {
    fresh[u.state] = o.momentum != 0 && !(*u.state)[0].defined();
    if (o.momentum != 0) u.need(0);
  }
  in_batches(
      updates, [&](const ParamUpdate& u) { return static_cast<int64_t>(fresh[u.state]); },
      [&](DType dtype, int64_t first, std::span<const ParameterRun> runs) {
        kernels::sgd_step({.lr = o.lr,
                           .momentum = o.momentum,
                           .dampening = o.dampening,
                           .weight_decay = o.weight_decay,
                           .nesterov = o.nesterov,
                           .maximize = o.maximize,
                           .first = first != 0},
                          dtype, runs);
      });
}

void Adagrad::step_group(size_t group, std::span<ParamUpdate> updates) {
  const AdagradOptions& o = options(group);
  for (const ParamUpdate& u : updates) u.need(0, o.initial_accumulator_value);
  in_batches(updates, step_of, [&](DType dtype, int64_t t, std::span<const ParameterRun> runs) {
    kernels::adagrad_step({.lr = o.lr,
                           .lr_decay = o.lr_decay,
                           .weight_decay = o.weight_decay,
                           .eps = o.eps,
                           .maximize = o.maximize,
                           .t = t},
                          dtype, runs);
  });
}

void Adam::step_group(size_t group, std::span<ParamUpdate> updates) { adam(options(group), false, updates); }
void AdamW::step_group(size_t group, std::span<ParamUpdate> updates) { adam(options(group), true, updates); }

}  // namespace ingot
