#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <span>
#include <thread>

#include "base/check.h"
#include "dist/transport.h"

namespace ingot {
namespace {

/// What made a rank fail, for the others: shared by a world and its parts.
class Failure {
 public:
  void set(const std::string& text) {
    const std::scoped_lock lock(mutex_);
    if (text_.empty()) text_ = text;
    failed_ = true;
  }
  void check() {
    if (!failed_) return;
    const std::scoped_lock lock(mutex_);
    throw Error(text_);
  }

 private:
  std::mutex mutex_;
  std::string text_;
  std::atomic<bool> failed_{false};
};

/// All ranks come together: each brings something, and the last one does the work for all.
struct Meeting {
  explicit Meeting(size_t ranks) : brought(ranks) {}
  std::vector<std::shared_ptr<void>> brought;
  size_t arrived = 0;
  std::atomic<bool> done{false};
};

struct ThreadWorld {
  ThreadWorld(int count, std::shared_ptr<Failure> shared, Communicator* processes)
      : ranks(static_cast<size_t>(count)),
        failure(std::move(shared)),
        beyond(processes),
        meeting(std::make_shared<Meeting>(ranks)) {}
  int first_rank() const { return beyond == nullptr ? 0 : beyond->rank() * static_cast<int>(ranks); }
  int all_ranks() const { return static_cast<int>(ranks) * (beyond == nullptr ? 1 : beyond->size()); }

  template <class Item>
  std::shared_ptr<Meeting> meet(int rank, std::shared_ptr<Item> item,
                                void (*work)(std::span<Item* const>, ThreadWorld&)) {
    failure->check();
    const std::scoped_lock lock(mutex);
    const std::shared_ptr<Meeting> now = meeting;
    now->brought[static_cast<size_t>(rank)] = std::move(item);
    if (++now->arrived < ranks) return now;
    meeting = std::make_shared<Meeting>(ranks);
    std::vector<Item*> items;
    for (const auto& brought : now->brought) items.push_back(static_cast<Item*>(brought.get()));
    try {
      work(items, *this);
    } catch (const std::exception& error) {
      failure->set(error.what());
      throw;
    }
    now->done = true;
    return now;
  }

  size_t ranks;
  std::shared_ptr<Failure> failure;
  Communicator* beyond;  // null: the threads are all the ranks
  std::mutex mutex;
  std::shared_ptr<Meeting> meeting;
};

/// f32 for bf16, so that a sum is rounded once.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, bf16>, float, T>;

template <class T>
void reduce(const std::vector<const std::byte*>& in, int64_t count, ReduceOp op, std::byte* out) {
  for (int64_t i = 0; i < count; ++i) {
    const auto at = [&](size_t r) { return Wide<T>(reinterpret_cast<const T*>(in[r])[i]); };
    Wide<T> sum = at(0);
    for (size_t r = 1; r < in.size(); ++r) sum = op == ReduceOp::sum ? Wide<T>(sum + at(r)) : std::max(sum, at(r));
    reinterpret_cast<T*>(out)[i] = T(sum);
  }
}

void reduce(const std::vector<const std::byte*>& in, int64_t count, DType dtype, ReduceOp op, std::byte* out) {
  switch (dtype) {
    case DType::f32:
      return reduce<float>(in, count, op, out);
    case DType::f64:
      return reduce<double>(in, count, op, out);
    case DType::bf16:
      return reduce<bf16>(in, count, op, out);
    case DType::i32:
      return reduce<int32_t>(in, count, op, out);
    case DType::i64:
      return reduce<int64_t>(in, count, op, out);
    case DType::u8:
      return reduce<uint8_t>(in, count, op, out);
    default:
      fail("ranks do not exchange {}", name_of(dtype));
  }
}

/// What each rank put in: where it lies, or, of ranks in other processes too, a copy in `gathered`.
std::vector<const std::byte*> inputs(std::span<CollectiveCall* const> calls, size_t bytes, ThreadWorld& world,
                                     std::vector<std::byte>& gathered) {
  std::vector<const std::byte*> in;
  for (const CollectiveCall* call : calls)
    in.push_back(static_cast<const std::byte*>(call->in != nullptr ? call->in : call->out));
  if (world.beyond == nullptr) return in;
  std::vector<std::byte> mine(bytes * in.size());
  for (size_t r = 0; r < in.size(); ++r) std::memcpy(&mine[r * bytes], in[r], bytes);
  gathered.resize(mine.size() * static_cast<size_t>(world.beyond->size()));
  world.beyond->all_gather(mine.data(), gathered.data(), static_cast<int64_t>(mine.size()), DType::u8).wait();
  in.clear();
  for (size_t at = 0; at < gathered.size(); at += bytes) in.push_back(&gathered[at]);
  return in;
}

/// The collective that all ranks have called.
void carry_out(std::span<CollectiveCall* const> calls, ThreadWorld& world) {
  const CollectiveCall& first = *calls[0];
  for (size_t r = 1; r < calls.size(); ++r)
    CHECK(is_same_call(first, *calls[r]), "rank 0 calls {}, rank {} calls {}", to_string(first), r,
          to_string(*calls[r]));
  const auto all = static_cast<size_t>(world.all_ranks()), own = static_cast<size_t>(world.first_rank());
  const auto bytes = static_cast<size_t>(first.count) * size_of(first.dtype);
  if (bytes == 0) return;
  const bool scatters = first.kind == CollectiveKind::reduce_scatter;
  std::vector<std::byte> gathered;
  auto in = inputs(calls, scatters ? bytes * all : bytes, world, gathered);
  const auto out = [&](size_t r) { return static_cast<std::byte*>(calls[r]->out); };
  std::vector<std::byte> result(bytes);
  switch (first.kind) {
    case CollectiveKind::all_reduce:
      reduce(in, first.count, first.dtype, first.op, result.data());
      for (size_t r = 0; r < calls.size(); ++r) std::memcpy(out(r), result.data(), bytes);
      return;
    case CollectiveKind::broadcast:
      std::memcpy(result.data(), in[static_cast<size_t>(first.root)], bytes);
      for (size_t r = 0; r < calls.size(); ++r) std::memcpy(out(r), result.data(), bytes);
      return;
    case CollectiveKind::all_gather:
      for (size_t r = 0; r < calls.size(); ++r)
        for (size_t s = 0; s < all; ++s) std::memcpy(out(r) + s * bytes, in[s], bytes);
      return;
    case CollectiveKind::reduce_scatter:
      for (size_t r = 0; r < calls.size(); ++r) {
        auto parts = in;
        for (const std::byte*& part : parts) part += (own + r) * bytes;
        reduce(parts, first.count, first.dtype, first.op, out(r));
      }
      return;
  }
}

class ThreadRequest : public CollectiveRequest {
 public:
  ThreadRequest(std::shared_ptr<Failure> failure, std::shared_ptr<Meeting> meeting)
      : failure_(std::move(failure)), meeting_(std::move(meeting)) {}
  bool test() override {
    if (meeting_->done) return true;
    failure_->check();
    return false;
  }

