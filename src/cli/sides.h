#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/model.h"

// The two sides of a comparison: a network as it was traced, or an engine.
namespace ingot::cli {

/// Called with the values that were asked for.
using Seen = std::function<void(const std::string& name, const Tensor& data)>;

class Side {
 public:
  virtual ~Side() = default;
  /// The scores of a batch.
  virtual Tensor run(const Tensor& images, const std::vector<std::string>& wanted, const Seen& seen) = 0;
  /// A value that it computes; `viewed` names what it is a view of.
  struct Computed {
    std::string name, op, path, viewed;
  };
  virtual std::vector<Computed> values() const = 0;
};

/// A module stands for its unfused graph, run op by op, when it comes first, and for the engine made of it when it
/// comes second.
std::unique_ptr<Side> make_side(const Model& model, bool fused);

/// The values that survive fusion, in b's order: fused results keep the name of the last value that they replace. A
/// view counts only where it views the same value, since passes may change the order of what it reads.
std::vector<Side::Computed> common_values(const Side& a, const Side& b);

}  // namespace ingot::cli
