#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ingot/dtype.h"

// Ranks that work together: processes that mpirun or srun started, or threads of one process.
namespace ingot {

enum class ReduceOp : uint8_t { sum, max };

/// What a communicator has done: collectives, bytes that this rank put into them, and seconds that it waited for them.
struct Traffic {
  int64_t collectives = 0, bytes = 0;
  double seconds = 0;

  Traffic operator-(const Traffic& before) const {
    return {collectives - before.collectives, bytes - before.bytes, seconds - before.seconds};
  }
};

struct CollectiveCall;
class CollectiveRequest;
class Transport;
class Communicator;

/// A collective under way. Its buffers must stay until wait() returns; the destructor waits too.
class [[nodiscard]] Work {
 public:
  Work() = default;
  Work(Communicator& communicator, std::unique_ptr<CollectiveRequest> request, std::string what, int64_t bytes);
  Work(Work&& other) noexcept;
  Work& operator=(Work&&) = delete;
  ~Work();

  /// Throws Error after the communicator's deadline, naming the ranks that have not come and where they stand.
  void wait();

 private:
  Communicator* communicator_ = nullptr;  // null: done
  std::unique_ptr<CollectiveRequest> request_;
  std::string what_;
  int64_t bytes_ = 0;
};

struct CommunicatorOptions {
  std::chrono::duration<double> deadline{300};  // for every collective
  /// Before each collective all ranks compare what they are about to call; a difference is an Error on all of them.
  bool check_calls = false;
};

/// A set of ranks, numbered from 0. All of them call the same collectives with the same sizes in the same order, one at
/// a time. Counts are of elements of `dtype`: f32, f64, bf16, i32, i64 or u8, at most 2^31 - 1 of them.
class Communicator {
 public:
  Communicator(std::shared_ptr<Transport> transport, const CommunicatorOptions& options);

  int rank() const;
  int size() const;
  /// Whether several threads of a rank may communicate at once, each on a communicator of its own.
  bool concurrent() const;
  const CommunicatorOptions& options() const { return options_; }

  /// buffer = sum (or largest) of all ranks' buffers, the same bits on each.
  Work all_reduce(void* buffer, int64_t count, DType dtype, ReduceOp op = ReduceOp::sum);
  /// buffer = that of rank `root`.
  Work broadcast(void* buffer, int64_t count, DType dtype, int root);
  /// all = the ranks' `mine` one after another, `count` elements each.
  Work all_gather(const void* mine, void* all, int64_t count, DType dtype);
  /// mine = this rank's part of the sum (or largest) of all ranks' `all`, which have size() parts of `count` elements.
  Work reduce_scatter(const void* all, void* mine, int64_t count, DType dtype, ReduceOp op = ReduceOp::sum);
  /// Returns when all ranks have called it.
  void barrier();

  /// Ranks that give the same colour form a new communicator, ordered by key and then by their rank here. Null for a
  /// negative colour.
  std::shared_ptr<Communicator> split(int color, int key = 0);
  /// The same ranks again: what runs there does not meet what runs here.
  std::shared_ptr<Communicator> duplicate();

  Traffic traffic() const;
  /// What messages about a rank that is missing say of where it stands.
  void set_step(int64_t step);
  int64_t step() const;
  /// Lets the other ranks' collectives fail with this text, where they are threads.
  void fail_others(const std::string& text);

 private:
  friend class Work;
  Work start(const CollectiveCall& call, int64_t bytes);
  void compare_calls(const CollectiveCall& call);
  std::string place() const;
  void finish(CollectiveRequest& request, const std::string& what, int64_t bytes);

  std::shared_ptr<Transport> transport_;
  CommunicatorOptions options_;
  std::atomic<bool> busy_{false};
  std::atomic<int64_t> collectives_{0}, bytes_{0}, nanoseconds_{0};
};

/// What SyncBatchNorm and the collectives of collectives.h span: a number that is the same on every rank.
using GroupId = int64_t;
/// All ranks.
inline constexpr GroupId kWorld = 0;
/// Makes a communicator known as a group. Every rank of the world calls it for its groups in the same order; a null
/// communicator, of a rank that is in none, takes a number too.
GroupId new_group(std::shared_ptr<Communicator> communicator);
/// Throws Error where this rank is not in the group.
Communicator& group(GroupId id = kWorld);
inline Communicator& world() { return group(kWorld); }

/// Runs `body` on `ranks` threads at once, each of them a rank of its own world, without MPI; ops run on one thread
/// each. The first error of a rank comes out here; the other ranks' collectives then fail too.
void run_as_ranks(int ranks, const std::function<void()>& body, const CommunicatorOptions& options = {});

}  // namespace ingot
