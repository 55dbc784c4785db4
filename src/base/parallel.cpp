#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <utility>
#ifdef __SSE__
#include <immintrin.h>
#endif
#ifdef INGOT_OPENMP
#include <omp.h>
#else
#include <condition_variable>
#include <thread>
#include <vector>
#endif

#include "base/check.h"

namespace ingot {
namespace {

// Threads of a cgroup v2 or v1 quota, rounded up; 0 where there is none.
int quota_cpus() {
  std::string quota;
  double period = 0;
  if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file >> quota >> period && quota != "max" && period > 0)
    return static_cast<int>((std::stod(quota) + period - 1) / period);
  double microseconds = 0;
  std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (v1_quota >> microseconds && v1_period >> period && microseconds > 0 && period > 0)
    return static_cast<int>((microseconds + period - 1) / period);
  return 0;
}

std::atomic<int> g_threads{0};
thread_local bool t_inside = false;

/// Keeps the first exception that any thread threw.
class FirstError {
 public:
  void keep() {
    const std::scoped_lock lock(mutex_);
    if (!error_) error_ = std::current_exception();
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
};

#ifdef INGOT_OPENMP
void run_on_pool(int threads, FunctionRef<void(int)> body) {
#pragma omp parallel num_threads(threads)
  body(omp_get_thread_num());
}
#else
/// A fixed set of threads that wait for numbered jobs. One caller at a time; others wait for their turn.
class Pool {
 public:
  static Pool& instance() {
    static Pool pool;
    return pool;
  }
  void run(int threads, FunctionRef<void(int)> body) {
    const std::scoped_lock turn(turn_);
    {
      const std::scoped_lock lock(mutex_);
      while (static_cast<int>(workers_.size()) < threads - 1)
        workers_.emplace_back([this, id = static_cast<int>(workers_.size()) + 1, seen = job_] { work(id, seen); });
      body_ = &body;
      active_ = threads;
      left_ = threads - 1;
      ++job_;
    }
    start_.notify_all();
    body(0);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return left_ == 0; });
  }
  ~Pool() {
    {
      const std::scoped_lock lock(mutex_);
      stop_ = true;
    }
    start_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

 private:
  void work(int id, uint64_t seen) {
    std::unique_lock lock(mutex_);
    while (true) {
      start_.wait(lock, [&] { return stop_ || job_ != seen; });
      if (stop_) return;
      seen = job_;
      if (id >= active_) continue;
      const auto* body = body_;
      lock.unlock();
      (*body)(id);
      lock.lock();
      if (--left_ == 0) done_.notify_one();
    }
  }

  std::mutex turn_, mutex_;
  std::condition_variable start_, done_;
  std::vector<std::thread> workers_;
  FunctionRef<void(int)>* body_ = nullptr;
  int active_ = 0, left_ = 0;
  uint64_t job_ = 0;
  bool stop_ = false;
};

void run_on_pool(int threads, FunctionRef<void(int)> body) { Pool::instance().run(threads, body); }
#endif

/// Calls body(thread) on each of `threads` threads; exceptions come out on the caller.
void run(int threads, FunctionRef<void(int)> body) {
  FirstError error;
  run_on_pool(threads, [&](int thread) {
    const bool was_inside = std::exchange(t_inside, true);
    try {
      body(thread);
    } catch (...) {
      error.keep();
    }
    t_inside = was_inside;
  });
  error.rethrow();
}

#ifdef __SSE__
constexpr unsigned kFlushBits = 0x8040;  // flush-to-zero (bit 15), denormals-are-zero (bit 6)
void set_flush(bool on) { _mm_setcsr(on ? _mm_getcsr() | kFlushBits : _mm_getcsr() & ~kFlushBits); }
#else
void set_flush(bool) {}
#endif

void set_flush_everywhere(bool on) {
  if (t_inside || num_threads() == 1) return set_flush(on);
  run(num_threads(), [on](int) { set_flush(on); });
}

}  // namespace

int available_cpus() {
  cpu_set_t set;
  int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  if (const int quota = quota_cpus(); quota > 0) cpus = std::min(cpus, quota);
  return std::max(cpus, 1);
}

int num_threads() {
  int threads = g_threads.load(std::memory_order_relaxed);
  if (threads == 0) {
    set_num_threads(available_cpus());
    threads = g_threads.load(std::memory_order_relaxed);
  }
  return threads;
}

void set_num_threads(int threads) {
  CHECK(threads >= 1, "threads is {}, it must be at least 1", threads);
  g_threads.store(threads, std::memory_order_relaxed);
#ifdef INGOT_OPENMP
  omp_set_num_threads(threads);
#endif
}

int adopt_thread_count() {
  const int threads = t_inside ? 1 : num_threads();
#ifdef INGOT_OPENMP
  omp_set_num_threads(threads);
#endif
  return threads;
}

void parallel_for(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  if (count <= 0) return;
  const int64_t parts =
      t_inside ? 1 : std::min<int64_t>(num_threads(), std::max<int64_t>(1, count / std::max<int64_t>(grain, 1)));
  if (parts == 1) return body(0, count);
  run(static_cast<int>(parts), [&](int part) {
    const int64_t begin = count * part / parts, end = count * (part + 1) / parts;
    if (begin < end) body(begin, end);
  });
}

void parallel_parts(int64_t parts, FunctionRef<void(int64_t)> body) {
  const auto threads = static_cast<int>(t_inside ? 1 : std::min<int64_t>(num_threads(), parts));
  if (threads <= 1) {
    for (int64_t part = 0; part < parts; ++part) body(part);
    return;
  }
  run(threads, [&](int thread) {
    for (int64_t part = thread; part < parts; part += threads) body(part);
  });
}

void parallel_jobs(int64_t jobs, FunctionRef<void(int64_t, int)> body) {
  constexpr int kMostThreads = 64;
  const auto threads = static_cast<int>(t_inside ? 1 : std::min<int64_t>({num_threads(), jobs, kMostThreads}));
  if (threads <= 1) {
    for (int64_t job = 0; job < jobs; ++job) body(job, 0);
    return;
  }
  struct alignas(64) Share {
    std::atomic<int64_t> next;
  };
  std::array<Share, kMostThreads> shares;
  for (int i = 0; i < threads; ++i) shares[static_cast<size_t>(i)].next = jobs * i / threads;
  run(threads, [&](int thread) {
    for (int i = 0; i < threads; ++i) {
      const int of = (thread + i) % threads;
      const int64_t end = jobs * (of + 1) / threads;
      std::atomic<int64_t>& next = shares[static_cast<size_t>(of)].next;
      for (int64_t job; (job = next.fetch_add(1, std::memory_order_relaxed)) < end;) body(job, thread);
    }
  });
}

SerialScope::SerialScope() : outer_(std::exchange(t_inside, true)) {}
SerialScope::~SerialScope() { t_inside = outer_; }

FlushDenormals::FlushDenormals() { set_flush_everywhere(true); }
FlushDenormals::~FlushDenormals() { set_flush_everywhere(false); }

}  // namespace ingot
