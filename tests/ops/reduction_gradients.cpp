#include "ops/gradient_cases.h"

namespace ingot::test {
namespace {

using Reduction = Tensor (*)(const Tensor&, std::vector<int64_t>, bool);

GradientCases reduction(std::string name, Reduction f) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Shape shape = c.shape(0, 5);
            const Operand x = c.operand(shape);
            const auto dims = c.dims(static_cast<int64_t>(shape.size()));
            const bool keepdim = c.chance();
            return [=](const Operands& in) { return f(in[x], dims, keepdim); };
          }};
}

Body draw_var(RandomCase& c) {
  const Shape shape = c.shape(0, 5);
  const Operand x = c.operand(shape);
  const auto dims = c.dims(static_cast<int64_t>(shape.size()));
  int64_t count = dims.empty() ? numel(shape).value() : 1;
  for (const int64_t d : dims) count *= shape[static_cast<size_t>(wrap_dim(d, shape.size()))].value();
  const int64_t correction = count > 1 ? c.number(0, 1) : 0;
  const bool keepdim = c.chance();
  return [=](const Operands& in) { return var(in[x], dims, correction, keepdim); };
}

GradientCases along_one(std::string name, Tensor (*f)(const Tensor&, int64_t)) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Shape shape = c.shape(1, 5);
            const Operand x = c.operand(shape);
            const int64_t dim = c.dim(static_cast<int64_t>(shape.size()));
            return [=](const Operands& in) { return f(in[x], dim); };
          }};
}

}  // namespace

std::vector<GradientCases> reduction_gradients() {
  return {
      reduction("sum", sum),
      reduction("mean", mean),
      reduction("amax", amax),
      reduction("amin", amin),
      {"var", draw_var},
      along_one("softmax", softmax),
      along_one("log_softmax", log_softmax),
  };
}

}  // namespace ingot::test
