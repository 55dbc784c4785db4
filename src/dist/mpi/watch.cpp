#include "dist/mpi/watch.h"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>

#include "autograd/tape.h"
#include "base/check.h"
#include "base/log.h"
#include "dist/mpi/patience.h"
#include "dist/mpi/relay.h"
#include "dist/mpi/transport.h"

namespace ingot {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLook{100}, kTurn{500};
constexpr std::chrono::seconds kAbort{2};
constexpr size_t kPaths = 2048, kPathText = 96;

template <size_t N>
void copy_text(char (&to)[N], std::string_view text) {
  const size_t size = std::min(text.size(), N - 1);
  text.copy(to, size);
  to[size] = 0;
}

/// 'R' running, 'S' asleep, 'T' stopped and so on; 0: there is no such process.
char process_state(int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return 0;
  const size_t end = line.rfind(')');  // of the program's name, which may hold anything
  const char state = end == std::string::npos || end + 2 >= line.size() ? '?' : line[end + 2];
  return state == 'Z' || state == 'X' ? '\0' : state;
}

/// mpirun ends a job by itself as soon as a rank ends with an error, and is silent about it; under another launcher
/// MPI_Abort has to ask for that, which may wait for one that is about to end this process.
[[noreturn]] void end_all(int code) {
  if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) {
    std::thread([code] {
      std::this_thread::sleep_for(kAbort);
      std::_Exit(code);
    }).detach();
    MPI_Abort(MPI_COMM_WORLD, code);
  }
  std::_Exit(code);
}

}  // namespace

/// In shared memory, zero at first. Texts are read while they are written: at worst a message is garbled.
struct Watch::Slot {
  std::atomic<int64_t> pid, step;
  std::atomic<uint32_t> path;
  std::atomic<uint32_t> ended;
  std::atomic<int32_t> failed;       // the exit code with which this rank ends the job
  std::atomic<uint32_t> has_spoken;  // of the host's first rank: somebody told why the job ends
  std::atomic<uint32_t> waits[kLanes];
  int32_t rank;
  cpu_set_t cpus;
  char host[kHostText], what[kLanes][kWhatText];
  char paths[kPaths][kPathText];
};

Watch* g_watch = nullptr;  // of the process

Watch::Watch(bool threads, std::chrono::duration<double> deadline) : deadline_(deadline) {
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host_),
            "MPI_Comm_split_type");
  check_mpi(MPI_Win_allocate_shared(sizeof(Slot), 1, MPI_INFO_NULL, host_, static_cast<void*>(&mine_), &window_),
            "MPI_Win_allocate_shared");
  std::memset(static_cast<void*>(mine_), 0, sizeof(Slot));
  mine_->pid = ::getpid();
  mine_->rank = rank_;
  ::sched_getaffinity(0, sizeof mine_->cpus, &mine_->cpus);
  ::gethostname(mine_->host, sizeof mine_->host - 1);
  int count = 0;
  MPI_Comm_size(host_, &count);
  MPI_Barrier(host_);
  for (int r = 0; r < count; ++r) {
    MPI_Aint bytes = 0;
    int unit = 0;
    Slot* slot = nullptr;
    check_mpi(MPI_Win_shared_query(window_, r, &bytes, &unit, static_cast<void*>(&slot)), "MPI_Win_shared_query");
    slots_.push_back(slot);
  }
  count_cpus();
  g_watch = this;
  publish_path(&mine_->path, name_path);
  relay_ = std::make_unique<Relay>(host_, threads);
  thread_ = std::thread([this] { look(); });
}

void Watch::stop() {
  mine_->ended = 1;
  stop_ = true;
  thread_.join();
  publish_path(nullptr, nullptr);
  g_watch = nullptr;
  relay_.reset();
  MPI_Barrier(host_);  // nobody reads the memory any more
  slots_.clear();
  mine_ = nullptr;
  MPI_Win_free(&window_);
  MPI_Comm_free(&host_);
}

void Watch::count_cpus() {
  ranks_on_cpus_ = static_cast<int>(std::count_if(slots_.begin(), slots_.end(), [&](const Slot* slot) {
    cpu_set_t both;
    CPU_AND(&both, &slot->cpus, &mine_->cpus);
    return CPU_COUNT(&both) > 0;
  }));
}

void Watch::name_path(uint32_t number, std::string_view text) {
  if (number < kPaths) copy_text(g_watch->mine_->paths[number], text);
}

void Watch::set_step(int64_t step) {
  if (mine_ != nullptr) mine_->step = step;
}

int64_t Watch::step() const { return mine_ == nullptr ? 0 : mine_->step.load(); }