 private:
  std::shared_ptr<Failure> failure_;
  std::shared_ptr<Meeting> meeting_;
};

std::vector<std::shared_ptr<Transport>> make_transports(int ranks, const std::shared_ptr<Failure>& failure,
                                                        Communicator* beyond);

class ThreadTransport : public Transport {
 public:
  ThreadTransport(std::shared_ptr<ThreadWorld> world, int rank) : world_(std::move(world)), rank_(rank) {}

  int rank() const override { return world_->first_rank() + rank_; }
  int size() const override { return world_->all_ranks(); }

  std::unique_ptr<CollectiveRequest> start(const CollectiveCall& call) override {
    auto meeting = world_->meet(rank_, std::make_shared<CollectiveCall>(call), carry_out);
    return std::make_unique<ThreadRequest>(world_->failure, std::move(meeting));
  }

  std::shared_ptr<Transport> split(int color, int key) override {
    CHECK(world_->beyond == nullptr, "shards do not form groups");
    const auto mine = std::make_shared<Wish>(Wish{color, key, world_->failure, nullptr});
    ThreadRequest request(world_->failure, world_->meet(rank_, mine, grant));
    while (!request.test()) std::this_thread::yield();
    return mine->got;
  }

  int64_t step() const override { return world_->beyond == nullptr ? 0 : world_->beyond->step(); }
  void fail_others(const std::string& text) override { world_->failure->set(text); }

 private:
  struct Wish {
    int color, key;
    std::shared_ptr<Failure> failure;
    std::shared_ptr<Transport> got;
  };
  static void grant(std::span<Wish* const> wishes, ThreadWorld&) {
    std::map<int, std::vector<Wish*>> parts;
    for (Wish* const wish : wishes)
      if (wish->color >= 0) parts[wish->color].push_back(wish);
    for (auto& [color, part] : parts) {
      std::stable_sort(part.begin(), part.end(), [](const Wish* a, const Wish* b) { return a->key < b->key; });
      const auto made = make_transports(static_cast<int>(part.size()), part[0]->failure, nullptr);
      for (size_t i = 0; i < part.size(); ++i) part[i]->got = made[i];
    }
  }

  std::shared_ptr<ThreadWorld> world_;
  int rank_;
};

std::vector<std::shared_ptr<Transport>> make_transports(int ranks, const std::shared_ptr<Failure>& failure,
                                                        Communicator* beyond) {
  const auto world = std::make_shared<ThreadWorld>(ranks, failure, beyond);
  std::vector<std::shared_ptr<Transport>> out;
  for (int rank = 0; rank < ranks; ++rank) out.push_back(std::make_shared<ThreadTransport>(world, rank));
  return out;
}

}  // namespace

std::vector<std::shared_ptr<Transport>> thread_transports(int ranks, Communicator* beyond) {
  return make_transports(ranks, std::make_shared<Failure>(), beyond);
}

}  // namespace ingot
