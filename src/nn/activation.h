#pragma once

#include <memory>

#include "ingot/nn/activation.h"

namespace ingot {

/// The module of an activation without parameters. Throws Error for `none` and those that have some.
std::unique_ptr<Module> make_activation(Activation kind);

}  // namespace ingot
