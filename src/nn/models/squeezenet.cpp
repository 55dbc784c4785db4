#include "ingot/init.h"
#include "ingot/models.h"

namespace ingot {
namespace {

/// 1x1 down to `squeeze` channels, then 1x1 and 3x3 side by side.
class Fire : public ModuleOf<Fire> {
 public:
  Fire(int64_t in, int64_t narrow, int64_t wide)
      : squeeze(in, narrow, 1), expand1x1(narrow, wide, 1), expand3x3(narrow, wide, 3, {.padding = 1}) {
    child("squeeze", squeeze);
    child("squeeze_activation", squeeze_activation);
    child("expand1x1", expand1x1);
    child("expand1x1_activation", expand1x1_activation);
    child("expand3x3", expand3x3);
    child("expand3x3_activation", expand3x3_activation);
  }
  Tensor forward(const Tensor& x) {
    const Tensor y = squeeze_activation(squeeze(x));
    return concat({expand1x1_activation(expand1x1(y)), expand3x3_activation(expand3x3(y))}, 1);
  }

  Conv2d squeeze;
  ReLU squeeze_activation;
  Conv2d expand1x1;
  ReLU expand1x1_activation;
  Conv2d expand3x3;
  ReLU expand3x3_activation;
};

struct Width {
  int64_t squeeze, expand;
};
constexpr Width kFires[] = {{16, 64}, {16, 64}, {32, 128}, {32, 128}, {48, 192}, {48, 192}, {64, 256}, {64, 256}};

}  // namespace

SqueezeNet::SqueezeNet(const SqueezeNetOptions& o) : SqueezeNet(o, SkipInit()) { draw_initial_values(); }

SqueezeNet::SqueezeNet(const SqueezeNetOptions& o, const SkipInit&) {
  const PoolOptions pool{.kernel = 3, .stride = 2, .ceil_mode = true};
  int64_t in = o.version_1_1 ? 64 : 96;
  features.append(Conv2d(o.in_channels, in, o.version_1_1 ? 3 : 7, {.stride = 2}));
  features.append(ReLU());
  features.append(MaxPool2d(pool));
  // Before which fires a pool stands: 1.1 pools earlier.
  const std::array<size_t, 2> pools = o.version_1_1 ? std::array<size_t, 2>{2, 4} : std::array<size_t, 2>{3, 7};
  for (size_t i = 0; i < std::size(kFires); ++i) {
    if (i == pools[0] || i == pools[1]) features.append(MaxPool2d(pool));
    features.append(Fire(in, kFires[i].squeeze, kFires[i].expand));
    in = 2 * kFires[i].expand;
  }
  classifier.append(Dropout(o.dropout));
  classifier.append(Conv2d(in, o.num_classes, 1));
  classifier.append(ReLU());
  classifier.append(AdaptiveAvgPool2d(1));
  child("features", features);
  child("classifier", classifier);
}

Tensor SqueezeNet::forward(const Tensor& x) { return flatten(classifier(features(x)), 1); }

void SqueezeNet::reset_parameters(RandomKey key) {
  for (const auto& [name, module] : named_modules()) {
    auto* conv = dynamic_cast<Conv2d*>(module);
    if (conv == nullptr) continue;
    const RandomKey own = parameter_key(key, name);
    if (name == "classifier.1")
      normal_(conv->weight, 0, 0.01, own);
    else
      kaiming_uniform_(conv->weight, {}, own);
    constant_(*conv->bias, 0);
  }
}

}  // namespace ingot
