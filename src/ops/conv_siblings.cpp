#include "ops/conv_siblings.h"

#include <algorithm>

#include "ops/attrs.h"
#include "ops/conv.h"
#include "ops/defs.h"
#include "ops/ops.h"

namespace ingot {
namespace {

void check_one_each(size_t given, size_t siblings, std::string_view what) {
  CHECK(given == 0 || given == siblings, "there are {} {} of {} siblings", given, what, siblings);
}

Results infer(const InferArgs& a) {
  const auto& c = a.as<ConvSiblingsAttrs>();
  const size_t count = siblings_of(a.in.size());
  CHECK(c.groups == 1, "siblings have one group, not {}", c.groups);
  check_one_each(c.activations.size(), count, "activations");
  check_one_each(c.alphas.size(), count, "alphas");
  Results out;
  for (size_t i = 0; i < count; ++i) {
    const size_t weight = weight_of_sibling(i);
    const auto operand = [&](size_t k) { return a.has(k) ? a.in[k] : Spec{.defined = false}; };
    const Spec operands[] = {a.in[0], a.in[weight], operand(weight + 1), operand(weight + 2)};
    const InferArgs sibling{operands, a.attrs};
    const Spec y = infer_conv2d(sibling, c);
    check_residual(sibling, 3, y);
    const Shape &first = a.in[weight_of_sibling(0)].shape, &own = a.in[weight].shape;
    CHECK(own[2] == first[2] && own[3] == first[3], "the weights {} and {} have kernels of two sizes", to_string(first),
          to_string(own));
    out.specs.push_back(y);
  }
  out.visible = count;
  return out;
}

size_t scratch(const EvalArgs& a) {
  size_t most = 0;
  for (const kernels::ConvArgs& sibling : conv2d_siblings_args(a))
    most = std::max(most, kernels::conv2d_scratch(sibling));
  return most;
}

void eval(const EvalArgs& a) {
  for (const kernels::ConvArgs& sibling : conv2d_siblings_args(a)) kernels::conv2d(sibling, a.scratch);
}

Tensors expand(const ExpandArgs& a) {
  Tensors out;
  for (size_t i = 0; i < siblings_of(a.in.size()); ++i) {
    const size_t weight = weight_of_sibling(i);
    out.push_back(expand_conv2d_fused(a.in[0], a.in[weight], a.input(weight + 1), a.input(weight + 2),
                                      a.as<ConvSiblingsAttrs>().of(i)));
  }
  return out;
}

}  // namespace

kernels::ConvArgs conv2d_sibling_args(const EvalArgs& a, size_t i) {
  const size_t weight = weight_of_sibling(i);
  const ConvFusedAttrs attrs = a.as<ConvSiblingsAttrs>().of(i);
  kernels::ConvArgs out{.x = a.in[0],
                        .weight = a.in[weight],
                        .bias = a.input(weight + 1),
                        .residual = a.input(weight + 2),
                        .geometry = attrs.geometry(),
                        .y = a.out[i]};
  set_activation(out, attrs.activation, attrs.alpha);
  return out;
}

SiblingArgs conv2d_siblings_args(const EvalArgs& a) {
  SiblingArgs out;
  for (size_t i = 0; i < siblings_of(a.in.size()); ++i) out.push_back(conv2d_sibling_args(a, i));
  return out;
}

const OpDef kConv2dSiblings{.name = "conv2d_siblings",
                            .attrs = &attrs_of<ConvSiblingsAttrs>,
                            .operands = {weight_of_sibling(1) + 1, weight_of_sibling(Results::kMost), 0b1101101101100},
                            .infer = infer,
                            .scratch = scratch,
                            .eval = eval,
                            .expand = expand};

}  // namespace ingot
