#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "diagnose/report.h"
#include "ingot/train.h"

// The parts of a report, each the HTML of one section's inside. JSON comes from files that may be of another version:
// what is not there or of another type is left out.
namespace ingot::report {

using Json = nlohmann::ordered_json;

/// Members by key where they have the wanted type.
std::optional<double> number_at(const Json& object, std::string_view key);
std::string text_at(const Json& object, std::string_view key);
const Json& member(const Json& object, std::string_view key);  // null where there is none

struct Latency {
  std::string model, mode;
  double min = 0, median = 0, mean = 0, p90 = 0, p99 = 0, throughput = 0;
};
/// The entries of a bench.json of one model or several.
std::vector<Latency> read_latencies(const Json& bench);

/// A section in place of what is missing.
std::string missing(std::string_view what, std::string_view how);

std::string key_figures(const TrainLog& log, const Json& eval, const Json& build, const Json& bench);
std::string learning_curves(const TrainLog& log);
std::string accuracy_by_class(const Json& eval);
std::string confusion_matrix(const Json& eval);
std::string image_gallery(std::span<const ReportImage> images);
std::string fusion_table(const Json& build);
std::string latencies(const Json& bench);

/// The style sheet.
std::string_view style();

}  // namespace ingot::report
