#include <chrono>

#include "engine/lower.h"
#include "runtime/packing.h"

namespace ingot {

Engine compile(const Graph& original, const CompileOptions& options, BuildReport* report) {
  const auto start = std::chrono::steady_clock::now();
  BuildReport unread;
  BuildReport& out = report != nullptr ? *report : unread;
  out = {};
  Graph graph = original.clone();
  out.passes = optimize(graph, {.disabled = options.disabled_passes});
  EngineData draft = lower(graph, options);
  if (options.elide_concats) elide_concats(draft.plan, out.concat_parts);
  choose_tactics(draft, options, out.tactics);
  drop_unused(draft);
  number_weights(draft);
  const Engine engine(make_engine_data(std::move(draft.plan), std::move(draft.weights)));
  out.memory = engine.memory();
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return engine;
}

}  // namespace ingot
