#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/plan.h"

namespace ingot {

/// Bytes of one weight, dense or packed, with what keeps them: a mapped file, a tensor.
struct WeightData {
  const std::byte* data = nullptr;
  size_t bytes = 0;
  std::shared_ptr<const void> owner;
};

/// An input's dimension that is a free size alone and so decides it.
struct SizeSource {
  size_t input = 0, dim = 0;
};

/// What all copies and contexts of an engine share.
struct EngineData {
  Plan plan;
  std::vector<WeightData> weights;       // by Plan::weights
  std::vector<SizeSource> size_sources;  // by Plan::sizes
};

/// Validates the plan; the weights must be as long as it says. Checks its shape rules at the sizes' examples.
std::shared_ptr<const EngineData> make_engine_data(Plan plan, std::vector<WeightData> weights);

}  // namespace ingot
