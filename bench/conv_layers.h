#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ingot/geometry.h"

/// A convolution of the net, as often as it has one of these sizes.
struct Layer {
  std::vector<int64_t> x, weight, y;
  ingot::ConvGeometry geometry;
  int count = 1;
  int64_t next = 0;  // outputs of the 1x1 convolution that reads y (of the first such layer), if one does
};

/// Those that a forward pass of 224x224 images meets (Inception v3: 299x299), in its order.
std::vector<Layer> layers_of(const std::string& net, int64_t batch);
