#include "base/check.h"
#include "ingot/models.h"
#include "nn/models/blocks.h"

namespace ingot {
namespace {

/// Channels of an Inception block, figure 2b of the paper: 1x1; 1x1 and 3x3; 1x1 and "5x5"; pool and 1x1.
struct Widths {
  int64_t conv1x1, reduce3x3, conv3x3, reduce5x5, conv5x5, pool;
};

class Inception : public ModuleOf<Inception> {
 public:
  Inception(int64_t in, const Widths& w)
      : branch1(in, w.conv1x1, 1),
        branch2(BasicConv2d(in, w.reduce3x3, 1), BasicConv2d(w.reduce3x3, w.conv3x3, 3, 1, 1)),
        // torchvision's weights have 3x3 here too, where the paper has 5x5.
        branch3(BasicConv2d(in, w.reduce5x5, 1), BasicConv2d(w.reduce5x5, w.conv5x5, 3, 1, 1)),
        branch4(MaxPool2d({.kernel = 3, .stride = 1, .padding = 1, .ceil_mode = true}), BasicConv2d(in, w.pool, 1)) {
    child("branch1", branch1);
    child("branch2", branch2);
    child("branch3", branch3);
    child("branch4", branch4);
  }
  Tensor forward(const Tensor& x) { return concat({branch1(x), branch2(x), branch3(x), branch4(x)}, 1); }

  BasicConv2d branch1;
  Sequential branch2, branch3, branch4;
};

class AuxHead : public ModuleOf<AuxHead> {
 public:
  AuxHead(int64_t in, int64_t classes, double dropout_p)
      : conv(in, 128, 1), fc1(128 * kPlane * kPlane, 1024), fc2(1024, classes), dropout(dropout_p) {
    child("conv", conv);
    child("fc1", fc1);
    child("fc2", fc2);
    child("dropout", dropout);
  }
  Tensor forward(const Tensor& x) {
    const Tensor y = conv(adaptive_avg_pool2d(x, kPlane));
    return fc2(dropout(relu(fc1(flatten(y, 1)))));
  }

  static constexpr int64_t kPlane = 4;
  BasicConv2d conv;
  Linear fc1, fc2;
  Dropout dropout;
};

constexpr int64_t kFeatures = 1024;

}  // namespace

GoogLeNet::GoogLeNet(const GoogLeNetOptions& o) : GoogLeNet(o, SkipInit()) { draw_initial_values(); }

GoogLeNet::GoogLeNet(const GoogLeNetOptions& o, const SkipInit&)
    : options(o), avgpool(1), dropout(o.dropout), fc(kFeatures, o.num_classes) {
  CHECK(!o.transform_input || o.in_channels == 3, "transform_input is for 3 channels, in_channels is {}",
        o.in_channels);
  const auto conv = [&](const char* name, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
    own(name, std::make_unique<BasicConv2d>(in, out, kernel, stride, kernel / 2));
  };
  const auto pool = [&](const char* name, int64_t kernel) {
    own(name, std::make_unique<MaxPool2d>(PoolOptions{.kernel = kernel, .stride = 2, .ceil_mode = true}));
  };
  const auto inception = [&](const char* name, int64_t in, const Widths& widths) {
    own(name, std::make_unique<Inception>(in, widths));
  };
  const auto aux = [&](const char* name, int64_t in) {
    if (o.aux_logits) own(name, std::make_unique<AuxHead>(in, o.num_classes, o.dropout_aux));
  };
  conv("conv1", o.in_channels, 64, 7, 2);
  pool("maxpool1", 3);
  conv("conv2", 64, 64, 1);
  conv("conv3", 64, 192, 3);
  pool("maxpool2", 3);
  inception("inception3a", 192, {64, 96, 128, 16, 32, 32});  // table 1 of the paper
  inception("inception3b", 256, {128, 128, 192, 32, 96, 64});
  pool("maxpool3", 3);
  inception("inception4a", 480, {192, 96, 208, 16, 48, 64});
  inception("inception4b", 512, {160, 112, 224, 24, 64, 64});
  inception("inception4c", 512, {128, 128, 256, 24, 64, 64});
  inception("inception4d", 512, {112, 144, 288, 32, 64, 64});
  inception("inception4e", 528, {256, 160, 320, 32, 128, 128});
  pool("maxpool4", 2);
  inception("inception5a", 832, {256, 160, 320, 32, 128, 128});
  inception("inception5b", 832, {384, 192, 384, 48, 128, 128});
  aux("aux1", 512);
  aux("aux2", 528);
  child("avgpool", avgpool);
  child("dropout", dropout);
  child("fc", fc);
}

Tensors GoogLeNet::run(const Tensor& x, bool with_aux) {
  Tensors scores(1);
  Tensor y = run_children(*this, options.transform_input ? renormalized(x) : x, "conv1", "inception4a");
  if (with_aux) scores.push_back(submodule("aux1").call({y})[0]);
  y = run_children(*this, y, "inception4b", "inception4d");
  if (with_aux) scores.push_back(submodule("aux2").call({y})[0]);
  y = run_children(*this, y, "inception4e", "inception5b");
  scores[0] = fc(dropout(flatten(avgpool(y), 1)));
  return scores;
}

Tensor GoogLeNet::forward(const Tensor& x) { return run(x, false)[0]; }

Tensors GoogLeNet::all_scores(const Tensor& x) { return run(x, options.aux_logits); }

void GoogLeNet::reset_parameters(RandomKey key) {
  draw_layers(*this, key,
              [](std::string_view, Module& layer, RandomKey own) { return draw_trunc_normal(layer, own, 0.01); });
}

}  // namespace ingot
