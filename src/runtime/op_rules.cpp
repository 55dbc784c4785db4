#include "runtime/op_rules.h"

#include <algorithm>
#include <iterator>

namespace ingot {
namespace {

constexpr OpRule unary(std::string_view op) { return {.op = op, .in_place = 0b1, .elementwise = true}; }
constexpr OpRule binary(std::string_view op) { return {.op = op, .in_place = 0b11, .elementwise = true}; }
constexpr OpRule plain(std::string_view op) { return {.op = op}; }
constexpr OpRule convolution(std::string_view op, unsigned in_place = 0) {
  return {.op = op, .in_place = in_place, .wants_dense = true, .varies = true};
}
constexpr OpRule product(std::string_view op) { return {.op = op, .varies = true}; }

// scatter_add is missing: it writes to places that data names.
constexpr OpRule kRules[] = {
    unary("relu"),
    unary("relu6"),
    unary("leaky_relu"),
    unary("elu"),
    unary("sigmoid"),
    unary("tanh"),
    unary("silu"),
    unary("gelu"),
    unary("hardswish"),
    unary("hardsigmoid"),
    unary("mish"),
    unary("neg"),
    unary("abs"),
    unary("sign"),
    unary("square"),
    unary("sqrt"),
    unary("rsqrt"),
    unary("exp"),
    unary("expm1"),
    unary("log"),
    unary("log1p"),
    unary("reciprocal"),
    unary("floor"),
    unary("erf"),
    unary("softplus"),
    unary("clamp"),
    binary("activation_grad"),
    plain("cast"),
    plain("contiguous"),
    plain("dropout"),
    binary("add"),
    binary("sub"),
    binary("mul"),
    binary("div"),
    binary("pow"),
    binary("maximum"),
    binary("minimum"),
    plain("eq"),
    plain("ne"),
    plain("lt"),
    plain("le"),
    plain("gt"),
    plain("ge"),
    {.op = "where", .in_place = 0b110, .elementwise = true},
    plain("concat"),
    convolution("conv2d"),
    convolution("conv2d_fused", 0b1000),
    convolution("conv2d_depthwise_pointwise", 0b100000),
    convolution("conv2d_siblings"),
    convolution("conv2d_grad_input"),
    convolution("conv2d_grad_weight"),
    product("matmul"),
    product("linear"),
    product("linear_fused"),
    {.op = "batch_norm", .in_place = 0b1},
    {.op = "batch_norm_relu", .in_place = 0b1},
    plain("batch_norm_train"),
    plain("batch_norm_train_fused"),
    plain("batch_norm_grad"),
    plain("layer_norm"),
    plain("layer_norm_grad"),
    plain("max_pool2d_grad"),
    plain("max_pool2d"),
    plain("avg_pool2d"),
    plain("avg_pool2d_grad"),
    plain("adaptive_avg_pool2d"),
    plain("adaptive_avg_pool2d_grad"),
    plain("pad"),
    plain("gather"),
    plain("sum"),
    plain("mean"),
    plain("amax"),
    plain("amin"),
    plain("argmax"),
    plain("size"),
    plain("reshape"),
    plain("permute"),
    plain("expand"),
    plain("slice"),
    plain("slice_grad"),
    plain("softmax"),
    plain("log_softmax"),
    plain("softmax_grad"),
    plain("log_softmax_grad"),
    plain("cross_entropy"),
    plain("cross_entropy_grad"),
};

}  // namespace

const OpRule* rule_of(std::string_view op) {
  const auto it = std::find_if(std::begin(kRules), std::end(kRules), [&](const OpRule& r) { return r.op == op; });
  return it == std::end(kRules) ? nullptr : &*it;
}

}  // namespace ingot
