#pragma once

#include <fmt/core.h>

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "ingot/file_datasets.h"

namespace ingot {

/// What is wrong with single samples of a file that is read into memory: an Error, or a count and a report.
class BadSamples {
 public:
  explicit BadSamples(OnError on_error) : on_error_(on_error) {}

  void add(std::string reason) {
    if (on_error_ == OnError::raise) throw Error(reason);
    if (count_++ == 0) first_ = std::move(reason);
  }
  int64_t count() const { return count_; }
  /// Says on stderr how many there were of `all`. Throws Error where nothing is left.
  void report(int64_t all) const {
    if (count_ == 0) return;
    CHECK(count_ < all, "all {} samples are bad, the first: {}", all, first_);
    log_warning("{} of {} samples are left out, the first: {}", count_, all, first_);
  }

 private:
  OnError on_error_;
  int64_t count_ = 0;
  std::string first_;
};

/// What a FileDataset is made of.
struct FileContent {
  Tensor inputs, targets;
  int64_t skipped = 0;
};
/// Rows `kept` of both, the others being those that are bad, which it reports.
FileContent without_bad(const Tensor& inputs, const Tensor& targets, const std::vector<int64_t>& kept,
                        const BadSamples& bad);

}  // namespace ingot
