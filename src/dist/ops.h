#pragma once

#include "autograd/op_def.h"
#include "ingot/communicator.h"

namespace ingot {

/// Every op of this folder: find_op knows those of ops alone.
extern const OpDef kAllReduce, kAllGather, kReduceScatter, kBroadcast, kBatchNormStats, kGatherMerge, kBatchNormApply,
    kSyncBatchNorm, kSyncBatchNormGrad;

struct GroupAttrs {
  GroupId group = kWorld;
  static constexpr auto fields = std::tuple{field("group", &GroupAttrs::group)};
};
struct AllReduceAttrs : GroupAttrs {
  bool max = false;
  static constexpr auto fields = std::tuple_cat(GroupAttrs::fields, std::tuple{field("max", &AllReduceAttrs::max)});
};
struct BroadcastAttrs : GroupAttrs {
  int64_t root = 0;
  static constexpr auto fields = std::tuple_cat(GroupAttrs::fields, std::tuple{field("root", &BroadcastAttrs::root)});
};
struct SyncBatchNormAttrs : GroupAttrs {
  double eps = 1e-5;
  bool relu = false;
  static constexpr auto fields = std::tuple_cat(
      GroupAttrs::fields, std::tuple{field("eps", &SyncBatchNormAttrs::eps), field("relu", &SyncBatchNormAttrs::relu)});
};
struct SyncBatchNormGradAttrs : SyncBatchNormAttrs {
  bool residual = false;
  static constexpr auto fields =
      std::tuple_cat(SyncBatchNormAttrs::fields, std::tuple{field("residual", &SyncBatchNormGradAttrs::residual)});
};

}  // namespace ingot
