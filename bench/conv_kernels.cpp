#include "conv_kernels.h"

#include "kernels/conv_gemm.h"
#include "kernels/conv_onednn.h"
#include "kernels/conv_winograd.h"

using namespace ingot;
using kernels::ConvArgs;

namespace {

ConvKernel winograd(int m) {
  return {"winograd" + std::to_string(m),
          [m](const ConvArgs& a) { return kernels::conv_winograd_supports(m, a); },
          [m](const ConvArgs& a) { return kernels::conv_winograd_packed_bytes(m, a); },
          [m](const ConvArgs& a, void* packed) { kernels::conv_winograd_pack(m, a, packed); },
          [m](const ConvArgs& a, const void*) { return kernels::conv_winograd_scratch(m, a); },
          [m](const ConvArgs& a, const void* packed, void* work) { kernels::conv_winograd(m, a, packed, work); }};
}

std::vector<int64_t> sizes_of(const Array& a) { return {a.shape.begin(), a.shape.begin() + a.rank}; }

}  // namespace

const std::vector<ConvKernel>& conv_kernels() {
  static const std::vector<ConvKernel> kernels{
      {"oneDNN", [](const ConvArgs&) { return true; }, kernels::conv_onednn_packed_bytes, kernels::conv_onednn_pack,
       kernels::conv_onednn_packed_scratch, kernels::conv_onednn_packed},
      {"products", kernels::conv_gemm_supports, kernels::conv_gemm_packed_bytes, kernels::conv_gemm_pack,
       [](const ConvArgs& a, const void*) { return kernels::conv_gemm_scratch(a); }, kernels::conv_gemm},
      winograd(2),
      winograd(4)};
  return kernels;
}

ConvRun::ConvRun(const ConvKernel& kernel, ConvArgs args)
    : kernel_(kernel), args_(args), y_(static_cast<size_t>(args.y.numel())), packed_(kernel.packed_bytes(args)) {
  args_.y = channels_last(y_, sizes_of(args.y));
  kernel.pack(args, packed_.data());
  scratch_.resize(kernel.scratch(args_, packed_.data()));
  run();
}
