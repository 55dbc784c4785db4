#include "ingot/models.h"

namespace ingot {
namespace {

constexpr int64_t kLeNetPlane = 5 * 5;  // what 28x28 shrinks to
constexpr int64_t kPools = 2 * 2;       // small_cnn halves the image twice

PoolOptions halve() { return {.kernel = 2}; }
ConvOptions before_norm() { return {.padding = 1, .bias = false}; }

int64_t flattened(const SmallCnnOptions& o) { return o.conv2 * (o.image_size / kPools) * (o.image_size / kPools); }

}  // namespace

LinearClassifier::LinearClassifier(const LinearClassifierOptions& options)
    : fc(options.in_channels * options.image_size * options.image_size, options.num_classes) {
  child("fc", fc);
}

Tensor LinearClassifier::forward(const Tensor& x) { return fc(flatten(x, 1)); }

LeNet::LeNet(const LeNetOptions& options)
    : conv1(options.in_channels, 6, 5, {.padding = 2}),
      conv2(6, 16, 5),
      pool(halve()),
      fc1(16 * kLeNetPlane, 120),
      fc2(120, 84),
      fc3(84, options.num_classes) {
  child("conv1", conv1);
  child("conv2", conv2);
  child("relu", relu);
  child("pool", pool);
  child("fc1", fc1);
  child("fc2", fc2);
  child("fc3", fc3);
}

Tensor LeNet::forward(const Tensor& x) {
  Tensor y = pool(relu(conv1(x)));
  y = pool(relu(conv2(y)));
  y = relu(fc1(flatten(y, 1)));
  return fc3(relu(fc2(y)));
}

SmallCnn::SmallCnn(const SmallCnnOptions& options)
    : conv1(options.in_channels, options.conv1, 3, before_norm()),
      bn1(options.conv1),
      conv2(options.conv1, options.conv2, 3, before_norm()),
      bn2(options.conv2),
      pool(halve()),
      fc1(flattened(options), options.hidden),
      dropout(options.dropout),
      fc2(options.hidden, options.num_classes) {
  child("conv1", conv1);
  child("bn1", bn1);
  child("conv2", conv2);
  child("bn2", bn2);
  child("relu", relu);
  child("pool", pool);
  child("fc1", fc1);
  child("dropout", dropout);
  child("fc2", fc2);
}

Tensor SmallCnn::forward(const Tensor& x) {
  Tensor y = pool(norm_relu(bn1, relu, conv1(x)));
  y = pool(norm_relu(bn2, relu, conv2(y)));
  return fc2(dropout(relu(fc1(flatten(y, 1)))));
}

}  // namespace ingot
