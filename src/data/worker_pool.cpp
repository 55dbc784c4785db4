#include "data/worker_pool.h"

#include <algorithm>

#include "base/check.h"
#include "base/parallel.h"

namespace ingot {

constexpr int kDefaultPrefetch = 2;
constexpr double kLongestWait = 1e9;  // seconds: what comes after it may be more than the clock can count

WorkerPool::WorkerPool(const DataLoaderOptions& options)
    : options_(options), capacity_(int64_t{options.prefetch_factor.value_or(kDefaultPrefetch)} * options.num_workers) {}

WorkerPool::~WorkerPool() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void WorkerPool::start(const std::shared_ptr<LoaderRun>& run) {
  {
    const std::scoped_lock lock(mutex_);
    run_ = run;
    ++runs_;
    // More threads than CPUs would only get into each other's way; the batches do not depend on their number.
    const auto threads = static_cast<size_t>(std::min(options_.num_workers, available_cpus()));
    for (auto worker = static_cast<int>(threads_.size()); threads_.size() < threads; ++worker)
      threads_.emplace_back([this, worker] { work(worker); });
  }
  work_.notify_all();
}

void WorkerPool::give_up(const LoaderRun& run) {
  std::shared_ptr<LoaderRun> released;  // freed outside the lock
  const std::scoped_lock lock(mutex_);
  if (run_.get() == &run) released.swap(run_);
}

void WorkerPool::stop_reading() {
  Lock lock(mutex_);
  run_ = nullptr;
  ready_.wait(lock, [&] { return !reading_; });
}

bool WorkerPool::ready(const LoaderRun& run) const {
  if (run_.get() != &run || !run.init_error.empty()) return true;
  const auto finished = [](const auto& task) { return task->finished; };
  if (run.tasks.empty()) return run.maker.iterable() ? run.ended && !reading_ : run.planned == run.maker.batches();
  return options_.in_order ? finished(run.tasks.front()) : std::any_of(run.tasks.begin(), run.tasks.end(), finished);
}

std::string WorkerPool::late_samples(const LoaderRun& run) const {
  if (run.tasks.empty()) return "no batch is begun";
  const LoadTask& task = *run.tasks.front();
  if (run.maker.iterable())
    return fmt::format("batch {} still waits for sample {}", task.number, run.position + task.consumed);
  const auto late = std::find(task.done.begin(), task.done.end(), 0);
  if (late == task.done.end()) return fmt::format("batch {} is being collated", task.number);
  return fmt::format("batch {} still waits for sample {} and {} others", task.number,
                     task.indices[static_cast<size_t>(late - task.done.begin())],
                     std::count(late + 1, task.done.end(), 0));
}

std::shared_ptr<LoadTask> WorkerPool::take(LoaderRun& run) {
  Lock lock(mutex_);
  if (options_.timeout > 0) {
    const auto limit = std::chrono::duration<double>(std::min(options_.timeout, kLongestWait));
    CHECK(ready_.wait_for(lock, limit, [&] { return ready(run); }), "timeout: after {} s {}", options_.timeout,
          late_samples(run));
  } else {
    ready_.wait(lock, [&] { return ready(run); });
  }
  CHECK(run_.get() == &run, "this epoch was given up when the loader started another one");
  CHECK(run.init_error.empty(), "{}", run.init_error);
  const auto task = std::find_if(run.tasks.begin(), run.tasks.end(), [](const auto& t) { return t->finished; });
  if (task == run.tasks.end()) return nullptr;
  auto out = *task;
  run.tasks.erase(task);
  run.position = run.maker.position_after(run.position, *out);
  lock.unlock();
  work_.notify_all();
  return out;
}

void WorkerPool::prepare(Lock& lock, LoaderRun& run, Worker& worker) {
  worker.run = runs_;
  if (!options_.worker_init_fn || (worker.initialised && options_.persistent_workers)) return;
  lock.unlock();
  const auto error = thrown_by([&] { options_.worker_init_fn(worker.number); });
  lock.lock();
  worker.initialised = !error;
  if (!error) return;
  run.init_error = fmt::format("worker_init_fn of worker {}: {}", worker.number, *error);
  ready_.notify_all();
}

/// The next piece of the earliest batch that has one, planning another batch where all are given out.
bool WorkerPool::claim(LoaderRun& run, Piece& piece) {
  for (const auto& task : run.tasks)
    if (task->claimed < task->planned) {
      piece = {task, task->claimed, std::min(task->planned, task->claimed + static_cast<size_t>(run.maker.grain()))};
      task->claimed = piece.end;
      return true;
    }
  if (run.planned == run.maker.batches() || static_cast<int64_t>(run.tasks.size()) >= capacity_) return false;
  auto task = std::make_shared<LoadTask>();
  task->number = run.planned++;
  run.maker.plan(*task);
  run.tasks.push_back(task);
  if (task->planned == 0) {  // an error of the sampler's, or an empty batch of its
    task->finished = true;
    ready_.notify_all();
  }
  return claim(run, piece);
}

/// Reads a batch of an iterable data set, which one thread does at a time.
bool WorkerPool::pull(Lock& lock, LoaderRun& run) {
  if (reading_ || run.ended || static_cast<int64_t>(run.tasks.size()) >= capacity_) return false;
  const auto task = std::make_shared<LoadTask>();
  task->number = run.planned++;
  run.tasks.push_back(task);
  reading_ = true;
  lock.unlock();
  const bool any = run.maker.pull(*task);
  lock.lock();
  reading_ = false;
  if (any) {
    lock.unlock();
    work_.notify_one();  // another may read while this thread collates
    run.maker.finish(*task);
    lock.lock();
    task->finished = true;
  } else {
    run.ended = true;
    run.tasks.pop_back();
  }
  ready_.notify_all();
  return true;
}

void WorkerPool::complete(Lock& lock, const LoaderRun& run, const Piece& piece) {
  LoadTask& task = *piece.task;
  std::fill(task.done.begin() + static_cast<int64_t>(piece.begin), task.done.begin() + static_cast<int64_t>(piece.end),
            1);
  task.left -= piece.end - piece.begin;
  if (task.left > 0) return;
  lock.unlock();
  run.maker.finish(task);
  lock.lock();
  task.finished = true;
  ready_.notify_all();
}

void WorkerPool::work(int number) {
  const SerialScope serial;
  Worker worker{.number = number};
  Lock lock(mutex_);
  while (!stop_)
    if (!advance(lock, worker)) work_.wait(lock);
}

/// One piece of work; false where there is none.
bool WorkerPool::advance(Lock& lock, Worker& worker) {
  const auto run = run_;  // keeps it while the lock is open
  if (!run || !run->init_error.empty()) return false;
  if (worker.run != runs_) {
    prepare(lock, *run, worker);
    return true;
  }
  if (run->maker.iterable()) return pull(lock, *run);
  Piece piece;
  if (!claim(*run, piece)) return false;
  lock.unlock();
  run->maker.run(*piece.task, piece.begin, piece.end);
  lock.lock();
  complete(lock, *run, piece);
  return true;
}

}  // namespace ingot
