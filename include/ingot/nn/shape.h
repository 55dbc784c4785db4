#pragma once

#include <string>
#include <vector>

#include "ingot/module.h"
#include "ingot/ops.h"

// Layers that move elements: flattened, padded, resampled, shuffled.
namespace ingot {

class Flatten : public ModuleOf<Flatten> {
 public:
  explicit Flatten(int64_t start = 1, int64_t end = -1) : start_dim(start), end_dim(end) {}
  Tensor forward(const Tensor& x) const { return flatten(x, start_dim, end_dim); }
  std::string extra_repr() const override;
  int64_t start_dim, end_dim;
};

class Identity : public ModuleOf<Identity> {
 public:
  Tensor forward(const Tensor& x) const { return x; }
};

/// What the paddings share. `padding` is in PyTorch's order, the last side first: left, right, top, bottom, front,
/// back. Throws Error where it has another number of values than the layer's sides need.
class PadBase : public Module {
 public:
  Tensor forward(const Tensor& x) const;
  std::string extra_repr() const override;
  std::vector<int64_t> padding;
  PadMode mode;
  double value;

 protected:
  PadBase(size_t sides, std::vector<int64_t> padding, PadMode mode, double value);
};

class ZeroPad2d : public ModuleOf<ZeroPad2d, PadBase> {
 public:
  explicit ZeroPad2d(int64_t all) : ZeroPad2d(std::vector<int64_t>(4, all)) {}
  explicit ZeroPad2d(std::vector<int64_t> sides) : ModuleOf(2, std::move(sides), PadMode::constant, 0.0) {}
};

#define INGOT_CONSTANT_PAD(name, sides)                                                                         \
  class name : public ModuleOf<name, PadBase> {                                                                 \
   public:                                                                                                      \
    name(int64_t all, double fill) : name(std::vector<int64_t>(2 * (sides), all), fill) {}                      \
    name(std::vector<int64_t> pads, double fill) : ModuleOf(sides, std::move(pads), PadMode::constant, fill) {} \
  };                                                                                                            \
  INGOT_INSTANCE class ModuleOf<name, PadBase>;
#define INGOT_PAD(name, sides, pad_mode)                                                                   \
  class name : public ModuleOf<name, PadBase> {                                                            \
   public:                                                                                                 \
    explicit name(int64_t all) : name(std::vector<int64_t>(2 * (sides), all)) {}                           \
    explicit name(std::vector<int64_t> pads) : ModuleOf(sides, std::move(pads), PadMode::pad_mode, 0.0) {} \
  };                                                                                                       \
  INGOT_INSTANCE class ModuleOf<name, PadBase>;
INGOT_CONSTANT_PAD(ConstantPad1d, 1)
INGOT_CONSTANT_PAD(ConstantPad2d, 2)
INGOT_CONSTANT_PAD(ConstantPad3d, 3)
INGOT_PAD(ReflectionPad1d, 1, reflect)
INGOT_PAD(ReflectionPad2d, 2, reflect)
INGOT_PAD(ReflectionPad3d, 3, reflect)
INGOT_PAD(ReplicationPad1d, 1, replicate)
INGOT_PAD(ReplicationPad2d, 2, replicate)
INGOT_PAD(ReplicationPad3d, 3, replicate)
INGOT_PAD(CircularPad1d, 1, circular)
INGOT_PAD(CircularPad2d, 2, circular)
INGOT_PAD(CircularPad3d, 3, circular)
#undef INGOT_CONSTANT_PAD
#undef INGOT_PAD

/// interpolate (ops.h).
class Upsample : public ModuleOf<Upsample> {
 public:
  explicit Upsample(InterpolateOptions interpolation) : options(std::move(interpolation)) {}
  Tensor forward(const Tensor& x) const { return interpolate(x, options); }
  std::string extra_repr() const override;
  InterpolateOptions options;
};

class PixelShuffle : public ModuleOf<PixelShuffle> {
 public:
  explicit PixelShuffle(int64_t factor) : upscale_factor(factor) {}
  Tensor forward(const Tensor& x) const { return pixel_shuffle(x, upscale_factor); }
  std::string extra_repr() const override;
  int64_t upscale_factor;
};
class PixelUnshuffle : public ModuleOf<PixelUnshuffle> {
 public:
  explicit PixelUnshuffle(int64_t factor) : downscale_factor(factor) {}
  Tensor forward(const Tensor& x) const { return pixel_unshuffle(x, downscale_factor); }
  std::string extra_repr() const override;
  int64_t downscale_factor;
};
class ChannelShuffle : public ModuleOf<ChannelShuffle> {
 public:
  explicit ChannelShuffle(int64_t count) : groups(count) {}
  Tensor forward(const Tensor& x) const { return channel_shuffle(x, groups); }
  std::string extra_repr() const override;
  int64_t groups;
};

INGOT_INSTANCE class ModuleOf<Flatten>;
INGOT_INSTANCE class ModuleOf<Identity>;
INGOT_INSTANCE class ModuleOf<ZeroPad2d, PadBase>;
INGOT_INSTANCE class ModuleOf<Upsample>;
INGOT_INSTANCE class ModuleOf<PixelShuffle>;
INGOT_INSTANCE class ModuleOf<PixelUnshuffle>;
INGOT_INSTANCE class ModuleOf<ChannelShuffle>;

}  // namespace ingot
