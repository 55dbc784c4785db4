#pragma once

#include "ingot/communicator.h"
#include "ingot/nn/norm.h"

namespace ingot {

/// Batch norm over the batches of all ranks of a group: in training it normalises with the mean and variance of all
/// their values together, and the gradient goes through these. Ranks may have batches of any size, also empty ones, and
/// all of them call the layer, forward and backward: one all-gather and one all-reduce each. In eval() it is BatchNorm,
/// and it is traced as that. The gradients of weight and bias are the rank's part: what sums the gradients over the
/// ranks sums these once. Peng et al. 2018 (MegDet); statistics are merged after Chan, Golub & LeVeque 1979.
/// x [N,C,...] of any rank from 2 on. Where one rank has the only value of a channel, the running variance stays.
class SyncBatchNorm : public ModuleOf<SyncBatchNorm, BatchNormBase> {
 public:
  explicit SyncBatchNorm(int64_t num_features, const BatchNormOptions& options = {}, GroupId group = kWorld);

 protected:
  void check_rank(const Tensor& x) const override;
};

/// Makes every batch norm of the module, itself too, one that is synchronised over the group: in place, so that names,
/// parameters, buffers and hooks stay. Returns how many there are.
int convert_sync_batchnorm(Module& module, GroupId group = kWorld);

}  // namespace ingot
