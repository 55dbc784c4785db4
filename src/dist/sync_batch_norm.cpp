#include "ingot/sync_batch_norm.h"

#include "dist/sync_batch_norm.h"
#include "ingot/ops.h"
#include "nn/refuse.h"

namespace ingot {
namespace {

class GroupSync : public BatchSync {
 public:
  explicit GroupSync(GroupId group) : group_(group) {}

  std::optional<Result> normalise(const Tensor& x, const std::optional<Tensor>& weight,
                                  const std::optional<Tensor>& bias, const std::optional<Tensor>& residual,
                                  bool with_relu, double eps) const override {
    if (group(group_).size() == 1) return std::nullopt;
    const auto [y, stats] = sync_batch_norm(x, weight, bias, residual, with_relu, eps, group_);
    if (stats.is_abstract()) return Result{.y = y, .mean = stats, .var = stats};
    const NoGrad no_grad;
    const auto row = [&stats = stats](int64_t i) { return reshape(slice(stats, 0, i, i + 1), {stats.size(1)}); };
    const auto count = static_cast<int64_t>(*stats.data<double>());
    return Result{
        .y = y, .mean = row(1), .var = row(2) / static_cast<double>(std::max<int64_t>(count, 1)), .count = count};
  }

 private:
  GroupId group_;
};

}  // namespace

SyncBatchNorm::SyncBatchNorm(int64_t num_features, const BatchNormOptions& options, GroupId group)
    : ModuleOf(num_features, options) {
  set_sync(std::make_shared<GroupSync>(group));
}

void SyncBatchNorm::check_rank(const Tensor& x) const {
  require(x.rank() >= 2, type_name(), "x is {}, it must be [N,C,...]", to_string(x.shape()));
}

int convert_sync_batchnorm(Module& module, GroupId group) {
  const auto sync = std::make_shared<GroupSync>(group);
  int count = 0;
  module.apply([&](Module& m) {
    if (auto* const norm = dynamic_cast<BatchNormBase*>(&m)) norm->set_sync(sync), ++count;
  });
  return count;
}

}  // namespace ingot
