#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

Results infer(const InferArgs& a) {
  const auto dim = static_cast<size_t>(a.as<DimAttrs>().dim);
  Spec out = a.in[0];
  check_dim(a.as<DimAttrs>().dim, out.shape.size());
  for (const Spec& x : a.in.subspan(1)) {
    check_same_dtype(a.in[0], x);
    CHECK(x.shape.size() == out.shape.size(), "parts {} and {} differ in rank", to_string(out.shape),
          to_string(x.shape));
    for (size_t d = 0; d < out.shape.size(); ++d)
      CHECK(d == dim || equal_sizes(x.shape[d], out.shape[d]), "parts {} and {} differ outside dimension {}",
            to_string(a.in[0].shape), to_string(x.shape), dim);
    out.shape[dim] = out.shape[dim] + x.shape[dim];
  }
  return out;
}

void eval(const EvalArgs& a) {
  const auto dim = static_cast<int>(a.as<DimAttrs>().dim);
  int64_t start = 0;
  for (const Array& x : a.in) {
    kernels::copy(x, narrowed(a.out[0], dim, start, x.shape[dim]));
    start += x.shape[dim];
  }
}

Tensors vjp(const VjpArgs& a) {
  const int64_t dim = a.as<DimAttrs>().dim;
  Tensors out;
  Dim start = 0;
  for (size_t i = 0; i < a.in_specs.size(); ++i) {
    const Dim size = a.in_specs[i].shape[static_cast<size_t>(dim)];
    out.push_back(a.wants[i] ? apply(kSlice, {a.grad[0]}, SliceAttrs{dim, start, start + size, 1}) : Tensor());
    start = start + size;
  }
  return out;
}

}  // namespace

const OpDef kConcat{.name = "concat",
                    .attrs = &attrs_of<DimAttrs>,
                    .operands = {1, Operands::kAny},
                    .infer = infer,
                    .eval = eval,
                    .vjp = vjp,
                    .keeps = {.input_specs = true}};

Tensor concat(const std::vector<Tensor>& parts, int64_t dim) {
  CHECK(!parts.empty(), "[concat] there is nothing to concatenate");
  return apply(kConcat, parts, DimAttrs{wrap_dim(dim, parts[0].shape().size())});
}

Tensor stack(const std::vector<Tensor>& parts, int64_t dim) {
  CHECK(!parts.empty(), "[stack] there is nothing to stack");
  const int d = wrap_dim(dim, parts[0].shape().size() + 1);
  std::vector<Tensor> wide;
  for (const Tensor& x : parts) wide.push_back(unsqueeze(x, d));
  return concat(wide, d);
}

}  // namespace ingot
