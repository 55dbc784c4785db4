#pragma once

#include <filesystem>

#include "ingot/train.h"

namespace ingot {

/// log.jsonl (steps and epochs, one JSON object a line) and log.csv (epochs) of a run folder.
class RunLog {
 public:
  /// Keeps what earlier parts of the run logged up to this step and this whole epoch, and drops the rest: what came
  /// after the checkpoint that the run resumes from will be logged again.
  /// `svm`: the table has its columns too.
  RunLog(const std::filesystem::path& folder, int64_t step, int64_t epoch, bool svm);

  void add(const StepRecord& record);
  void add(const EpochRecord& record);

 private:
  std::filesystem::path jsonl_, csv_;
};

}  // namespace ingot
