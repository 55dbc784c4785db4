#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ingot/nn/container.h"
#include "ingot/nn/conv.h"
#include "ingot/nn/linear.h"
#include "ingot/nn/norm.h"
#include "ingot/nn/pool.h"

// Attention modules of convolutional networks, x [N,C,H,W] -> [N,C,H,W]. Most are gates: they multiply x by numbers
// between 0 and 1. With identity_start those are twice that, and the layer before starts at 0: the module then starts
// as the identity, to the bit. Counts are of parameters; r is the reduction, h = C / r.
namespace ingot {

// ---- Gates by channel

struct SqueezeExcitationOptions {
  Activation activation = Activation::relu;           // between the two layers
  Activation scale_activation = Activation::sigmoid;  // or hardsigmoid
  bool identity_start = false;
};
/// x * sigmoid(fc2(relu(fc1(mean of x over the plane)))), fc1 and fc2 1x1 convolutions to `squeezed` channels and back.
/// 2 C h + h + C. Hu et al. 2017, with torchvision's names.
class SqueezeExcitation : public ModuleOf<SqueezeExcitation> {
 public:
  SqueezeExcitation(int64_t channels, int64_t squeezed, const SqueezeExcitationOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;

  SqueezeExcitationOptions options;
  AdaptiveAvgPool2d avgpool;
  Conv2d fc1, fc2;
};

struct ECAOptions {
  static constexpr std::string_view kName = "ECA";
  std::optional<int64_t> kernel_size;  // odd; none: eca_kernel_size(channels)
  bool identity_start = false;
};
/// |log2(C)/2 + 1/2|, rounded down, and up to the next odd number.
int64_t eca_kernel_size(int64_t channels);
/// x * sigmoid(conv(mean of x over the plane)), the convolution running along the channels. k parameters.
/// Wang et al. 2019.
class ECA : public ModuleOf<ECA> {
 public:
  explicit ECA(int64_t channels, const ECAOptions& options = {});
  Tensor forward(const Tensor& x) const;
  void reset_parameters(RandomKey key) override;

  ECAOptions options;
  Conv1d conv;
};

// ---- Gates by place

struct SpatialGateOptions {
  int64_t kernel_size = 7;  // odd
  bool identity_start = false;
};
/// x * sigmoid(bn(conv([max; mean] of x over its channels))). 2 k^2 + 2. Woo et al. 2018.
class SpatialGate : public ModuleOf<SpatialGate> {
 public:
  explicit SpatialGate(const SpatialGateOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;

  SpatialGateOptions options;
  Conv2d conv;
  BatchNorm2d bn;
};

struct TripletAttentionOptions {
  static constexpr std::string_view kName = "TripletAttention";
  int64_t kernel_size = 7;
  bool identity_start = false;
};
/// The mean of SpatialGate on x and on x with C and H, and with C and W, in each other's place. 3 (2 k^2 + 2).
/// Misra et al. 2020.
class TripletAttention : public ModuleOf<TripletAttention> {
 public:
  explicit TripletAttention(const TripletAttentionOptions& options = {});
  Tensor forward(const Tensor& x);

  SpatialGate channel_height, channel_width, spatial;
};

/// x * sigmoid(d / (4 (v + lambda)) + 1/2), where d is x's squared distance from its channel's mean and v the variance
/// (correction 1). No parameters. Yang et al. 2021.
class SimAM : public ModuleOf<SimAM> {
 public:
  explicit SimAM(double lambda = 1e-4);
  Tensor forward(const Tensor& x) const;
  std::string extra_repr() const override;

  double lambda;
};

// ---- Gates by channel and place

/// x * sigmoid(mlp(mean over the plane) + mlp(max over the plane)), mlp = fc2(relu(fc1(.))) to C / r and back.
/// 2 C h + h + C. Woo et al. 2018.
class ChannelGate : public ModuleOf<ChannelGate> {
 public:
  ChannelGate(int64_t channels, int64_t reduction, bool identity_start = false);
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;

  bool identity_start;
  Linear fc1, fc2;
};

struct CBAMOptions {
  static constexpr std::string_view kName = "CBAM";
  int64_t reduction = 16, kernel_size = 7;
  bool identity_start = false;
};
/// SpatialGate after ChannelGate. Woo et al. 2018.
class CBAM : public ModuleOf<CBAM> {
 public:
  explicit CBAM(int64_t channels, const CBAMOptions& options = {});
  Tensor forward(const Tensor& x);

