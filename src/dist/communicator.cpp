#include "ingot/communicator.h"

#include <sched.h>

#include <cstring>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "dist/groups.h"
#include "dist/lane.h"
#include "dist/transport.h"
#include "ingot/autograd.h"

namespace ingot {
namespace {

using Clock = std::chrono::steady_clock;

/// Waits without taking a core from the rank that is waited for: only turns are given away as long as it may be the
/// data that takes its time, which moves on when it is looked after; then come naps. Where nobody waits for it, the
/// naps are long: waking up takes the core from the thread that computes beside it.
class BackOff {
 public:
  explicit BackOff(int64_t bytes)
      : end_of_turns_(Clock::now() + kTurns + std::chrono::nanoseconds(bytes / kBytesPerNanosecond)) {}
  void pause() {
    if (!is_waited_for())
      std::this_thread::sleep_for(kLongNap);
    else if (Clock::now() > end_of_turns_)
      std::this_thread::sleep_for(kNap);
    else
      ::sched_yield();
  }

 private:
  static constexpr std::chrono::milliseconds kTurns{2};
  static constexpr std::chrono::microseconds kNap{50}, kLongNap{500};
  static constexpr int64_t kBytesPerNanosecond = 1;
  Clock::time_point end_of_turns_;
};

constexpr std::chrono::seconds kStopped{1};

constexpr std::string_view kKindNames[] = {"all_reduce", "broadcast", "all_gather", "reduce_scatter"};

/// What ranks compare of a call; equal bytes for equal calls.
struct Described {
  int64_t kind, count, dtype, op, root;
  uint64_t path;
  char text[88];
};

Described describe(const CollectiveCall& call) {
  Described d{};
  d.kind = static_cast<int64_t>(call.kind), d.count = call.count, d.dtype = static_cast<int64_t>(call.dtype);
  d.op = static_cast<int64_t>(call.op), d.root = call.root;
  const std::string path = current_module_path();
  d.path = hash_bytes(path.data(), path.size());
  const std::string text = path.empty() ? to_string(call) : fmt::format("{} in {}", to_string(call), path);
  std::strncpy(d.text, text.c_str(), sizeof d.text - 1);
  return d;
}

}  // namespace

bool is_same_call(const CollectiveCall& a, const CollectiveCall& b) {
  return a.kind == b.kind && a.count == b.count && a.dtype == b.dtype && a.op == b.op && a.root == b.root;
}

std::string to_string(const CollectiveCall& call) {
  std::string text =
      fmt::format("{} of {} {}", kKindNames[static_cast<size_t>(call.kind)], call.count, name_of(call.dtype));
  if (call.kind == CollectiveKind::broadcast) text += fmt::format(" from rank {}", call.root);
  if (call.op == ReduceOp::max) text += " (max)";
  return text;
}

// ---- Work

Work::Work(Communicator& communicator, std::unique_ptr<CollectiveRequest> request, std::string what, int64_t bytes)
    : communicator_(&communicator), request_(std::move(request)), what_(std::move(what)), bytes_(bytes) {}
Work::Work(Work&& other) noexcept
    : communicator_(std::exchange(other.communicator_, nullptr)),
      request_(std::move(other.request_)),
      what_(std::move(other.what_)),
      bytes_(other.bytes_) {}
Work::~Work() {
  try {
    wait();
  } catch (const std::exception&) {
    // Another error is on its way, or the caller did not care to wait.
  }
}

void Work::wait() {
  if (communicator_ == nullptr) return;
  const auto request = std::move(request_);
  std::exchange(communicator_, nullptr)->finish(*request, what_, bytes_);
}

// ---- Communicator

Communicator::Communicator(std::shared_ptr<Transport> transport, const CommunicatorOptions& options)
    : transport_(std::move(transport)), options_(options) {
  CHECK(options.deadline.count() > 0, "the deadline is {} s, it must be positive", options.deadline.count());
}

int Communicator::rank() const { return transport_->rank(); }
int Communicator::size() const { return transport_->size(); }
bool Communicator::concurrent() const { return transport_->concurrent(); }

/// " in step 12, layer2.bn1"
std::string Communicator::place() const {
  const std::string path = current_module_path();
  if (step() == 0) return path.empty() ? "" : " in " + path;
  return fmt::format(" in step {}{}{}", step(), path.empty() ? "" : ", ", path);
}

void Communicator::finish(CollectiveRequest& request, const std::string& what, int64_t bytes) {
  const auto start = Clock::now();
  auto since = start, before = start;
  BackOff back_off(bytes);
  transport_->waits_for(what.c_str());
  struct Ended {
    Communicator& c;
    Clock::time_point start;
    ~Ended() {
      c.nanoseconds_ += std::chrono::nanoseconds(Clock::now() - start).count();
      c.busy_ = false;
    }
  } const ended{*this, start};
  while (!request.test()) {
    const auto now = Clock::now();
    if (now - before > kStopped) since += now - before;  // this rank was: that is no fault of the others
    before = now;
    if (now - since > options_.deadline) {  // it waits for it to the end, the other ranks' messages say
      const std::string missing = transport_->missing();
      fail("rank {} waited {:.3g} s for {}{}{}", rank(), options_.deadline.count(), what, place(),
           missing.empty() ? "" : ": " + missing);
    }
    back_off.pause();
  }
  transport_->waits_for(nullptr);
}

Work Communicator::start(const CollectiveCall& call, int64_t bytes) {
  CHECK(call.count >= 0 && call.count <= std::numeric_limits<int32_t>::max(), "{}: too many elements for one call",
        to_string(call));
  CHECK(!busy_.exchange(true), "{} begins before the one before has ended", to_string(call));
  ++collectives_;
  bytes_ += bytes;
  try {
    if (options_.check_calls) compare_calls(call);
    return Work(*this, transport_->start(call), to_string(call), bytes);
  } catch (...) {
    busy_ = false;
    throw;
  }
}

void Communicator::compare_calls(const CollectiveCall& call) {
  const Described mine = describe(call);
  std::vector<Described> all(static_cast<size_t>(size()));
  const auto request = transport_->start(
      {.kind = CollectiveKind::all_gather, .in = &mine, .out = all.data(), .count = sizeof mine, .dtype = DType::u8});
  finish(*request, fmt::format("the other ranks before {}", to_string(call)), sizeof mine);
  busy_ = true;
  for (size_t r = 1; r < all.size(); ++r)
    CHECK(std::memcmp(&all[r], &all[0], offsetof(Described, text)) == 0, "rank 0 calls {}, rank {} calls {}",
          all[0].text, r, all[r].text);
}

Work Communicator::all_reduce(void* buffer, int64_t count, DType dtype, ReduceOp op) {
  return start({.kind = CollectiveKind::all_reduce, .out = buffer, .count = count, .dtype = dtype, .op = op},
               count * static_cast<int64_t>(size_of(dtype)));
}
Work Communicator::broadcast(void* buffer, int64_t count, DType dtype, int root) {
  CHECK(root >= 0 && root < size(), "root {} is none of the {} ranks", root, size());
  return start({.kind = CollectiveKind::broadcast, .out = buffer, .count = count, .dtype = dtype, .root = root},
               rank() == root ? count * static_cast<int64_t>(size_of(dtype)) : 0);
}
Work Communicator::all_gather(const void* mine, void* all, int64_t count, DType dtype) {
  return start({.kind = CollectiveKind::all_gather, .in = mine, .out = all, .count = count, .dtype = dtype},
               count * static_cast<int64_t>(size_of(dtype)));
}
Work Communicator::reduce_scatter(const void* all, void* mine, int64_t count, DType dtype, ReduceOp op) {
  return start(
      {.kind = CollectiveKind::reduce_scatter, .in = all, .out = mine, .count = count, .dtype = dtype, .op = op},
      count * size() * static_cast<int64_t>(size_of(dtype)));
}
void Communicator::barrier() {
  int32_t one = 1;
  all_reduce(&one, 1, DType::i32).wait();
}

std::shared_ptr<Communicator> Communicator::split(int color, int key) {
  auto part = transport_->split(color, key);
  return part ? std::make_shared<Communicator>(std::move(part), options_) : nullptr;
}
std::shared_ptr<Communicator> Communicator::duplicate() { return split(0, rank()); }

Traffic Communicator::traffic() const {
  return {.collectives = collectives_, .bytes = bytes_, .seconds = 1e-9 * static_cast<double>(nanoseconds_)};
}

void Communicator::set_step(int64_t step) { transport_->set_step(step); }
int64_t Communicator::step() const { return transport_->step(); }
void Communicator::fail_others(const std::string& text) { transport_->fail_others(text); }

// ---- Lanes

namespace {
thread_local int t_lane = 0;
thread_local const std::atomic<bool>* t_waited_for = nullptr;
}  // namespace
int current_lane() { return t_lane; }
void set_lane(int lane, const std::atomic<bool>* waited_for) {
  t_lane = lane;
  t_waited_for = waited_for;
}
bool is_waited_for() { return t_waited_for == nullptr || *t_waited_for; }

// ---- Groups

namespace {

using Groups = std::vector<std::shared_ptr<Communicator>>;

std::shared_ptr<Communicator> alone() {
  return std::make_shared<Communicator>(thread_transports(1)[0], CommunicatorOptions());
}

/// A rank's own: of the process, or of a thread that is a rank itself.
struct GroupTable {
  std::mutex mutex;
  Groups groups;
};
GroupTable& process_groups() {
  static GroupTable table;
  return table;
}
thread_local GroupTable* t_groups = nullptr;
GroupTable& groups() { return t_groups != nullptr ? *t_groups : process_groups(); }

}  // namespace

void set_world(std::shared_ptr<Communicator> communicator) {
  GroupTable& table = groups();
  const std::scoped_lock lock(table.mutex);
  table.groups.resize(std::max<size_t>(table.groups.size(), 1));
  table.groups[kWorld] = std::move(communicator);
}

void forget_groups() {
  GroupTable& table = groups();
  const std::scoped_lock lock(table.mutex);
  table.groups.clear();
}

GroupId new_group(std::shared_ptr<Communicator> communicator) {
  group(kWorld);  // the first one
  GroupTable& table = groups();
  const std::scoped_lock lock(table.mutex);
  table.groups.push_back(std::move(communicator));
  return static_cast<GroupId>(table.groups.size()) - 1;
}

Communicator& group(GroupId id) {
  GroupTable& table = groups();
  const std::scoped_lock lock(table.mutex);
  if (table.groups.empty()) table.groups.emplace_back();
  if (!table.groups[kWorld]) table.groups[kWorld] = alone();
  CHECK(id >= 0 && static_cast<size_t>(id) < table.groups.size(), "there is no group {}", id);
  Communicator* const found = table.groups[static_cast<size_t>(id)].get();
  CHECK(found != nullptr, "this rank is not in group {}", id);
  return *found;
}

struct ThreadRank::Table : GroupTable {};

ThreadRank::ThreadRank(std::shared_ptr<Communicator> world) : table_(std::make_unique<Table>()) {
  table_->groups.push_back(std::move(world));
  t_groups = table_.get();
}
ThreadRank::~ThreadRank() { t_groups = nullptr; }

void run_as_ranks(int ranks, const std::function<void()>& body, const CommunicatorOptions& options) {
  CHECK(ranks >= 1, "there are {} ranks, there must be at least 1", ranks);
  const auto transports = thread_transports(ranks);
  std::mutex mutex;
  std::exception_ptr first;
  const auto run = [&](int rank) {
    const SerialScope serial;
    const ThreadRank own(std::make_shared<Communicator>(transports[static_cast<size_t>(rank)], options));
    try {
      body();
    } catch (const std::exception& error) {
      const std::scoped_lock lock(mutex);
      if (!first) first = std::current_exception();
      transports[static_cast<size_t>(rank)]->fail_others(fmt::format("rank {} failed: {}", rank, error.what()));
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) threads.emplace_back(run, rank);
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace ingot
