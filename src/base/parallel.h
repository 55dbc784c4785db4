#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

#include "ingot/threads.h"

namespace ingot {

/// A reference to a callable, for parameters only: no allocation, no ownership.
template <class Signature>
class FunctionRef;
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
  FunctionRef(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))), call_([](void* o, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(o))(static_cast<Args&&>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, static_cast<Args&&>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

/// Splits [0, count) into at most num_threads() contiguous ranges of at least `grain` and runs `body(begin, end)` on
/// the pool; returns when all are done. The split depends on count, grain and the thread count alone. Nested calls run
/// on the calling thread. The first exception is rethrown here. The one parallel primitive of the library.
void parallel_for(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t)> body);

/// Runs `body(part)` for every part in [0, parts), parts spread over the pool (part i on thread i modulo threads).
void parallel_parts(int64_t parts, FunctionRef<void(int64_t)> body);

/// Runs `body(job, thread)` for every job in [0, jobs), thread being below num_threads(). A thread takes its own share
/// of neighbouring jobs in their order, then helps the others: for jobs that are not equally long on threads that are
/// not equally fast, whose results do not depend on who computes them.
void parallel_jobs(int64_t jobs, FunctionRef<void(int64_t, int)> body);

/// The threads that parallel work started here would get: num_threads(), or 1 inside parallel_for. Also tells OpenMP,
/// whose setting is each thread's own, so that oneDNN called next on this thread uses as many.
int adopt_thread_count();

/// Within it, the primitives above run on the calling thread alone: for threads that are themselves many, such as a
/// data loader's workers, each of which would otherwise get a pool of its own.
class SerialScope {
 public:
  SerialScope();
  ~SerialScope();
  SerialScope(const SerialScope&) = delete;
  SerialScope& operator=(const SerialScope&) = delete;

 private:
  bool outer_;
};

/// CPUs that this process may use: affinity mask and cgroup quota, at least 1.
int available_cpus();

/// Sets flush-to-zero and denormals-are-zero on the caller and every pool thread; restores both at its end.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
};

}  // namespace ingot
