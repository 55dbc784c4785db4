#include "ingot/averaging.h"

#include <map>
#include <set>

#include "base/check.h"
#include "ingot/autograd.h"
#include "ingot/nn/norm.h"
#include "ingot/ops.h"
#include "nn/mode_scope.h"

namespace ingot {
namespace {

constexpr std::string_view kCount = "n_averaged", kPrefix = "module.";

void average(Tensor to, const Tensor& value, double share) {
  if (share == 1)
    copy_into(to, value);
  else
    copy_into(to, to * (1 - share) + value * share);
}

/// Batch norms that begin anew and average over all batches; their momenta are put back at the end.
class CumulativeStatistics {
 public:
  explicit CumulativeStatistics(Module& model) {
    for (Module* module : model.modules()) {
      auto* const norm = dynamic_cast<BatchNormBase*>(module);
      if (norm == nullptr || !norm->running_mean) continue;
      momenta_.emplace_back(norm, norm->options.momentum);
      norm->reset_running_stats();
      norm->options.momentum = std::nullopt;
    }
  }
  ~CumulativeStatistics() {
    for (const auto& [norm, momentum] : momenta_) norm->options.momentum = momentum;
  }
  CumulativeStatistics(const CumulativeStatistics&) = delete;
  CumulativeStatistics& operator=(const CumulativeStatistics&) = delete;

  bool any() const { return !momenta_.empty(); }

 private:
  std::vector<std::pair<BatchNormBase*, std::optional<double>>> momenta_;
};

}  // namespace

AveragedModel::AveragedModel(const Module& model, const AveragedModelOptions& options)
    : options_(options), module_(model.clone()) {
  CHECK(!options.ema_decay || (*options.ema_decay >= 0 && *options.ema_decay <= 1),
        "AveragedModel: ema_decay is {}, it must be in [0, 1]", options.ema_decay.value_or(0));
}

void AveragedModel::update_parameters(const Module& model) {
  const NoGrad no_grad;
  const TensorsByName own = module_->state_dict(), given = model.state_dict();
  const std::map<std::string, Tensor> shown(given.begin(), given.end());
  std::set<std::string> parameters;
  for (const auto& [name, x] : module_->named_parameters()) parameters.insert(name);
  CHECK(shown.size() == own.size(), "AveragedModel: the model has {} tensors, the average {}", shown.size(),
        own.size());
  for (const auto& [name, x] : own) {
    const auto it = shown.find(name);
    CHECK(it != shown.end(), "AveragedModel: the model has no '{}'", name);
    CHECK(it->second.shape() == x.shape(), "AveragedModel: '{}' of the model is {}, the average's is {}", name,
          to_string(it->second.shape()), to_string(x.shape()));
  }
  const double share = options_.ema_decay ? 1 - *options_.ema_decay : 1 / static_cast<double>(n_averaged_ + 1);
  for (const auto& [name, x] : own) {
    const bool averaged = parameters.contains(name) || (options_.use_buffers && is_floating(x.dtype()));
    average(x, shown.at(name), n_averaged_ == 0 || !averaged ? 1 : share);
  }
  ++n_averaged_;
}

TensorsByName AveragedModel::state_dict() const {
  TensorsByName out{{std::string(kCount), scalar(static_cast<double>(n_averaged_), DType::i64)}};
  for (const auto& [name, x] : module_->state_dict()) out.emplace_back(std::string(kPrefix) + name, x);
  return out;
}

void AveragedModel::load_state_dict(const TensorsByName& state) {
  std::optional<int64_t> count;
  TensorsByName model;
  for (const auto& [name, x] : state) {
    if (name == kCount) {
      CHECK(x.numel() == 1 && x.item<double>() >= 0, "AveragedModel: 'n_averaged' is no count");
      count = x.item<int64_t>();
      continue;
    }
    CHECK(name.starts_with(kPrefix), "AveragedModel: the state has '{}', which is neither '{}' nor below '{}'", name,
          kCount, kPrefix);
    model.emplace_back(name.substr(kPrefix.size()), x);
  }
  CHECK(count, "AveragedModel: the state has no '{}'", kCount);
  load(*count, model);
}

void AveragedModel::load(int64_t n_averaged, const TensorsByName& model) {
  module_->load_state_dict(model);
  n_averaged_ = n_averaged;
}

void update_bn(Module& model, const std::function<void(Module&)>& feed) {
  const NoGrad no_grad;
  const ModeScope training(model, true);
  const CumulativeStatistics cumulative(model);
  if (cumulative.any()) feed(model);
}

}  // namespace ingot
