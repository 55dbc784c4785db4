#include "kernels/conv_depthwise.h"

#include "kernels/conv_views.h"
#include "kernels/depthwise.h"
#include "kernels/packed_weights.h"

namespace ingot::kernels {
namespace {

depthwise::Correlation correlation_of(const ConvArgs& a, const float* weights) {
  const ConvGeometry& g = a.geometry;
  depthwise::Correlation c{.x = a.x.as<float>(),
                           .x_view = view_of(a.x),
                           .x_size = {a.x.shape[2], a.x.shape[3]},
                           .weights = weights,
                           .kernel = {a.weight.shape[2], a.weight.shape[3]},
                           .stride = g.stride,
                           .dilation = g.dilation,
                           .top = g.padding.top,
                           .left = g.padding.left,
                           .bias = a.bias.as<float>(),
                           .activation = a.activation,
                           .alpha = a.alpha,
                           .y = a.y.as<float>(),
                           .y_view = view_of(a.y),
                           .y_size = {a.y.shape[2], a.y.shape[3]}};
  if (a.residual) c.residual = a.residual.as<float>(), c.residual_view = view_of(a.residual);
  return c;
}

}  // namespace

bool conv_depthwise_supports(const ConvArgs& a) {
  const int64_t channels = a.x.shape[1];
  return has_own_form(a) && a.geometry.groups == channels && a.y.shape[1] == channels && a.weight.shape[1] == 1;
}

size_t conv_depthwise_scratch(const ConvArgs& args) {
  const depthwise::Correlation c = correlation_of(args, nullptr);
  return depthwise::scratch_bytes({&c, 1});
}

void conv_depthwise(const ConvArgs& args, const void* packed, void* scratch) {
  if (args.y.numel() == 0) return;
  const depthwise::Correlation c = correlation_of(args, packed_body(packed));
  depthwise::run({&c, 1}, args.y.shape[0], args.y.shape[1], scratch);
}

}  // namespace ingot::kernels