void Watch::waits_for(const char* what) {
  if (mine_ == nullptr) return;
  const auto lane = static_cast<size_t>(current_lane());
  if (what != nullptr) copy_text(mine_->what[lane], what);
  mine_->waits[lane] = what != nullptr ? 1 : 0;
}

Standing Watch::standing_of(const Slot& slot) const {
  Standing s{.rank = slot.rank, .pid = slot.pid, .step = slot.step};
  copy_text(s.host, slot.host);
  const uint32_t path = slot.path;
  copy_text(s.path, path < kPaths ? slot.paths[path] : "");
  for (size_t lane = 0; lane < kLanes; ++lane)
    if (slot.waits[lane] != 0) copy_text(s.what[lane], slot.what[lane]);
  s.state = process_state(s.pid);
  s.ended = slot.ended != 0;
  s.failed = slot.failed;
  return s;
}

std::string Watch::missing(const std::vector<int>& world_ranks) const {
  if (mine_ == nullptr) return "";
  std::map<int, Standing> all = relay_->heard();
  for (const Slot* slot : slots_) all[slot->rank] = standing_of(*slot);
  const auto lane = static_cast<size_t>(current_lane());
  const std::string_view mine = mine_->what[lane];
  std::vector<std::string> hurt, others;  // the former first: the others may wait for them
  for (const int rank : world_ranks) {
    const auto it = all.find(rank);
    const bool alive = it != all.end() && is_alive(it->second);
    // One that was stopped or died after it came may not have moved its data on.
    if (rank == rank_ || (alive && mine == it->second.what[lane])) continue;
    if (it == all.end())
      others.push_back(fmt::format("rank {} is on another host", rank));
    else
      (alive ? others : hurt).push_back(to_string(it->second, lane));
  }
  hurt.insert(hurt.end(), others.begin(), others.end());
  return fmt::format("{}", fmt::join(hurt, "; "));
}

void Watch::within_deadline(const char* what, const std::vector<int>& world_ranks, const std::function<void()>& call) {
  const auto expired = [&, lane = current_lane()] {
    set_lane(lane);
    const std::string who = missing(world_ranks);
    if (may_speak())
      log_warning("rank {} waited {:.3g} s for {}{}: the job ends", rank_, deadline_.count(), what,
                  who.empty() ? "" : ": " + who);
    end_job(1);
  };
  waits_for(what);
  {
    const Patience patience(deadline_, expired);
    call();
  }
  waits_for(nullptr);
}

bool Watch::may_speak() {
  if (mine_ == nullptr) return false;
  if (rank_ > 0) std::this_thread::sleep_for(mine_ == slots_[0] ? kTurn : 2 * kTurn);
  return slots_[0]->has_spoken.exchange(1) == 0;
}

/// The thread that looks tells other hosts of it, and ends the process.
void Watch::end_job(int code) {
  if (mine_ != nullptr) {
    mine_->failed = code;
    std::this_thread::sleep_for(3 * kLook);
  }
  end_all(code);
}

void Watch::look() {
  while (!stop_) {
    look_for_the_dead();
    std::vector<Standing> standings;
    for (const Slot* slot : slots_) standings.push_back(standing_of(*slot));
    relay_->tell(standings);
    if (const int code = failed(); code != 0) {
      mine_->failed = code;
      end_all(code);
    }
    std::this_thread::sleep_for(kLook);
  }
}

/// The exit code of the rank that failed, of any host, and that said why; 0 where none has.
int Watch::failed() const {
  for (const Slot* slot : slots_)
    if (slot->failed != 0) return slot->failed;
  for (const auto& [rank, standing] : relay_->heard())
    if (standing.failed != 0) return standing.failed;
  return 0;
}

/// The lowest rank that is left on the host reports the dead, and all end with it; or, should it be stopped, another.
void Watch::look_for_the_dead() {
  std::string dead;
  bool first = true;
  for (const Slot* slot : slots_) {
    const bool gone = slot->ended == 0 && ::kill(static_cast<pid_t>(slot->pid.load()), 0) != 0 && errno == ESRCH;
    if (gone && slot->failed != 0) return;  // that one failed, and said why
    if (gone) dead += (dead.empty() ? "" : "; ") + to_string(standing_of(*slot), 0);
    if (!gone && slot->ended == 0 && slot->rank < rank_) first = false;
  }
  if (dead.empty() || stop_) return;
  if (!first) std::this_thread::sleep_for(kTurn);
  if (slots_[0]->has_spoken.exchange(1) == 0) log_warning("{}: the job ends", dead);
  mine_->failed = 1;
}

}  // namespace ingot
