#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ingot {

/// A test image with what the network made of it.
struct ReportImage {
  std::string png;  // the file's bytes
  int64_t index = 0;
  std::string label, predicted;
  double probability = 0;  // of what was predicted
  bool right() const { return label == predicted; }
};

/// A run folder as one HTML page that needs no script and no network: learning curves (log.jsonl), accuracy by class
/// and confusion matrix (eval.json), images with predictions, the passes with graph text before and after
/// (model.report.json), latencies (bench.json), the config. Files that are missing or damaged are named in the page.
std::string html_report(const std::filesystem::path& folder, const std::vector<ReportImage>& images);

}  // namespace ingot