  ChannelGate channel;
  SpatialGate spatial;
};

struct BAMOptions {
  static constexpr std::string_view kName = "BAM";
  int64_t reduction = 16, dilation = 4;
  bool identity_start = false;
};
/// x * (1 + sigmoid(channel + spatial)), or with identity_start x * 2 sigmoid(...): channel [N,C,1,1] two linear layers
/// on the mean over the plane, spatial [N,1,H,W] a 1x1 convolution to C / r channels, two dilated 3x3, a 1x1 to one;
/// each layer but the last ones with batch norm and ReLU. 2 C h + 3 h + C and C h + 18 h^2 + 10 h + 1. Park et al.
/// 2018; the sum is their paper's, their program multiplies.
class BAM : public ModuleOf<BAM> {
 public:
  explicit BAM(int64_t channels, const BAMOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;

  BAMOptions options;
  Sequential channel, spatial;
};

struct CoordAttentionOptions {
  static constexpr std::string_view kName = "CoordAttention";
  int64_t reduction = 32;  // to C / r channels, at least 8
  bool identity_start = false;
};
/// x * sigmoid(conv_h(rows)) * sigmoid(conv_w(columns)), [N,C,H,1] and [N,C,1,W]: x's means over rows and over columns,
/// side by side, go through a 1x1 convolution, batch norm and hard swish together. 3 C h + 3 h + 2 C. Hou et al. 2021.
class CoordAttention : public ModuleOf<CoordAttention> {
 public:
  explicit CoordAttention(int64_t channels, const CoordAttentionOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;

  CoordAttentionOptions options;
  Conv2d conv1;
  BatchNorm2d bn1;
  Hardswish act;
  Conv2d conv_h, conv_w;
};

// ---- What places say to each other: added to x, from 0

struct GlobalContextOptions {
  static constexpr std::string_view kName = "GC";
  int64_t reduction = 16;
};
/// x + conv2(relu(norm(conv1(context)))), where the context [N,C,1,1] is a mean of x over places, weighted by a softmax
/// of mask(x), a 1x1 convolution to one channel. conv2 starts at 0. 2 C h + 2 C + 3 h + 1. Cao et al. 2019.
class GlobalContext : public ModuleOf<GlobalContext> {
 public:
  explicit GlobalContext(int64_t channels, const GlobalContextOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;

  Conv2d mask, conv1;
  LayerNorm norm;
  ReLU relu;
  Conv2d conv2;
};

enum class NonLocalMode : uint8_t { embedded_gaussian, dot_product };
struct NonLocalOptions {
  static constexpr std::string_view kName = "NonLocal";
  int64_t reduction = 2;
  NonLocalMode mode = NonLocalMode::embedded_gaussian;
  bool sub_sample = false;  // phi and g see x max-pooled by 2
};
/// x + out(y): y[i] = sum_j softmax_j(theta(x[i]) phi(x[j])) g(x[j]) over places j, or without softmax divided by their
/// number. All four are 1x1 convolutions, to C / r channels and back; out starts at 0. 4 C h + 3 h + C. Wang et al.
/// 2017.
class NonLocal2d : public ModuleOf<NonLocal2d> {
 public:
  explicit NonLocal2d(int64_t channels, const NonLocalOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;

  NonLocalOptions options;
  Conv2d g, theta, phi, out;
};

// ---- In place of a convolution

struct SelectiveKernelOptions {
  static constexpr std::string_view kName = "SK";
  int64_t branches = 2;                // 3x3 with dilation 1, 2, ...
  int64_t reduction = 16, least = 32;  // h = max(out / r, least)
  std::optional<int64_t> groups;       // none: 1, in a network those of the convolution that it stands for
  int64_t stride = 1;
};
/// Branches of convolution, batch norm and ReLU, mixed by a softmax over them, for each channel, of what a small
/// network makes of their sum's mean over the plane. branches (9 in out / groups + 2 out) + out h + 2 h + branches out
/// h. Li et al. 2019.
class SelectiveKernel : public ModuleOf<SelectiveKernel> {
 public:
  SelectiveKernel(int64_t in_channels, int64_t out_channels, const SelectiveKernelOptions& options = {});
  Tensor forward(const Tensor& x);

