#include "cli/build_report.h"

#include <fmt/format.h>

#include <map>

#include "cli/output.h"
#include "diagnose/html.h"

namespace ingot::cli {
namespace {

using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

constexpr size_t kShownNodes = 3;  // of those that one reason stands for

std::string indented(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    out += "  " + text.substr(at, end - at);
    at = end;
  }
  return out;
}

std::string fused_text(const Json& passes) {
  Rows rows{{"pass", "applied", "refused"}};
  for (const auto& [name, count] : passes.at("passes").items())
    rows.push_back({name, count.at("applied").dump(), count.at("refused").dump()});
  return rows.size() == 1 ? "  nothing\n" : indented(table(rows));
}

/// Refusals by pass and reason, each with the first few nodes.
std::string refused_text(const Json& passes) {
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> nodes;
  for (const Json& e : passes.at("entries"))
    if (!e.at("applied").get<bool>()) nodes[{e.at("pass"), e.at("reason")}].push_back(e.at("node"));
  if (nodes.empty()) return "  nothing\n";
  std::string out;
  for (const auto& [key, names] : nodes) {
    std::string shown;
    for (size_t i = 0; i < std::min(names.size(), kShownNodes); ++i) shown += (i == 0 ? "%" : ", %") + names[i];
    if (names.size() > kShownNodes) shown += fmt::format(" and {} more", names.size() - kShownNodes);
    out += fmt::format("  {}: {} ({})\n", key.first, key.second, shown);
  }
  return out;
}

std::string tactics_text(const Json& tactics) {
  std::map<std::pair<std::string, std::string>, std::pair<int, double>> chosen;  // count, seconds
  for (const Json& t : tactics) {
    auto& [count, seconds] = chosen[{t.at("op"), t.at("tactic")}];
    ++count;
    seconds += t.at("seconds").value(t.at("tactic").get<std::string>(), 0.0);
  }
  Rows rows{{"op", "tactic", "layers", "ms"}};
  for (const auto& [key, value] : chosen)
    rows.push_back({key.first, key.second, std::to_string(value.first),
                    value.second > 0 ? fmt::format("{:.3f}", value.second * 1e3) : "-"});
  return indented(table(rows));
}

std::string fixed_text(const Json& fixed) {
  std::string out;
  for (const Json& f : fixed)
    out += fmt::format("Size {} had to be fixed to {}: {}\n", f.at("symbol").get<std::string>(),
                       f.at("value").get<int64_t>(), f.at("reason").get<std::string>());
  return out;
}

std::string copies_text(const Json& parts) {
  std::string out;
  for (const Json& p : parts)
    if (!p.at("in_place").get<bool>())
      out += fmt::format("  %{} is copied into %{}: {}\n", p.at("part").get<std::string>(),
                         p.at("concat").get<std::string>(), p.at("reason").get<std::string>());
  return out.empty() ? out : "Copied into concats\n" + out;
}

}  // namespace

Json to_json(const BuildSummary& s) {
  Json out{{"model", s.model},
           {"engine", s.engine},
           {"math", s.math},
           {"deterministic", s.deterministic},
           {"max_batch", s.max_batch},
           {"file_bytes", s.file_bytes},
           {"disabled_passes", s.disabled_passes},
           {"fixed_sizes", Json::array()},
           {"graph", {{"before", s.graph_before}, {"after", s.graph_after}}}};
  for (const FixedSize& f : s.fixed_sizes)
    out["fixed_sizes"].push_back({{"symbol", f.symbol}, {"value", f.value}, {"reason", f.reason}});
  out.update(Json::parse(ingot::to_json(s.report)));
  return out;
}

std::string passes_text(const Json& passes) {
  return fmt::format("Fused\n{}Not fused\n{}", fused_text(passes), refused_text(passes));
}

std::string build_text(const Json& build) {
  const Json& memory = build.at("memory");
  const auto bytes = [&](const char* key) { return html::bytes(memory.at(key).get<double>()); };
  std::string out = passes_text(build.at("passes"));
  out += fmt::format("Tactics (times at batch {})\n{}", std::min(kExampleBatch, build.at("max_batch").get<int64_t>()),
                     tactics_text(build.at("tactics")));
  out += copies_text(build.at("concat_parts")) + fixed_text(build.at("fixed_sizes"));
  out +=
      fmt::format("Memory: arena {} ({} without sharing), weights {}\n", bytes("peak"), bytes("sum"), bytes("weights"));
  return out + fmt::format("{}: {}, batch 1 to {}, built in {:.2f} s\n", build.at("engine").get<std::string>(),
                           html::bytes(build.at("file_bytes").get<double>()), build.at("max_batch").get<int64_t>(),
                           build.at("seconds").get<double>());
}

}  // namespace ingot::cli
