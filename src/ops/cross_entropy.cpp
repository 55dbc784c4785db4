#include "kernels/cross_entropy.h"

#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

DType stats_dtype(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

kernels::CrossEntropy options_of(const Attrs& attrs) {
  const auto& a = attrs.get<CrossEntropyAttrs>();
  return {a.ignore_index, a.label_smoothing};
}

/// The spec of what there is one of for each target. Checks x, the target and, where it is given, the weight.
Spec check_classes(const InferArgs& a, size_t weight) {
  const Spec &x = a.in[0], &target = a.in[1];
  check_floating(x);
  CHECK(x.shape.size() >= 2, "the scores must be [N,C,...], they are {}", to_string(x.shape));
  Shape wanted = x.shape;
  wanted.erase(1);
  CHECK(target.dtype == DType::i64, "class indices must be i64, the target is {}", name_of(target.dtype));
  CHECK(equal_shapes(target.shape, wanted), "the target {} must be {} for scores {}", to_string(target.shape),
        to_string(wanted), to_string(x.shape));
  if (a.has(weight)) {
    CHECK(a.in[weight].shape == Shape{x.shape[1]}, "the class weights {} must be [{}]", to_string(a.in[weight].shape),
          x.shape[1].str());
    check_same_dtype(x, a.in[weight]);
  }
  return {.shape = target.shape, .dtype = x.dtype, .layout = target.layout};
}

Results infer(const InferArgs& a) {
  const Spec each = check_classes(a, 2);
  Spec stats = each;
  stats.dtype = stats_dtype(each.dtype);
  return Results({each, each, stats, stats}, 2);  // loss, weight; saved: max, log_sum
}

void eval(const EvalArgs& a) {
  kernels::cross_entropy(a.in[0], a.in[1], a.input(2), options_of(a.attrs), a.out[0], a.out[1], a.out[2], a.out[3]);
}

// x, target, max, log_sum, g, class weight or none -> dx
Tensors vjp(const VjpArgs& a) {
  CHECK(a.wants.size() < 3 || !a.wants[2], "class weights that want a gradient go by plain ops");
  if (!a.grad[0].defined()) return {};
  const Tensor weight = a.in.size() > 2 ? a.in[2] : Tensor();
  Tensors grads{apply(kCrossEntropyGrad, {a.in[0], a.in[1], a.saved[0], a.saved[1], a.grad[0], weight}, a.attrs)};
  grads.resize(a.wants.size());
  return grads;
}

/// Which targets count, and the others' place taken by class 0.
struct Targets {
  Tensor counts, index;

  Targets(const Tensor& target, int64_t ignore_index)
      : counts(ne(target, static_cast<double>(ignore_index))), index(target * cast(counts, DType::i64)) {}

  Tensor weights(const Tensor& class_weight, DType dtype) const {
    Tensor mask = cast(counts, dtype);
    if (!class_weight.defined()) return mask;
    return reshape(gather(class_weight, 0, reshape(index, {-1})), counts.shape()) * mask;
  }
};

Tensors expand(const ExpandArgs& a) {
  const Tensor weight = a.input(2);
  const ClassLoss loss =
      nll_elements(log_softmax(a.in[0], 1), a.in[1], weight.defined() ? std::optional(weight) : std::nullopt,
                   a.as<CrossEntropyAttrs>());
  return {loss.loss, detach(loss.weight)};
}

Results infer_grad(const InferArgs& a) {
  const Spec each = check_classes(a, 5);
  for (const size_t i : {2, 3})
    CHECK(a.in[i].dtype == stats_dtype(each.dtype) && equal_shapes(a.in[i].shape, each.shape),
          "statistics must be {}{}", name_of(stats_dtype(each.dtype)), to_string(each.shape));
  check_same_dtype(each, a.in[4]);
  CHECK(equal_shapes(a.in[4].shape, each.shape), "the gradient {} must be {}", to_string(a.in[4].shape),
        to_string(each.shape));
  return a.in[0];
}

void eval_grad(const EvalArgs& a) {
  kernels::cross_entropy_grad(a.in[0], a.in[1], a.input(5), a.in[2], a.in[3], a.in[4], options_of(a.attrs), a.out[0]);
}

// With e the smoothing, w the class weights and W their sum, p = softmax(x) and t the target:
//   dx[c] = g (p[c] ((1 - e) w[t] + e W / C) - [c = t] (1 - e) w[t] - e w[c] / C)
Tensors expand_grad(const ExpandArgs& a) {
  const Tensor &x = a.in[0], weight = a.input(5);
  const auto& attrs = a.as<CrossEntropyAttrs>();
  const Targets targets(a.in[1], attrs.ignore_index);
  std::vector<int64_t> classes_second{0, x.rank() - 1};
  for (int64_t d = 1; d + 1 < x.rank(); ++d) classes_second.push_back(d);
  const Tensor is_target = permute(one_hot(targets.index, x.size(1), x.dtype()), classes_second);

  const Tensor g = where(targets.counts, a.in[4], scalar(0, x.dtype()));
  const Tensor of_target = unsqueeze(g * targets.weights(weight, x.dtype()) * (1 - attrs.label_smoothing), 1);
  const Tensor of_each = unsqueeze(g, 1) * attrs.label_smoothing / size_tensor(x.size(1), x.dtype());
  const Tensor total = weight.defined() ? sum(weight) : size_tensor(x.size(1), x.dtype());
  const Tensor each = weight.defined() ? of_each * per_channel(weight, x.rank()) : of_each;
  return {softmax(x, 1) * (of_target + of_each * total) - is_target * of_target - each};
}

}  // namespace

