#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ingot/graph.h"
#include "ingot/math.h"
#include "ingot/runtime.h"

// Compiling a graph into an engine. runtime.h runs it.
namespace ingot {

struct CompileOptions {
  /// Passes to leave out, by name (pass_names()). Throws Error for an unknown one.
  std::set<std::string> disabled_passes;
  /// Narrower bounds than the graph's for its free sizes, and the examples at which tactics are timed.
  SizeRanges sizes;
  /// Upper bound of every input's leading dimension, where it is a free size; 0: the graph's.
  int64_t max_batch = 0;
  bool elide_concats = true;
  /// fast: Winograd's filtering is among the tactics that are timed.
  Math math = Math::strict;
  /// Only implementations that give an image the same bits in any batch, at any place of it and on any number of
  /// threads. Throws Error for a step that has none (products of bf16).
  bool deterministic = false;
  /// Off: the first tactic that supports a call is taken, without timing.
  bool time_tactics = true;
  /// Tactics by step, "conv1=eval", that are taken untimed; the step's name is its first result's.
  std::map<std::string, std::string> forced_tactics;
  /// Times that were measured before on this machine with these kernels; what is missing is measured and added. Created
  /// if not there; begun anew where its kernels were others.
  std::optional<std::filesystem::path> timing_cache;
  Preprocessing preprocessing;
  std::vector<std::string> class_names;
};

struct TacticTime {
  std::string tactic;
  double seconds = 0;  // the least of several runs
};
/// One layer's choice.
struct TacticChoice {
  std::string step, op, path, chosen;
  std::vector<TacticTime> times;  // empty where there was no choice
  bool from_cache = false;
  int strided = 0;  // activations that its kernel copies because they are not dense
};
/// What became of one operand of a concat.
struct ConcatPart {
  std::string concat, part;
  bool in_place = false;
  std::string reason;  // why it is copied
};

/// All choices of a build.
struct BuildReport {
  Report passes;
  std::vector<TacticChoice> tactics;
  std::vector<ConcatPart> concat_parts;
  MemoryPlan memory;  // at the sizes' examples
  double seconds = 0;
};
/// {"passes": ..., "tactics": [...], "concat_parts": [...], "memory": {...}, "seconds": ...}
std::string to_json(const BuildReport& report);

/// Runs the inference passes on a copy of the graph and makes an engine of what is left. The engine shares no data with
/// the graph but constants, which must not be written to later.
Engine compile(const Graph& graph, const CompileOptions& options = {}, BuildReport* report = nullptr);

}  // namespace ingot