  ModuleList paths;
  Sequential reduce;
  Conv2d select;
};

struct MHSAOptions {
  static constexpr std::string_view kName = "MHSA";
  int64_t heads = 4;
  std::optional<Pair> size;  // H and W of x, for positions; none: places have no position
  int64_t stride = 1;        // a mean over stride x stride places follows
};
/// Self-attention between the places of a plane: heads of [q k v](x), a 1x1 convolution without bias; where the size is
/// given, q also meets the relative position's own vectors, rel_height [2H-1, out/heads] and rel_width.
/// 3 in out (+ (2H + 2W - 2) out/heads). Srinivas et al. 2021.
class MHSA : public ModuleOf<MHSA> {
 public:
  MHSA(int64_t in_channels, int64_t out_channels, const MHSAOptions& options = {});
  Tensor forward(const Tensor& x);
  void reset_parameters(RandomKey key) override;
  std::string extra_repr() const override;

  int64_t out_channels;
  MHSAOptions options;
  Conv2d qkv;
  std::optional<Tensor> rel_height, rel_width;
};

// ---- As part of a network

/// What a network's blocks may hold; SE's squeezed channels are C / reduction.
struct SEOptions {
  static constexpr std::string_view kName = "SE";
  int64_t reduction = 16;
  bool identity_start = false;
};
struct SimAMOptions {
  static constexpr std::string_view kName = "SimAM";
  double lambda = 1e-4;
};
using AttentionKind =
    std::variant<SEOptions, ECAOptions, CBAMOptions, BAMOptions, CoordAttentionOptions, GlobalContextOptions,
                 NonLocalOptions, SelectiveKernelOptions, SimAMOptions, TripletAttentionOptions, MHSAOptions>;

/// Places in a residual block.
enum class AttentionPosition : uint8_t {
  conv,      // in place of the 3x3 or depthwise convolution: SelectiveKernel (with its norm and activation) and MHSA
  inner,     // after that convolution's activation. In MobileNet v3: in place of squeeze and excitation, where it is
  residual,  // at the branch's end, before x is added
  output,    // of the block
  stage      // output of a stage's last block
};
struct AttentionOptions {
  AttentionKind kind;
  /// None: conv for what stands there; stage for BAM and NonLocal2d; else inner in MobileNet, residual in ResNet.
  std::optional<AttentionPosition> position = {};
  /// From 1; a stage is a run of blocks on planes of one size, ResNet's layer1 to layer4. Empty: all; of NonLocal2d and
  /// MHSA, whose cost is the square of the plane, the last; of BAM all but the last.
  std::vector<int64_t> stages = {};
};

/// Its kName.
std::string_view name_of(const AttentionKind& kind);
/// Whether it stands in a convolution's place, and whether that norm's and activation's too.
bool replaces_conv(const AttentionKind& kind);
bool replaces_norm(const AttentionKind& kind);

/// Of the convolution whose place it takes; a module that takes none has out_channels, and no stride or groups.
struct AttentionShape {
  int64_t in_channels, out_channels, stride = 1, groups = 1;
};
/// Throws Error where it cannot be built: a reduction that leaves no channel, heads that do not divide the channels.
std::unique_ptr<Module> make_attention(const AttentionKind& kind, const AttentionShape& shape);

INGOT_INSTANCE class ModuleOf<SqueezeExcitation>;
INGOT_INSTANCE class ModuleOf<ECA>;
INGOT_INSTANCE class ModuleOf<SpatialGate>;
INGOT_INSTANCE class ModuleOf<TripletAttention>;
INGOT_INSTANCE class ModuleOf<SimAM>;
INGOT_INSTANCE class ModuleOf<ChannelGate>;
INGOT_INSTANCE class ModuleOf<CBAM>;
INGOT_INSTANCE class ModuleOf<BAM>;
INGOT_INSTANCE class ModuleOf<CoordAttention>;
INGOT_INSTANCE class ModuleOf<GlobalContext>;
INGOT_INSTANCE class ModuleOf<NonLocal2d>;
INGOT_INSTANCE class ModuleOf<SelectiveKernel>;
INGOT_INSTANCE class ModuleOf<MHSA>;

}  // namespace ingot
