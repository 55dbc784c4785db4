#include "kernels/conv_depthwise.h"

#include "kernels/conv_views.h"
#include "kernels/depthwise.h"
#include "kernels/packed_weights.h"
#include "kernels/scratch.h"

namespace ingot::kernels {

bool conv_depthwise_supports(const ConvArgs& a) {
  const int64_t channels = a.x.shape[1];
  return has_own_form(a) && a.geometry.groups == channels && a.y.shape[1] == channels && a.weight.shape[1] == 1;
}

size_t conv_depthwise_scratch(const ConvArgs& args) {
  const depthwise::Correlation c = depthwise::correlation_of(args, nullptr);
  return depthwise::scratch_bytes({&c, 1});
}

void conv_depthwise(const ConvArgs& args, const void* packed, void* scratch) {
  if (args.y.numel() == 0) return;
  const depthwise::Correlation c = depthwise::correlation_of(args, packed_body(packed));
  depthwise::run({&c, 1}, args.y.shape[0], args.y.shape[1], scratch);
}

size_t conv_depthwise_unpacked_scratch(const ConvArgs& args) {
  Scratch count(nullptr);
  count.take(conv_depthwise_packed_bytes(args));
  return count.used() + conv_depthwise_scratch(args);
}

void conv_depthwise_unpacked(const ConvArgs& args, void* memory) {
  if (args.y.numel() == 0) return;
  Scratch scratch(memory);
  void* const packed = scratch.take(conv_depthwise_packed_bytes(args));
  conv_depthwise_pack(args, packed);
  conv_depthwise(args, packed, scratch.take(conv_depthwise_scratch(args)));
}

}  // namespace ingot::kernels
