#pragma once

#include "runtime/engine_data.h"
#include "runtime/tactics.h"

namespace ingot {

/// An operand packed in the form that is best for this call.
WeightData pack(const PackedOperand& operand, const EvalArgs& args);

/// Throws Error unless every packed weight of the plan is what its form says. Reads a header of each.
void check_packed_weights(const EngineData& engine);

/// Where the engine was built for another machine or thread count: packs weights anew whose best form is another here,
/// and goes back to eval where a tactic does not run at all.
void repack_for_this_machine(EngineData& engine);

/// Drops tensors that no step reads or makes, and their weights: dense ones above all of which only a packed form is
/// read.
void drop_unused(EngineData& engine);
/// Gives each weight its place in a file and its hash.
void number_weights(EngineData& engine);

}  // namespace ingot
