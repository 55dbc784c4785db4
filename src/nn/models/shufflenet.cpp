#include <algorithm>
#include <array>

#include "base/check.h"
#include "ingot/models.h"

namespace ingot {
namespace {

struct Width {
  double mult;
  std::array<int64_t, 3> stages;
  int64_t last = 1024;
};
// Table 5 of the paper, but for 2.0, whose middle torchvision (and the authors' code) makes 244.
constexpr Width kWidths[] = {
    {0.5, {48, 96, 192}}, {1, {116, 232, 464}}, {1.5, {176, 352, 704}}, {2, {244, 488, 976}, 2048}};
constexpr int64_t kStem = 24;
constexpr std::array<int64_t, 3> kBlocks{4, 8, 4};

const Width& width_of(const ShuffleNetV2Options& o) {
  for (const Width& width : kWidths)
    if (width.mult == o.width_mult) return width;
  fail("there is no ShuffleNet v2 of width {}; widths are 0.5, 1, 1.5 and 2", o.width_mult);
}

void append_conv1x1(Sequential& branch, int64_t in, int64_t out) {
  branch.append(Conv2d(in, out, 1, {.bias = false}));
  branch.append(BatchNorm2d(out));
  branch.append(ReLU());
}
void append_depthwise(Sequential& branch, int64_t channels, int64_t stride) {
  branch.append(Conv2d(channels, channels, 3, {.stride = stride, .padding = 1, .groups = channels, .bias = false}));
  branch.append(BatchNorm2d(channels));
}

/// Halves of the channels, one of which is worked on, side by side and shuffled; a block with stride 2 works on all of
/// them twice.
class InvertedResidual : public ModuleOf<InvertedResidual> {
 public:
  InvertedResidual(int64_t in, int64_t out, int64_t stride) : shuffle_(2), halves_(stride == 1) {
    const int64_t half = out / 2;
    if (!halves_) {
      append_depthwise(branch1, in, stride);
      append_conv1x1(branch1, in, half);
    }
    append_conv1x1(branch2, halves_ ? half : in, half);
    append_depthwise(branch2, half, stride);
    append_conv1x1(branch2, half, half);
    child("branch1", branch1);
    child("branch2", branch2);
  }
  Tensor forward(const Tensor& x) {
    if (!halves_) return shuffle_(concat({branch1(x), branch2(x)}, 1));
    const int64_t channels = x.size(1).value();
    return shuffle_(concat({slice(x, 1, 0, channels / 2), branch2(slice(x, 1, channels / 2, channels))}, 1));
  }

  Sequential branch1, branch2;

 private:
  ChannelShuffle shuffle_;
  bool halves_;
};

Sequential conv_norm_relu(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return Sequential(Conv2d(in, out, kernel, {.stride = stride, .padding = kernel / 2, .bias = false}), BatchNorm2d(out),
                    ReLU());
}

Sequential make_stage(const ShuffleNetV2Options& o, size_t index) {
  const Width& width = width_of(o);
  const int64_t in = index == 0 ? kStem : width.stages[index - 1], out = width.stages[index];
  Sequential stage(InvertedResidual(in, out, 2));
  for (int64_t i = 1; i < kBlocks[index]; ++i) stage.append(InvertedResidual(out, out, 1));
  return stage;
}

}  // namespace

ShuffleNetV2::ShuffleNetV2(const ShuffleNetV2Options& o)
    : conv1(conv_norm_relu(o.in_channels, kStem, 3, 2)),
      maxpool({.kernel = 3, .stride = 2, .padding = 1}),
      stage2(make_stage(o, 0)),
      stage3(make_stage(o, 1)),
      stage4(make_stage(o, 2)),
      conv5(conv_norm_relu(width_of(o).stages.back(), width_of(o).last, 1, 1)),
      fc(width_of(o).last, o.num_classes) {
  child("conv1", conv1);
  child("maxpool", maxpool);
  child("stage2", stage2);
  child("stage3", stage3);
  child("stage4", stage4);
  child("conv5", conv5);
  child("fc", fc);
}

Tensor ShuffleNetV2::forward(const Tensor& x) {
  const Tensor y = conv5(stage4(stage3(stage2(maxpool(conv1(x))))));
  return fc(flatten(adaptive_avg_pool2d(y, 1), 1));
}

}  // namespace ingot
