#include "diagnose/report.h"

#include <fmt/format.h>

#include "base/file.h"
#include "diagnose/html.h"
#include "diagnose/report_parts.h"

namespace ingot {
namespace report {

std::optional<double> number_at(const Json& object, std::string_view key) {
  const Json& value = member(object, key);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

std::string text_at(const Json& object, std::string_view key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

const Json& member(const Json& object, std::string_view key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto it = object.find(std::string(key));
  return it != object.end() ? *it : kNull;
}

std::string missing(std::string_view what, std::string_view how) {
  return fmt::format("<p class=\"missing\">{}; {}.</p>\n", html::escape(what), html::escape(how));
}

namespace {

/// Null where the file is missing or is no JSON.
Json read_json(const std::filesystem::path& path) {
  try {
    const Json json = Json::parse(read_file(path), nullptr, false);
    return json.is_object() ? json : Json();
  } catch (const Error&) {
    return {};
  }
}

TrainLog log_of(const std::filesystem::path& folder) {
  try {
    return read_log(folder);
  } catch (const Error&) {
    return {};
  }
}

std::string config_text(const std::filesystem::path& folder) {
  try {
    return fmt::format("<details><summary>config.yaml</summary><pre>{}</pre></details>\n",
                       html::escape(read_file(folder / "config.yaml")));
  } catch (const Error&) {
    return missing("config.yaml is missing", "ingot train writes it");
  }
}

struct Section {
  std::string id, title, body;
};

std::string page(const std::string& title, const std::string& head, const std::vector<Section>& sections) {
  std::string links, bodies;
  for (const Section& s : sections) {
    links += fmt::format("<a href=\"#{}\">{}</a>\n", s.id, s.title);
    bodies += fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", s.id, s.title, s.body);
  }
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n"
      "<style>{1}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n<nav>\n{2}</nav>\n{3}{4}"
      "<footer>Written by <code>ingot report</code>. This page is one file: it needs no script and no "
      "network.</footer>\n"
      "</main>\n</body>\n</html>\n",
      html::escape(title), style(), links, head, bodies);
}

}  // namespace
}  // namespace report

std::string html_report(const std::filesystem::path& folder, const std::vector<ReportImage>& images) {
  using namespace report;
  const Json eval = read_json(folder / "eval.json"), build = read_json(folder / "model.report.json"),
             bench = read_json(folder / "bench.json");
  const TrainLog log = log_of(folder);
  return page("Run " + folder.string(), key_figures(log, eval, build, bench),
              {{"training", "Training", learning_curves(log) + config_text(folder)},
               {"test", "Test set", confusion_matrix(eval) + accuracy_by_class(eval)},
               {"images", "Predictions", image_gallery(images)},
               {"latency", "Latency", latencies(bench)},
               {"fusion", "Fusion", fusion_table(build)}});
}

}  // namespace ingot
