#pragma once

#include <functional>
#include <string>

#include "ingot/module.h"

namespace ingot {

/// Runs `forward` again and says where the first value comes from that is not finite:
///   "the first value that is not finite comes out of [conv2d] conv1, whose input conv1.weight is not finite"
/// `names`: parameters, buffers and the batch.
std::string first_non_finite(const std::function<void()>& forward, const TensorsByName& names);

}  // namespace ingot
