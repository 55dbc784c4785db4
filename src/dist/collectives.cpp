#include "ingot/collectives.h"

#include <cstring>

#include "dist/ops.h"
#include "ingot/ops.h"
#include "kernels/elementwise.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

size_t bytes_of(const Array& a) { return static_cast<size_t>(a.numel()) * size_of(a.dtype); }

/// A row-major array of x's shape.
Array dense(const Array& x, void* data) {
  Array out{.data = data, .dtype = x.dtype, .rank = x.rank, .shape = x.shape};
  int64_t stride = 1;
  for (int i = x.rank - 1; i >= 0; --i) {
    out.strides[static_cast<size_t>(i)] = stride;
    stride *= x.shape[static_cast<size_t>(i)];
  }
  return out;
}

/// Ranks may hold one shape in different layouts: what travels is row-major.
struct Buffers {
  Array in, out;
  explicit Buffers(const EvalArgs& a)
      : in(dense(a.in[0], a.scratch)), out(dense(a.out[0], static_cast<std::byte*>(a.scratch) + bytes_of(a.in[0]))) {
    kernels::copy(a.in[0], in);
  }
};
size_t scratch(const EvalArgs& a) { return bytes_of(a.in[0]) + bytes_of(a.out[0]); }

void eval_all_reduce(const EvalArgs& a) {
  const auto& attrs = a.as<AllReduceAttrs>();
  const Buffers b(a);
  group(attrs.group).all_reduce(b.in.data, b.in.numel(), b.in.dtype, attrs.max ? ReduceOp::max : ReduceOp::sum).wait();
  kernels::copy(b.in, a.out[0]);
}

Tensors vjp_all_reduce(const VjpArgs& a) {
  const auto& attrs = a.as<AllReduceAttrs>();
  const Tensor g = all_reduce(a.grad[0], ReduceOp::sum, attrs.group);
  if (!attrs.max) return {g};
  const Tensor mine = cast(eq(a.in[0], a.out[0]), g.dtype());
  return {g * mine / all_reduce(mine, ReduceOp::sum, attrs.group)};
}

Results infer_all_gather(const InferArgs& a) {
  Shape shape{group(a.as<GroupAttrs>().group).size()};
  for (const Dim d : a.in[0].shape) shape.push_back(d);
  return Spec{.shape = shape, .dtype = a.in[0].dtype};
}
void eval_all_gather(const EvalArgs& a) {
  const Buffers b(a);
  group(a.as<GroupAttrs>().group).all_gather(b.in.data, b.out.data, b.in.numel(), b.in.dtype).wait();
  kernels::copy(b.out, a.out[0]);
}
Tensors vjp_all_gather(const VjpArgs& a) { return {reduce_scatter(a.grad[0], a.as<GroupAttrs>().group)}; }

Results infer_reduce_scatter(const InferArgs& a) {
  const int ranks = group(a.as<GroupAttrs>().group).size();
  const Shape& x = a.in[0].shape;
  CHECK(x.size() >= 1 && x[0] == ranks, "x must be [{},...], a part for each rank, it is {}", ranks, to_string(x));
  Shape part;
  for (size_t i = 1; i < x.size(); ++i) part.push_back(x[i]);
  return Spec{.shape = part, .dtype = a.in[0].dtype};
}
void eval_reduce_scatter(const EvalArgs& a) {
  const Buffers b(a);
  group(a.as<GroupAttrs>().group).reduce_scatter(b.in.data, b.out.data, b.out.numel(), b.in.dtype).wait();
  kernels::copy(b.out, a.out[0]);
}
Tensors vjp_reduce_scatter(const VjpArgs& a) { return {all_gather(a.grad[0], a.as<GroupAttrs>().group)}; }

void eval_broadcast(const EvalArgs& a) {
  const auto& attrs = a.as<BroadcastAttrs>();
  const Buffers b(a);
  group(attrs.group).broadcast(b.in.data, b.in.numel(), b.in.dtype, static_cast<int>(attrs.root)).wait();
  kernels::copy(b.in, a.out[0]);
}
Tensors vjp_broadcast(const VjpArgs& a) {
  const auto& attrs = a.as<BroadcastAttrs>();
  const Tensor g = all_reduce(a.grad[0], ReduceOp::sum, attrs.group);
  return {group(attrs.group).rank() == attrs.root ? g : g * 0.0};
}

Results infer_same(const InferArgs& a) { return Spec{.shape = a.in[0].shape, .dtype = a.in[0].dtype}; }

}  // namespace

const OpDef kAllReduce{.name = "all_reduce",
                       .attrs = &attrs_of<AllReduceAttrs>,
                       .infer = infer_same,
                       .scratch = scratch,
                       .eval = eval_all_reduce,
                       .vjp = vjp_all_reduce,
                       .keeps = {.inputs = {0}, .outputs = {0}}};
const OpDef kAllGather{.name = "all_gather",
                       .attrs = &attrs_of<GroupAttrs>,
                       .infer = infer_all_gather,
                       .scratch = scratch,
                       .eval = eval_all_gather,
                       .vjp = vjp_all_gather};
const OpDef kReduceScatter{.name = "reduce_scatter",
                           .attrs = &attrs_of<GroupAttrs>,
                           .infer = infer_reduce_scatter,
                           .scratch = scratch,
                           .eval = eval_reduce_scatter,
                           .vjp = vjp_reduce_scatter};
const OpDef kBroadcast{.name = "broadcast",
                       .attrs = &attrs_of<BroadcastAttrs>,
                       .infer = infer_same,
                       .scratch = scratch,
                       .eval = eval_broadcast,
                       .vjp = vjp_broadcast};

Tensor all_reduce(const Tensor& x, ReduceOp op, GroupId group) {
  return apply(kAllReduce, {x}, AllReduceAttrs{{group}, op == ReduceOp::max});
}
Tensor all_gather(const Tensor& x, GroupId group) { return apply(kAllGather, {x}, GroupAttrs{group}); }
Tensor reduce_scatter(const Tensor& x, GroupId group) { return apply(kReduceScatter, {x}, GroupAttrs{group}); }
Tensor broadcast(const Tensor& x, int root, GroupId group) {
  return apply(kBroadcast, {x}, BroadcastAttrs{{group}, root});
}

}  // namespace ingot
