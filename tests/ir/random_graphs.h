#pragma once

#include "ir/node.h"

namespace ingot::test {

/// A small network with everything that passes look for, drawn from the seed: convolutions with groups and shared
/// weights, batch norms before and after, residuals, activations, pads, pools, concats, constants to fold, identities.
Graph random_graph(uint64_t seed, DType dtype);

}  // namespace ingot::test
