#pragma once

#include "ingot/data_loader.h"

namespace ingot {

/// Refuses options that contradict each other, with a message that names both.
void check_options(const DataLoaderOptions& options, bool iterable);

}  // namespace ingot
