#include "runtime/op_rules.h"

#include <algorithm>
#include <iterator>

namespace ingot {
namespace {

constexpr int kAny = -1;

constexpr OpRule unary(std::string_view op) { return {.op = op, .in_place = 0b1, .elementwise = true}; }
constexpr OpRule binary(std::string_view op) {
  return {.op = op, .least = 2, .most = 2, .in_place = 0b11, .elementwise = true};
}
constexpr OpRule plain(std::string_view op, int least = 1, int most = 1, unsigned optional = 0) {
  return {.op = op, .least = least, .most = most, .optional = optional};
}
constexpr OpRule convolution(std::string_view op, int least, int most, unsigned optional = 0, unsigned in_place = 0) {
  return {.op = op, .least = least, .most = most, .optional = optional, .in_place = in_place, .wants_dense = true};
}

// max_pool2d_grad and scatter_add are missing: they write to places that data names.
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
    unary("log"),
    unary("reciprocal"),
    unary("floor"),
    unary("erf"),
    unary("clamp"),
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
    plain("eq", 2, 2),
    plain("ne", 2, 2),
    plain("lt", 2, 2),
    plain("le", 2, 2),
    plain("gt", 2, 2),
    plain("ge", 2, 2),
    {.op = "where", .least = 3, .most = 3, .in_place = 0b110, .elementwise = true},
    plain("concat", 1, kAny),
    convolution("conv2d", 2, 3, 0b100),
    convolution("conv2d_fused", 2, 4, 0b1100, 0b1000),
    convolution("conv2d_grad_input", 2, 2),
    convolution("conv2d_grad_weight", 2, 2),
    plain("matmul", 2, 2),
    plain("linear", 2, 3, 0b100),
    plain("linear_fused", 2, 3, 0b100),
    {.op = "batch_norm", .least = 3, .most = 5, .optional = 0b11000, .in_place = 0b1},
    plain("batch_norm_train", 1, 3, 0b110),
    plain("batch_norm_train_fused", 1, 4, 0b1110),
    plain("batch_norm_grad", 5, 7, 0b1100100),
    plain("max_pool2d"),
    plain("avg_pool2d"),
    plain("avg_pool2d_grad"),
    plain("adaptive_avg_pool2d"),
    plain("adaptive_avg_pool2d_grad"),
    plain("pad"),
    plain("gather", 2, 2),
    plain("sum"),
    plain("mean"),
    plain("amax"),
    plain("amin"),
    plain("argmax"),
    plain("size", 0, 0),
    plain("reshape"),
    plain("permute"),
    plain("expand"),
    plain("slice"),
    plain("slice_grad"),
    plain("softmax"),
    plain("log_softmax"),
    plain("softmax_grad", 2, 2),
    plain("log_softmax_grad", 2, 2),
};

}  // namespace

const OpRule* rule_of(std::string_view op) {
  const auto it = std::find_if(std::begin(kRules), std::end(kRules), [&](const OpRule& r) { return r.op == op; });
  return it == std::end(kRules) ? nullptr : &*it;
}

}  // namespace ingot
