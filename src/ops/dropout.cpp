#include "kernels/dropout.h"

#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"

namespace ingot {
namespace {

Results infer(const InferArgs& a) {
  check_floating(a.in[0]);
  CHECK(a.as<DropoutAttrs>().p >= 0 && a.as<DropoutAttrs>().p <= 1, "p is {}, it must be between 0 and 1",
        a.as<DropoutAttrs>().p);
  return a.in[0];
}

void eval(const EvalArgs& a) {
  const auto& d = a.as<DropoutAttrs>();
  kernels::dropout(a.in[0], d.p, RandomKey{d.key}, d.counter, a.out[0]);
}

// The mask is a function of key and counter: nothing is saved, the gradient is masked alike.
Tensors vjp(const VjpArgs& a) { return {apply(kDropout, {a.grad[0]}, a.attrs)}; }

}  // namespace

const OpDef kDropout{.name = "dropout", .attrs = &attrs_of<DropoutAttrs>, .infer = infer, .eval = eval, .vjp = vjp};

Tensor dropout(const Tensor& x, double p, RandomKey key, uint64_t counter) {
  return apply(kDropout, {x}, DropoutAttrs{p, key.value, counter});
}

}  // namespace ingot
