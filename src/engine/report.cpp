#include <nlohmann/json.hpp>

#include "ingot/engine.h"

namespace ingot {

using Json = nlohmann::json;

std::string to_json(const BuildReport& report) {
  Json tactics = Json::array(), parts = Json::array();
  for (const TacticChoice& c : report.tactics) {
    Json times = Json::object();
    for (const TacticTime& t : c.times) times[t.tactic] = t.seconds;
    tactics.push_back({{"step", c.step},
                       {"op", c.op},
                       {"path", c.path},
                       {"tactic", c.chosen},
                       {"seconds", times},
                       {"from_cache", c.from_cache},
                       {"strided", c.strided}});
  }
  for (const ConcatPart& p : report.concat_parts)
    parts.push_back({{"concat", p.concat}, {"part", p.part}, {"in_place", p.in_place}, {"reason", p.reason}});
  const MemoryPlan& m = report.memory;
  return Json{
      {"passes", Json::parse(to_json(report.passes))},
      {"tactics", tactics},
      {"concat_parts", parts},
      {"memory",
       {{"peak", m.peak}, {"sum", m.sum}, {"weights", m.weights}, {"inputs", m.inputs}, {"outputs", m.outputs}}},
      {"seconds", report.seconds}}
      .dump(1);
}

}  // namespace ingot
