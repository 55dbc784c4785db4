#include <fmt/format.h>

#include <algorithm>

#include "diagnose/html.h"
#include "diagnose/report_parts.h"

namespace ingot::report {
namespace {

using html::escape;

constexpr size_t kShownRows = 60;  // of a table; longer ones are folded

std::string pass_counts(const Json& passes) {
  std::string out =
      "<div class=\"scroll\"><table>\n<tr><th>pass</th><th class=\"n\">applied</th><th class=\"n\">refused</th></tr>\n";
  for (const auto& [name, count] : member(passes, "passes").items())
    out += fmt::format("<tr><td><code>{}</code></td><td class=\"n\">{:.0f}</td><td class=\"n\">{:.0f}</td></tr>\n",
                       escape(name), number_at(count, "applied").value_or(0), number_at(count, "refused").value_or(0));
  return out + "</table></div>\n";
}

std::string entry_row(const Json& e) {
  const Json& flag = member(e, "applied");
  const bool applied = flag.is_boolean() && flag.get<bool>();
  return fmt::format(
      "<tr><td class=\"{}\">{}</td><td><code>{}</code></td><td><code>%{}</code> {}</td><td>{}</td><td>{}</td></tr>\n",
      applied ? "yes" : "no", applied ? "&#10003; applied" : "&#10007; refused", escape(text_at(e, "pass")),
      escape(text_at(e, "node")), escape(text_at(e, "op")), escape(text_at(e, "path")), escape(text_at(e, "reason")));
}

/// All entries with this outcome, applied or refused.
std::string entries(const Json& passes, bool applied) {
  std::string rows;
  size_t count = 0;
  for (const Json& e : member(passes, "entries"))
    if (const Json& flag = member(e, "applied"); flag.is_boolean() && flag.get<bool>() == applied)
      rows += entry_row(e), ++count;
  const std::string title = applied ? "Fused" : "Not fused, and why";
  if (count == 0) return fmt::format("<h3>{}</h3>\n<p>Nothing.</p>\n", title);
  return fmt::format(
      "<details{}><summary><b>{}</b> ({})</summary>\n<div class=\"scroll\"><table>\n<tr><th></th><th>pass</th>"
      "<th>value</th><th>layer</th><th>{}</th></tr>\n{}</table></div></details>\n",
      count <= kShownRows ? " open" : "", title, count, applied ? "what was done" : "reason", rows);
}

std::string graphs(const Json& build) {
  const Json& graph = member(build, "graph");
  const std::string before = text_at(graph, "before"), after = text_at(graph, "after");
  if (before.empty() && after.empty()) return "";
  return fmt::format(
      "<h3>The graph</h3>\n<div class=\"pair\">\n<div><b>before</b><pre>{}</pre></div>\n<div><b>after</b><pre>{}</pre>"
      "</div>\n</div>\n",
      escape(before), escape(after));
}

std::string memory(const Json& build) {
  const Json& m = member(build, "memory");
  const auto peak = number_at(m, "peak"), sum = number_at(m, "sum"), weights = number_at(m, "weights");
  if (!peak || !sum || !weights) return "";
  return fmt::format("<p>Memory: one arena of {} ({} without sharing), weights {}.</p>\n", html::bytes(*peak),
                     html::bytes(*sum), html::bytes(*weights));
}

std::string tactics(const Json& build) {
  const Json& list = member(build, "tactics");
  if (!list.is_array() || list.empty()) return "";
  std::string rows;
  for (const Json& t : list) {
    std::string times;
    for (const auto& [name, seconds] : member(t, "seconds").items())
      if (seconds.is_number())
        times += fmt::format("{}{} {:.3f} ms", times.empty() ? "" : ", ", escape(name), seconds.get<double>() * 1e3);
    rows += fmt::format("<tr><td>{}</td><td><code>{}</code></td><td><code>{}</code></td><td>{}</td></tr>\n",
                        escape(text_at(t, "path")), escape(text_at(t, "op")), escape(text_at(t, "tactic")), times);
  }
  return fmt::format(
      "<details><summary><b>Implementation of each layer</b> ({})</summary>\n<div class=\"scroll\"><table>\n<tr>"
      "<th>layer</th><th>op</th><th>tactic</th><th>measured</th></tr>\n{}</table></div></details>\n",
      list.size(), rows);
}

}  // namespace

std::vector<Latency> read_latencies(const Json& bench) {
  std::vector<Latency> out;
  const auto add = [&](const Json& m) {
    const Json& ms = member(m, "latency_ms");
    const auto at = [&](std::string_view key) { return number_at(ms, key).value_or(0); };
    if (at("median") > 0)
      out.push_back({text_at(m, "model"), text_at(m, "mode"), at("min"), at("median"), at("mean"), at("p90"), at("p99"),
                     number_at(m, "throughput").value_or(0)});
  };
  if (const Json& several = member(bench, "models"); several.is_array())
    for (const Json& m : several) add(m);
  else if (const Json& modes = member(bench, "modes"); modes.is_array())
    for (const Json& m : modes) add(m);
  else
    add(bench);
  return out;
}

std::string fusion_table(const Json& build) {
  const Json& passes = member(build, "passes");
  if (!passes.is_object())
    return missing("model.report.json is missing or damaged", "ingot build RUN -o RUN/model.ingot writes it");
  return pass_counts(passes) + entries(passes, true) + entries(passes, false) + memory(build) + tactics(build) +
         graphs(build);
}

std::string latencies(const Json& bench) {
  const auto all = read_latencies(bench);
  if (all.empty()) return missing("bench.json is missing or damaged", "ingot bench RUN RUN/model.ingot writes it");
  double most = 0;
  for (const Latency& l : all) most = std::max(most, l.median);
  const Json& first = member(bench, "models").is_array() ? member(bench, "models")[0] : bench;
  std::string out =
      fmt::format("<p>Milliseconds a call of {:.0f} image{} on {:.0f} threads; bars show the median.</p>\n",
                  number_at(first, "batch").value_or(0), number_at(first, "batch").value_or(0) == 1 ? "" : "s",
                  number_at(first, "threads").value_or(0));
  out += "<div class=\"scroll latencies\"><table>\n<tr><th>form</th><th class=\"bar\"></th>";
  for (const char* name : {"median", "min", "mean", "p90", "p99", "images/s", "speed-up"})
    out += fmt::format("<th class=\"n\">{}</th>", name);
  out += "</tr>\n";
  for (const Latency& l : all) {
    out += fmt::format(
        "<tr><td><b>{}</b><br><small>{}</small></td><td class=\"bar\"><span style=\"width:{:.1f}%\"></span></td>",
        escape(l.mode), escape(l.model), l.median / most * 100);
    for (const double ms : {l.median, l.min, l.mean, l.p90, l.p99})
      out += fmt::format("<td class=\"n\">{:.3f}</td>", ms);
    out += fmt::format("<td class=\"n\">{:.0f}</td><td class=\"n\">{:.2f}x</td></tr>\n", l.throughput,
                       all.front().median / l.median);
  }
  return out + "</table></div>\n";
}

}  // namespace ingot::report
