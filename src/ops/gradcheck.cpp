#include <cmath>

#include "ops/ops.h"
#include "tensor/each_element.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

using Function = std::function<Tensors(const Tensors&)>;

/// sum_i <outputs[i], weights[i]> with fixed weights that no symmetry of an op hides behind.
Tensor project(const Tensors& outputs) {
  Tensor total;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].dtype() != DType::f64) continue;
    const Tensor weights = uniform(outputs[i].shape(), 0.5, 1.5, fold_in(random_key(1, "gradcheck"), i));
    const Tensor term = sum(outputs[i] * cast(weights, DType::f64));
    total = total.defined() ? total + term : term;
  }
  CHECK(total.defined(), "gradcheck: the function has no f64 result");
  return total;
}

Tensors leaves_like(const Tensors& inputs) {
  Tensors leaves;
  for (const Tensor& x : inputs) {
    leaves.push_back(x.dtype() == DType::f64 ? detach(x) : x);
    if (x.dtype() == DType::f64) leaves.back().set_requires_grad();
  }
  return leaves;
}

Tensors differentiable(const Tensors& leaves) {
  Tensors out;
  for (const Tensor& x : leaves)
    if (x.requires_grad()) out.push_back(x);
  return out;
}

/// First derivatives as a function, for checking the second ones. What does not depend on an input gives nothing.
Function derivative(const Function& fn) {
  return [fn](const Tensors& inputs) {
    Tensors leaves = inputs;
    for (Tensor& x : leaves)
      if (x.dtype() == DType::f64 && !x.requires_grad()) x = detach(x).set_requires_grad();
    Tensors out;
    for (const Tensor& g : grad({project(fn(leaves))}, differentiable(leaves), {}, {.create_graph = true}))
      if (g.defined()) out.push_back(g);
    return out;
  };
}

void check_first(const Function& fn, const Tensors& inputs, const GradcheckOptions& options, std::string_view what) {
  const Tensors leaves = leaves_like(inputs);
  const Tensor value = project(fn(leaves));
  Tensors gradients(differentiable(leaves).size());
  if (value.requires_grad()) gradients = grad({value}, differentiable(leaves));
  size_t which = 0;
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (!leaves[i].requires_grad()) continue;
    const Tensor& analytic = gradients[which++];
    const auto expected = analytic.defined() ? analytic.to_vector<double>()
                                             : std::vector<double>(static_cast<size_t>(leaves[i].numel().value()), 0.0);
    auto* data = array_of(leaves[i]).as<double>();
    each_element(array_of(leaves[i]), [&](int64_t position, int64_t at) {
      const double x = data[at];
      data[at] = x + options.eps;
      const double above = project(fn(inputs)).item<double>();
      data[at] = x - options.eps;
      const double below = project(fn(inputs)).item<double>();
      data[at] = x;
      const double numeric = (above - below) / (2 * options.eps), a = expected[static_cast<size_t>(position)];
      CHECK(std::fabs(a - numeric) <= options.atol + options.rtol * std::fabs(numeric),
            "gradcheck: {} gradient of input {} {} at element {}: {:.9g} by backward, {:.9g} by differences", what, i,
            to_string(leaves[i].shape()), position, a, numeric);
    });
  }
}

}  // namespace

void gradcheck(const Function& fn, const Tensors& inputs, const GradcheckOptions& options) {
  check_first(fn, inputs, options, "first");
  if (options.second) check_first(derivative(fn), inputs, options, "second");
}

}  // namespace ingot
