#include "autograd/tape.h"
#include "kernels/elementwise.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

Tensor own(Tensor&& grad, Layout layout) {
  const bool alone = grad.impl().use_count() == 1 && (grad.is_abstract() || grad.impl()->storage.use_count() == 1);
  if (grad.is_abstract() || (alone && is_dense(grad.shape(), grad.strides(), layout))) return detach(grad);
  Tensor out = empty(grad.shape(), grad.dtype(), layout);
  kernels::copy(array_of(grad), array_of(out));
  return out;
}

void add_into(Tensor& sum, const Tensor& term) {
  if (sum.is_abstract()) {
    sum = add(sum, term);
    return;
  }
  CHECK(sum.dtype() == term.dtype(), "the gradient is {}, the leaf's grad() is {}", name_of(term.dtype()),
        name_of(sum.dtype()));
  kernels::binary(kernels::Binary::add, array_of(sum), array_of(term), array_of(sum));
  sum.count_write();
}

constexpr GradOps kGradOps{.add = add, .add_into = add_into, .own = own};

TapeOptions tape_options(const BackwardOptions& o) { return {o.retain_graph, o.create_graph, o.on_start}; }

Tensor seed_for(const Tensor& y, const Tensor& grad) {
  if (grad.defined()) return grad;
  CHECK(y.defined() && (y.rank() == 0 || y.numel() == 1),
        "backward from a tensor of more than one element needs a gradient of its shape");
  return ones(y.shape(), y.dtype());
}

}  // namespace

void backward(const Tensor& output, const Tensor& grad, const BackwardOptions& options) {
  const Tensor seed = seed_for(output, grad);
  run_backward({&output, 1}, {&seed, 1}, tape_options(options), kGradOps);
}

Tensors grad(const Tensors& outputs, const Tensors& inputs, const Tensors& grads, const BackwardOptions& options) {
  CHECK(grads.empty() || grads.size() == outputs.size(), "grad() has {} outputs and {} gradients", outputs.size(),
        grads.size());
  Tensors seeds;
  for (size_t i = 0; i < outputs.size(); ++i)
    seeds.push_back(seed_for(outputs[i], grads.empty() ? Tensor() : grads[i]));
  return run_grad(outputs, inputs, seeds, tape_options(options), kGradOps);
}

void copy_into(Tensor& to, const Tensor& from) {
  const Array y = array_of(to), x = array_of(from);
  CHECK(broadcast_shapes(from.shape(), to.shape()) == to.shape(), "{} cannot be copied into {}",
        to_string(from.shape()), to_string(to.shape()));
  kernels::copy(broadcast_to(x, y), y);
  to.count_write();
}

void fill(Tensor& x, double value) {
  kernels::fill(array_of(x), value);
  x.count_write();
}

}  // namespace ingot
