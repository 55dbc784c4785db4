#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/op_def.h"
#include "ingot/runtime.h"

namespace ingot {

/// A tensor of a plan by its place in Plan::tensors, or none.
using TensorId = int32_t;
inline constexpr TensorId kAbsent = -1;
/// Of weights in files, and so in memory.
inline constexpr uint64_t kWeightAlignment = 64;

/// A size that inputs decide, and what it may be.
struct PlanSize {
  std::string name;
  int64_t example = 1, min = 1, max = 1;
  bool operator==(const PlanSize&) const = default;
};

/// Where a tensor's memory comes from. What is computed lives in the arena, unless it is a graph output, a view, takes
/// over the memory of an operand that ends there, or is part of a concat's result: all that is decided when the sizes
/// are known (placement.h).
enum class Home : uint8_t { input, weight, computed };

struct PlanTensor {
  std::string name;
  Spec spec;  // shape in the plan's sizes; dense in the layout unless it is a view or a part
  Home home = Home::computed;
  int32_t weight = -1;   // which of Plan::weights
  int32_t part_of = -1;  // the concat step in whose result it is written where it is made
};

/// One call of an op. The tactic is the implementation that runs: "eval" or a row of tactics.h.
struct PlanStep {
  const OpDef* op = nullptr;
  Attrs attrs;
  std::vector<TensorId> operands, results;  // kAbsent: not given, or wanted by nobody
  std::string tactic = "eval";
  std::string path;  // of the module that made the call
};

/// Data that comes with the plan, dense in the tensor's layout or, for a tactic that wants it so, packed.
struct PlanWeight {
  std::string name;
  std::string form = "dense";  // or the name of the packed format, as the tactic gives it
  uint64_t offset = 0;         // in the weights section of a file, a multiple of 64
  uint64_t bytes = 0;
  uint64_t hash = 0;  // of the bytes and the zeros up to the next multiple of 64
};

struct PlanOutput {
  std::string name;
  TensorId tensor = kAbsent;
};

/// The machine for which tactics were chosen and weights packed.
struct BuiltFor {
  std::string cpu, isa;
  int32_t threads = 1;
};

/// Everything that the executor needs of a compiled network, weights' data apart.
struct Plan {
  std::vector<PlanSize> sizes;
  std::vector<PlanTensor> tensors;
  std::vector<TensorId> inputs;
  std::vector<PlanOutput> outputs;
  std::vector<PlanStep> steps;
  std::vector<PlanWeight> weights;
  Preprocessing preprocessing;
  std::vector<std::string> class_names;
  BuiltFor built_for;

  const PlanTensor& tensor(TensorId id) const { return tensors[static_cast<size_t>(id)]; }
  PlanTensor& tensor(TensorId id) { return tensors[static_cast<size_t>(id)]; }
  SymbolValues examples() const;
};

/// The plan as `ingot inspect` prints it: sizes, inputs, steps, outputs, a line each.
std::string to_string(const Plan& plan);
/// "f32[n, 64, 56, 56]"
std::string type_text(const Spec& spec);
/// "[conv2d] layer1.0.conv1", as errors begin.
std::string name_of(const PlanStep& step);

}  // namespace ingot
