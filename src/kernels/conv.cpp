#include "kernels/conv.h"

#include <algorithm>
#include <iterator>

#include "ingot/math.h"
#include "kernels/conv_depthwise.h"
#include "kernels/conv_gemm.h"
#include "kernels/conv_gemm_grad.h"
#include "kernels/conv_onednn.h"
#include "kernels/conv_winograd.h"
#include "kernels/conv_winograd_grad.h"
#include "kernels/cut.h"

namespace ingot::kernels {
namespace {

enum Kernel { kOneDnn, kGemm, kWinograd2, kWinograd4, kDepthwise, kKernels };

/// Channels that fill the vectors of our kernels.
constexpr int64_t kManyChannels = 32;
bool has_many_channels(const Array& weight, const ConvGeometry& geometry) {
  return geometry.groups == 1 && std::min(weight.shape[0], weight.shape[1]) >= kManyChannels;
}

/// For 3x3 kernels, by how many multiplications a plane takes, and what they cost beside plain ones with their
/// transforms. Never a Winograd kernel where math is strict.
Kernel winograd_or(Kernel other, const Array& y, int64_t stride = 1) {
  if (math() == Math::strict) return other;
  constexpr double kCost2 = 1.3, kCost4 = 1.6;
  const auto of_tiles = [&](int64_t m) {
    const int64_t edge = (m - 1) * stride + 3;
    return static_cast<double>(parts_of(y.shape[2], m) * parts_of(y.shape[3], m) * edge * edge);
  };
  const double plain = static_cast<double>(9 * y.shape[2] * y.shape[3]);
  const double two = kCost2 * of_tiles(2), four = kCost4 * of_tiles(4);
  if (plain < std::min(two, four)) return other;
  return two < four ? kWinograd2 : kWinograd4;
}

bool is_pointwise(const Array& weight) { return weight.shape[2] == 1 && weight.shape[3] == 1; }

Kernel choose(const ConvArgs& a) {
  if (conv_depthwise_supports(a)) return kDepthwise;
  if (!has_many_channels(a.weight, a.geometry) || !conv_gemm_supports(a)) return kOneDnn;
  if (is_pointwise(a.weight)) return kOneDnn;
  // Lines are left to engines, which transform their weights once.
  const bool is_square = a.weight.shape[2] == a.weight.shape[3];
  return is_square && conv_winograd_supports(4, a) ? winograd_or(kGemm, a.y, a.geometry.stride.h) : kGemm;
}

Kernel choose_grad_input(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx) {
  if (g.numel() == 0 || dx.numel() == 0) return kOneDnn;
  if (conv_depthwise_grad_input_supports(g, weight, geometry, dx)) return kDepthwise;
  if (!has_many_channels(weight, geometry) || !conv_gemm_grad_input_supports(g, weight, geometry, dx)) return kOneDnn;
  // oneDNN's are faster over short sums, and where most pixels stay zero.
  constexpr int64_t kLongSum = 128;
  if (is_pointwise(weight) && (weight.shape[0] < kLongSum || geometry.stride != Pair(1))) return kOneDnn;
  return conv_winograd_grad_supports(dx, weight, g, geometry) ? winograd_or(kGemm, dx) : kGemm;
}

Kernel choose_grad_weight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight) {
  if (x.numel() == 0 || g.numel() == 0) return kOneDnn;
  if (conv_depthwise_grad_weight_supports(x, g, geometry, dweight)) return kDepthwise;
  if (!has_many_channels(dweight, geometry) || !conv_gemm_grad_weight_supports(x, g, dweight)) return kOneDnn;
  return conv_winograd_grad_supports(x, dweight, g, geometry) ? winograd_or(kGemm, g) : kGemm;
}

/// `onednn` gives the name of oneDNN's implementation, which is looked for only where it runs.
template <class F>
std::string name_of(Kernel kernel, const F& onednn) {
  constexpr const char* kNames[] = {"onednn", "gemm", "winograd2", "winograd4", "depthwise"};
  if (kernel != kOneDnn) return kNames[kernel];
  const std::string name = onednn();
  return name == "plain" ? name : "onednn: " + name;
}

struct Forward {
  size_t (*scratch)(const ConvArgs&);
  void (*run)(const ConvArgs&, void*);
};
template <int m>
constexpr Forward winograd() {
  return {[](const ConvArgs& a) { return conv_winograd_unpacked_scratch(m, a); },
          [](const ConvArgs& a, void* scratch) { conv_winograd_unpacked(m, a, scratch); }};
}
constexpr Forward kForward[] = {{conv_onednn_scratch, conv_onednn},
                                {conv_gemm_unpacked_scratch, conv_gemm_unpacked},
                                winograd<2>(),
                                winograd<4>(),
                                {conv_depthwise_unpacked_scratch, conv_depthwise_unpacked}};

/// Of the input by (g, weight, geometry, dx), or of the weight by (x, g, geometry, dweight).
struct Gradient {
  size_t (*scratch)(const Array&, const Array&, const ConvGeometry&, const Array&);
  void (*run)(const Array&, const Array&, const ConvGeometry&, const Array&, void*);
};
template <int m>
constexpr Gradient winograd_grad_input() {
  return {[](const Array& g, const Array& w, const ConvGeometry& c, const Array& dx) {
            return conv_winograd_grad_input_scratch(m, g, w, c, dx);
          },
          [](const Array& g, const Array& w, const ConvGeometry& c, const Array& dx, void* scratch) {
            conv_winograd_grad_input(m, g, w, c, dx, scratch);
          }};
}
template <int m>
constexpr Gradient winograd_grad_weight() {
  return {[](const Array& x, const Array& g, const ConvGeometry& c, const Array& dw) {
            return conv_winograd_grad_weight_scratch(m, x, g, c, dw);
          },
          [](const Array& x, const Array& g, const ConvGeometry& c, const Array& dw, void* scratch) {
            conv_winograd_grad_weight(m, x, g, c, dw, scratch);
          }};
}
constexpr Gradient kGradInput[] = {{conv_onednn_grad_input_scratch, conv_onednn_grad_input},
                                   {conv_gemm_grad_input_scratch, conv_gemm_grad_input},
                                   winograd_grad_input<2>(),
                                   winograd_grad_input<4>(),
                                   {conv_depthwise_grad_input_scratch, conv_depthwise_grad_input}};
constexpr Gradient kGradWeight[] = {{conv_onednn_grad_weight_scratch, conv_onednn_grad_weight},
                                    {conv_gemm_grad_weight_scratch, conv_gemm_grad_weight},
                                    winograd_grad_weight<2>(),
                                    winograd_grad_weight<4>(),
                                    {conv_depthwise_grad_weight_scratch, conv_depthwise_grad_weight}};
static_assert(std::size(kForward) == kKernels && std::size(kGradInput) == kKernels &&
              std::size(kGradWeight) == kKernels);

}  // namespace

