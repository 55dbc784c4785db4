#pragma once

#include <functional>
#include <memory>

#include "ingot/communicator.h"
#include "ingot/losses.h"
#include "ingot/module.h"

namespace ingot {

/// Data parallel training whose bits do not depend on the number of ranks: 1 rank of 64 images, 2 of 32 and 4 of 16
/// give the same. The batch is cut into shards of equal size, each of which is computed by one thread as a rank of its
/// own; batch norms are synchronised over all shards, and the gradients of each parameter are gathered and added up in
/// the order of the shards. It sends every shard's gradients where DataParallel sends sums: see traffic().
class ShardedParallel {
 public:
  /// `shards`: of this rank, as many as on every other. Copies rank 0's values to all. Throws Error where a batch norm
  /// is not synchronised, naming it.
  ShardedParallel(Module& module, int64_t shards, GroupId group = kWorld);
  ~ShardedParallel();
  ShardedParallel(const ShardedParallel&) = delete;
  ShardedParallel& operator=(const ShardedParallel&) = delete;

  /// Forward of one shard, on a thread of its own: called with the module, or a copy that shares its parameters.
  using Forward = std::function<LossSum(Module& module, int64_t shard)>;
  /// The mean loss over all ranks' shards; gradients of the module's parameters as DataParallel::backward leaves them.
  double backward(const Forward& forward);

  /// What it sent for gradients.
  Traffic traffic() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot
