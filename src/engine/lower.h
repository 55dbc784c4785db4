#pragma once

#include <vector>

#include "ingot/engine.h"
#include "ir/node.h"
#include "runtime/engine_data.h"
#include "runtime/tactics.h"

namespace ingot {

/// The graph's nodes as steps, all evaluated by their op's eval, all weights dense; not validated yet.
EngineData lower(const Graph& graph, const CompileOptions& options);

/// Decides which operands of concats are made where the result lies.
void elide_concats(Plan& plan, std::vector<ConcatPart>& report);

/// Whether this tactic of the step takes activations that are channel slices without copying them.
bool takes_slices(const Plan& plan, const PlanStep& step, const Tactic* tactic);
/// Chooses each step's tactic by the table of tactics, packs weights for it.
void choose_tactics(EngineData& draft, const CompileOptions& options, std::vector<TacticChoice>& report);

}  // namespace ingot
