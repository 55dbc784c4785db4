#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"

namespace ingot {
namespace {

Results infer(const InferArgs& a) {
  const auto& pads = a.as<PadAttrs>();
  Spec out = a.in[0];
  CHECK(pads.before.size() == out.shape.size() && pads.after.size() == out.shape.size(),
        "{} and {} numbers are given for {}", pads.before.size(), pads.after.size(), to_string(out.shape));
  for (size_t d = 0; d < out.shape.size(); ++d) {
    out.shape[d] = out.shape[d] + pads.before[d] + pads.after[d];
    if (out.shape[d].is_number())
      CHECK(out.shape[d].value() >= 0, "padding {} and {} leaves nothing of dimension {} of {}", pads.before[d],
            pads.after[d], d, to_string(a.in[0].shape));
  }
  return out;
}

// Negative padding cuts: both arrays lose what the other lacks.
void eval(const EvalArgs& a) {
  const auto& pads = a.as<PadAttrs>();
  Array from = a.in[0], to = a.out[0];
  kernels::fill(to, pads.value);
  for (int d = 0; d < from.rank; ++d) {
    const int64_t before = pads.before[static_cast<size_t>(d)], after = pads.after[static_cast<size_t>(d)];
    const int64_t kept = from.shape[d] + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0);
    if (kept <= 0) return;
    from = narrowed(from, d, std::max<int64_t>(-before, 0), kept);
    to = narrowed(to, d, std::max<int64_t>(before, 0), kept);
  }
  kernels::copy(from, to);
}

Tensors vjp(const VjpArgs& a) {
  const auto& pads = a.as<PadAttrs>();
  std::vector<int64_t> before, after;
  for (size_t d = 0; d < pads.before.size(); ++d) before.push_back(-pads.before[d]), after.push_back(-pads.after[d]);
  return {pad(a.grad[0], before, after)};
}

}  // namespace

const OpDef kPad{.name = "pad", .attrs = &attrs_of<PadAttrs>, .infer = infer, .eval = eval, .vjp = vjp};

Tensor pad(const Tensor& x, std::vector<int64_t> before, std::vector<int64_t> after, double value) {
  const auto rank = static_cast<size_t>(x.rank());
  CHECK(before.size() == rank && after.size() == rank,
        "[pad] {} and {} numbers are given, the tensor has {} dimensions", before.size(), after.size(), rank);
  return apply(kPad, {x}, PadAttrs{std::move(before), std::move(after), value});
}

}  // namespace ingot
