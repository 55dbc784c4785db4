#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/model.h"

namespace ingot::cli {

/// All that a build has to tell; model.report.json holds it.
struct BuildSummary {
  std::string model, engine, math;
  bool deterministic = false;
  int64_t max_batch = kMaxBatch;
  uintmax_t file_bytes = 0;
  std::vector<std::string> disabled_passes;
  std::vector<FixedSize> fixed_sizes;
  std::string graph_before, graph_after;  // as text
  BuildReport report;
};

/// {"model", "engine", "math", "deterministic", "max_batch", "file_bytes", "disabled_passes", "fixed_sizes", "graph":
/// {"before", "after"},
///  "passes": {"passes", "entries"}, "tactics", "concat_parts", "memory", "seconds"}
nlohmann::ordered_json to_json(const BuildSummary& summary);

/// "Fused ... Not fused ..." of a Report's JSON.
std::string passes_text(const nlohmann::ordered_json& passes);
/// The same for a person, from that object: what was fused, what was not and why, memory, tactics.
std::string build_text(const nlohmann::ordered_json& build);

}  // namespace ingot::cli
