#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "data/load_task.h"

namespace ingot {

/// One epoch's batches in work. Everything but `maker` is guarded by the pool's mutex.
class LoaderRun {
 public:
  explicit LoaderRun(BatchMaker maker, int64_t position) : maker(std::move(maker)), position(position) {}

  BatchMaker maker;
  std::deque<std::shared_ptr<LoadTask>> tasks;  // planned and not yet taken, in order
  int64_t planned = 0;                          // number of the next batch to plan
  bool ended = false;                           // an iterable data set gave its last sample
  std::string init_error;                       // of worker_init_fn
  int64_t position;                             // after the last batch that was taken
};

/// Threads that make the batches of one run at a time, each sample (or chunk of samples) a piece of work of its own,
/// the earliest batch first. They start at the first run and stay.
class WorkerPool {
 public:
  explicit WorkerPool(const DataLoaderOptions& options);
  ~WorkerPool();

  /// Makes this the run to work on; batches of the one before are given up.
  void start(const std::shared_ptr<LoaderRun>& run);
  /// Ends work on this run, if it is the current one, so that its memory is returned.
  void give_up(const LoaderRun& run);
  /// Ends work on any run and waits until no thread reads from an iterable data set.
  void stop_reading();
  /// Takes the next batch, waiting for it; null at the end. Throws Error after the timeout, or if the run was given up.
  std::shared_ptr<LoadTask> take(LoaderRun& run);

 private:
  struct Piece {
    std::shared_ptr<LoadTask> task;
    size_t begin = 0, end = 0;
  };
  using Lock = std::unique_lock<std::mutex>;
  void work(int number);
  struct Worker {
    int number = 0;
    uint64_t run = 0;          // that it was last prepared for
    bool initialised = false;  // worker_init_fn came to its end
  };
  void prepare(Lock& lock, LoaderRun& run, Worker& worker);
  bool advance(Lock& lock, Worker& worker);
  bool claim(LoaderRun& run, Piece& piece);
  bool pull(Lock& lock, LoaderRun& run);
  void complete(Lock& lock, const LoaderRun& run, const Piece& piece);
  bool ready(const LoaderRun& run) const;
  std::string late_samples(const LoaderRun& run) const;

  const DataLoaderOptions& options_;
  const int64_t capacity_;
  std::mutex mutex_;
  std::condition_variable work_, ready_;
  std::shared_ptr<LoaderRun> run_;
  std::vector<std::thread> threads_;
  uint64_t runs_ = 0;  // started so far
  bool reading_ = false, stop_ = false;
};

}  // namespace ingot
