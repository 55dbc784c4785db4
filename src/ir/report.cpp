#include <algorithm>
#include <nlohmann/json.hpp>

#include "ir/node.h"

namespace ingot {

void Report::applied(std::string_view pass, const Node& node, std::string what) {
  entries.push_back(
      {std::string(pass), std::string(node.op->name), node.result().name, node.path, true, std::move(what)});
}

void Report::refused(std::string_view pass, const Node& node, std::string reason) {
  entries.push_back(
      {std::string(pass), std::string(node.op->name), node.result().name, node.path, false, std::move(reason)});
}

size_t Report::count_applied(std::string_view pass) const {
  return static_cast<size_t>(
      std::count_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.applied && e.pass == pass; }));
}

std::string to_json(const Report& report) {
  using Json = nlohmann::ordered_json;
  Json passes = Json::object(), entries = Json::array();
  for (const auto& e : report.entries) {
    if (!passes.contains(e.pass)) passes[e.pass] = {{"applied", 0}, {"refused", 0}};
    Json& count = passes[e.pass][e.applied ? "applied" : "refused"];
    count = count.get<int>() + 1;
    entries.push_back({{"pass", e.pass},
                       {"op", e.op},
                       {"node", e.node},
                       {"path", e.path},
                       {"applied", e.applied},
                       {"reason", e.reason}});
  }
  constexpr int kIndent = 2;
  // Names may come from files: what is no UTF-8 is replaced, not refused.
  return Json{{"passes", passes}, {"entries", entries}}.dump(kIndent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ingot
