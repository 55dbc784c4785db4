#pragma once

#include <optional>
#include <string>

#include "ingot/module.h"
#include "ingot/ops.h"

namespace ingot {

/// What convolutions share. Weight and bias start from U(+-1/sqrt(fan_in)).
/// Throws Error unless `groups` divides both channel counts and all of them are positive.
class ConvBase : public Module {
 public:
  void reset_parameters(RandomKey key) override;
  bool is_a(std::string_view type) const override { return type == "_ConvNd" || Module::is_a(type); }

  int64_t in_channels, out_channels;
  Tensor weight;
  std::optional<Tensor> bias;

 protected:
  ConvBase(int64_t in_channels, int64_t out_channels) : in_channels(in_channels), out_channels(out_channels) {}
  void check(int64_t groups) const;
  void make_parameters(const Shape& weight_shape, bool with_bias);
};

struct ConvOptions {
  Pair stride{1};
  Pads padding{0};
  Pair dilation{1};
  int64_t groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::constant;  // what lies in the padding: zeros, or x's own elements
};
/// The padding that keeps the sides at stride 1; the larger half stands at the end, as in PyTorch.
Pads same_padding(Pair kernel_size, Pair dilation = 1);

/// conv2d (ops.h) with its own weight [out, in/groups, kh, kw] and bias [out].
class Conv2d : public ModuleOf<Conv2d, ConvBase> {
 public:
  Conv2d(int64_t in_channels, int64_t out_channels, Pair kernel_size, const ConvOptions& options = {});
  Tensor forward(const Tensor& x) const;
  std::string extra_repr() const override;

  Pair kernel_size;
  ConvOptions options;
};

struct Conv1dLayerOptions {
  int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::constant;
};
/// conv1d with its own weight [out, in/groups, k] and bias [out].
class Conv1d : public ModuleOf<Conv1d, ConvBase> {
 public:
  Conv1d(int64_t in_channels, int64_t out_channels, int64_t kernel_size, const Conv1dLayerOptions& options = {});
  Tensor forward(const Tensor& x) const;
  std::string extra_repr() const override;

  int64_t kernel_size;
  Conv1dLayerOptions options;
};

struct Conv3dLayerOptions {
  Triple stride{1}, padding{0}, dilation{1};
  int64_t groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::constant;
};
/// conv3d with its own weight [out, in/groups, kd, kh, kw] and bias [out].
class Conv3d : public ModuleOf<Conv3d, ConvBase> {
 public:
  Conv3d(int64_t in_channels, int64_t out_channels, Triple kernel_size, const Conv3dLayerOptions& options = {});
  Tensor forward(const Tensor& x) const;
  std::string extra_repr() const override;

  Triple kernel_size;
  Conv3dLayerOptions options;
};

struct ConvTransposeOptions {
  Pair stride{1};
  Pads padding{0};
  Pair output_padding{0};
  int64_t groups = 1;
  bool bias = true;
  Pair dilation{1};
};
/// conv_transpose2d with its own weight [in, out/groups, kh, kw] and bias [out].
class ConvTranspose2d : public ModuleOf<ConvTranspose2d, ConvBase> {
 public:
  ConvTranspose2d(int64_t in_channels, int64_t out_channels, Pair kernel_size,
                  const ConvTransposeOptions& options = {});
  Tensor forward(const Tensor& x) const;
  std::string extra_repr() const override;

  Pair kernel_size;
  ConvTransposeOptions options;
};

INGOT_INSTANCE class ModuleOf<Conv2d, ConvBase>;
INGOT_INSTANCE class ModuleOf<Conv1d, ConvBase>;
INGOT_INSTANCE class ModuleOf<Conv3d, ConvBase>;
INGOT_INSTANCE class ModuleOf<ConvTranspose2d, ConvBase>;

}  // namespace ingot
