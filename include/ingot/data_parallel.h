#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ingot/communicator.h"
#include "ingot/losses.h"
#include "ingot/module.h"

namespace ingot {

struct DataParallelOptions {
  int64_t first_bucket_bytes = int64_t{1} << 20;  // small, so that communication begins early
  int64_t bucket_bytes = int64_t{25} << 20;
  bool compress = false;  // all buckets but the first travel, and are summed, as bf16
};

/// One module on several ranks, each with its own part of the batch: after backward() every rank has the gradient of
/// the whole batch,
///   (sum of the ranks' loss.sum) / (sum of the ranks' loss.denominator),
/// whatever sizes the parts have, and equal steps of equal optimisers keep the parameters equal. Gradients lie in
/// buckets, grad() of a parameter being a view of one; a bucket is summed over the ranks, on a thread of its own, as
/// soon as its last gradient is there and those before it are under way, while backward goes on. After the first
/// backward the buckets are formed anew in the order in which gradients came. Li et al. 2020 (PyTorch Distributed).
///
/// Parameters that no rank's loss reaches have no gradient; those that some reach have the sum. All ranks call
/// backward() equally often. The module must outlive it.
class DataParallel {
 public:
  /// Calls begin_as_first_rank.
  explicit DataParallel(Module& module, const DataParallelOptions& options = {}, GroupId group = kWorld);
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  /// The mean loss of the whole batch. `sums`, at most 16 numbers, become their sums over the ranks: they travel with
  /// the first bucket (in its dtype: f32 counts exactly to 2^24).
  double backward(const LossSum& loss, std::span<double> sums = {});

  /// Within it backward() only adds up; the first one after it exchanges the sums of all, whose denominators add up
  /// too. What it returns meanwhile is the mean over this rank's part.
  class NoSync {
   public:
    explicit NoSync(DataParallel& parallel);
    ~NoSync();
    NoSync(const NoSync&) = delete;
    NoSync& operator=(const NoSync&) = delete;

   private:
    DataParallel& parallel_;
  };

  /// Makes all ranks' buffers rank 0's, as batch norms need whose running statistics saw different images.
  void broadcast_buffers();
  /// Throws Error where a parameter differs from rank 0's, naming it and the rank.
  void check_equal() const;

  /// What its buckets sent.
  Traffic traffic() const;
  /// Names of the parameters by bucket, in the order of sending.
  std::vector<std::vector<std::string>> buckets() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Compares names, shapes and dtypes of the module's parameters and buffers over the ranks, and copies rank 0's values
/// to all. Throws Error that names the rank and the first difference, and where no parameter requires a gradient.
void begin_as_first_rank(Module& module, GroupId group = kWorld);
/// Throws the same Error on all ranks where a text is not that of rank 0: "rank 2 has another config: 'lr: 0.1' where
/// rank 0 has 'lr: 0.2'", the first line that differs. `what`: "config".
void check_same_on_ranks(std::string_view what, const std::string& text, GroupId group = kWorld);
/// The texts of all ranks, cut to 511 bytes.
std::vector<std::string> gather_texts(const std::string& text, GroupId group = kWorld);

}  // namespace ingot
