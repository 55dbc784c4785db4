#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingot/communicator.h"

namespace ingot {

enum class CollectiveKind : uint8_t { all_reduce, broadcast, all_gather, reduce_scatter };

/// One collective as a rank calls it. `count` is that of all_reduce's and broadcast's buffer, and of one rank's part.
struct CollectiveCall {
  CollectiveKind kind = CollectiveKind::all_reduce;
  const void* in = nullptr;  // all_reduce and broadcast work in place, on `out`
  void* out = nullptr;
  int64_t count = 0;
  DType dtype = DType::f32;
  ReduceOp op = ReduceOp::sum;
  int root = 0;
};

bool is_same_call(const CollectiveCall& a, const CollectiveCall& b);
/// "all_reduce of 128 f64".
std::string to_string(const CollectiveCall& call);

class CollectiveRequest {
 public:
  virtual ~CollectiveRequest() = default;
  /// Whether it has ended; moves it on.
  virtual bool test() = 0;
};

/// How bytes get from rank to rank. Trusts its calls.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual bool concurrent() const { return true; }
  virtual std::unique_ptr<CollectiveRequest> start(const CollectiveCall& call) = 0;
  virtual std::shared_ptr<Transport> split(int color, int key) = 0;
  /// "rank 2 (pid 4711 on host) has not come; it is in step 12, layer2.0.bn1": of the ranks that keep the others
  /// waiting, as far as it is known.
  virtual std::string missing() const { return ""; }
  /// Tells the other ranks what this one waits for; null: for nothing.
  virtual void waits_for(const char* /*what*/) {}
  virtual void set_step(int64_t /*step*/) {}
  virtual int64_t step() const { return 0; }
  /// Lets the other ranks' requests fail with this text, where it can.
  virtual void fail_others(const std::string& /*text*/) {}
};

/// `ranks` transports of one world, for threads of this process. Reductions go in the order of the ranks. Calls that
/// differ from rank to rank fail on all of them.
/// With `beyond` they are part of a world of all its ranks' threads, of which each has as many.
std::vector<std::shared_ptr<Transport>> thread_transports(int ranks, Communicator* beyond = nullptr);
}  // namespace ingot