size_t conv2d_scratch(const ConvArgs& args) { return kForward[choose(args)].scratch(args); }
void conv2d(const ConvArgs& args, void* scratch) { kForward[choose(args)].run(args, scratch); }
std::string conv2d_implementation(const ConvArgs& args) {
  return name_of(choose(args), [&] { return conv_onednn_implementation(args); });
}

size_t conv2d_grad_input_scratch(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx) {
  return kGradInput[choose_grad_input(g, weight, geometry, dx)].scratch(g, weight, geometry, dx);
}
void conv2d_grad_input(const Array& g, const Array& weight, const ConvGeometry& geometry, const Array& dx,
                       void* scratch) {
  kGradInput[choose_grad_input(g, weight, geometry, dx)].run(g, weight, geometry, dx, scratch);
}
std::string conv2d_grad_input_implementation(const Array& g, const Array& weight, const ConvGeometry& geometry,
                                             const Array& dx) {
  return name_of(choose_grad_input(g, weight, geometry, dx),
                 [&] { return conv_onednn_grad_input_implementation(g, weight, geometry, dx); });
}

size_t conv2d_grad_weight_scratch(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight) {
  return kGradWeight[choose_grad_weight(x, g, geometry, dweight)].scratch(x, g, geometry, dweight);
}
void conv2d_grad_weight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight,
                        void* scratch) {
  kGradWeight[choose_grad_weight(x, g, geometry, dweight)].run(x, g, geometry, dweight, scratch);
}
std::string conv2d_grad_weight_implementation(const Array& x, const Array& g, const ConvGeometry& geometry,
                                              const Array& dweight) {
  return name_of(choose_grad_weight(x, g, geometry, dweight),
                 [&] { return conv_onednn_grad_weight_implementation(x, g, geometry, dweight); });
}

}  // namespace ingot::kernels
