#pragma once

#include "ingot/communicator.h"
#include "ingot/tensor.h"

// Collectives as ops: they differentiate, twice too, and are traced. What is differentiated is the sum of all ranks'
// outputs, so that each rank's gradient is that of the whole. All ranks call them, and their gradients, in one order.
namespace ingot {

/// The sum (or largest) of all ranks' x, of one shape. dx = sum of the ranks' gradients; of the largest, that sum goes
/// in equal parts to the ranks that have it.
Tensor all_reduce(const Tensor& x, ReduceOp op = ReduceOp::sum, GroupId group = kWorld);
/// All ranks' x, of one shape, as [ranks, x's shape]. dx = this rank's part of the sum of the ranks' gradients.
Tensor all_gather(const Tensor& x, GroupId group = kWorld);
/// This rank's part of the sum of all ranks' x [ranks, ...]. dx = all ranks' gradients.
Tensor reduce_scatter(const Tensor& x, GroupId group = kWorld);
/// Rank `root`'s x. dx = the sum of the ranks' gradients on `root`, 0 elsewhere.
Tensor broadcast(const Tensor& x, int root, GroupId group = kWorld);

}  // namespace ingot