const OpDef kCrossEntropy{.name = "cross_entropy",
                          .attrs = &attrs_of<CrossEntropyAttrs>,
                          .operands = {2, 3, 0b100},
                          .infer = infer,
                          .eval = eval,
                          .vjp = vjp,
                          .keeps = {.inputs = {0, 1, 2}, .saved = {0, 1}},
                          .expand = expand};
const OpDef kCrossEntropyGrad{.name = "cross_entropy_grad",
                              .attrs = &attrs_of<CrossEntropyAttrs>,
                              .operands = {5, 6, 0b100000},
                              .infer = infer_grad,
                              .eval = eval_grad,
                              .expand = expand_grad};

ClassLoss nll_elements(const Tensor& log_p, const Tensor& target, const std::optional<Tensor>& class_weight,
                       const CrossEntropyAttrs& attrs) {
  const Targets targets(target, attrs.ignore_index);
  const Tensor none = scalar(0, log_p.dtype());
  const Tensor weights = targets.weights(class_weight.value_or(Tensor()), log_p.dtype());
  const Tensor own = squeeze(gather(log_p, 1, unsqueeze(targets.index, 1)), 1);
  Tensor loss = where(targets.counts, -(weights * own), none);
  if (attrs.label_smoothing > 0) {
    const Tensor weighted = class_weight ? log_p * per_channel(*class_weight, log_p.rank()) : log_p;
    const Tensor each = where(targets.counts, -sum(weighted, {1}), none) / size_tensor(log_p.size(1), log_p.dtype());
    loss = loss * (1 - attrs.label_smoothing) + each * attrs.label_smoothing;
  }
  return {loss, weights};
}

ClassLoss cross_entropy_elements(const Tensor& x, const Tensor& target, const std::optional<Tensor>& class_weight,
                                 const CrossEntropyAttrs& attrs) {
  if (class_weight && class_weight->requires_grad())
    return nll_elements(log_softmax(x, 1), target, class_weight, attrs);
  const Tensors out = apply_all(kCrossEntropy, {x, target, class_weight.value_or(Tensor())}, attrs);
  return {out[0], detach(out[1])};
}

}  // namespace ingot
