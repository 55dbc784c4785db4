#include "dist/mpi/relay.h"

#include <algorithm>
#include <thread>

#include "base/check.h"
#include "dist/mpi/transport.h"

namespace ingot {
namespace {

enum Tag : int { kStandings = 1, kGoodbye = 2 };
constexpr std::chrono::milliseconds kNap{5};
constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::duration<double> kSilence{1};  // several times as long as a host's first rank takes to tell

}  // namespace

struct Relay::Peer {
  int rank = 0;  // among the hosts' first
  std::vector<Standing> told;
  MPI_Request sending = MPI_REQUEST_NULL;
  bool left = false;

  bool is_idle() {
    int done = 0;
    check_mpi(MPI_Test(&sending, &done, MPI_STATUS_IGNORE), "MPI_Test");
    return done != 0;
  }
};

namespace {
bool is_stopped(const Standing& s) { return s.state == 'T' || s.state == 't'; }
}  // namespace

bool is_alive(const Standing& s) { return s.state != 0 && s.silent == 0 && !is_stopped(s); }

std::string to_string(const Standing& s, size_t lane) {
  std::string text = fmt::format("rank {} (pid {} on {}) ", s.rank, s.pid, s.host);
  if (s.ended)
    text += "has ended";
  else if (s.silent > 0)
    text += fmt::format("has not been heard of for {:.2g} s, it was", s.silent);
  else if (s.state == 0)
    text += "is gone";
  else if (is_stopped(s))
    text += "is stopped";
  else if (s.what[lane][0] != 0)
    text += fmt::format("waits for {}", s.what[lane]);
  else
    text += "runs";
  text += fmt::format(" in step {}", s.step);
  return s.path[0] == 0 ? text : text + ", " + s.path;
}

Relay::Relay(MPI_Comm host, bool threads) {
  int rank = 0, count = 0;
  MPI_Comm_rank(host, &rank);
  check_mpi(MPI_Comm_split(MPI_COMM_WORLD, rank == 0 && threads ? 0 : MPI_UNDEFINED, 0, &hosts_), "MPI_Comm_split");
  if (hosts_ == MPI_COMM_NULL) return;
  MPI_Comm_size(hosts_, &count);
  MPI_Comm_rank(hosts_, &rank);
  for (int r = 0; r < count; ++r)
    if (r != rank) peers_.emplace_back().rank = r;
}

Relay::~Relay() {
  if (hosts_ == MPI_COMM_NULL) return;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  const auto until = [&](const auto& all_peers) {
    while (!std::all_of(peers_.begin(), peers_.end(), all_peers) && std::chrono::steady_clock::now() < end) {
      tell({});
      std::this_thread::sleep_for(kNap);
    }
  };
  until([](Peer& p) { return p.is_idle(); });
  for (Peer& p : peers_) MPI_Isend(nullptr, 0, MPI_BYTE, p.rank, kGoodbye, hosts_, &p.sending);
  until([](Peer& p) { return p.is_idle() && p.left; });
  MPI_Comm_free(&hosts_);
}

void Relay::tell(const std::vector<Standing>& of_this_host) {
  for (Peer& p : peers_) {
    if (!of_this_host.empty() && !p.left && p.is_idle()) {
      p.told = of_this_host;
      check_mpi(MPI_Isend(p.told.data(), static_cast<int>(p.told.size() * sizeof(Standing)), MPI_BYTE, p.rank,
                          kStandings, hosts_, &p.sending),
                "MPI_Isend");
    }
    receive(p);
  }
}

void Relay::receive(Peer& p) {
  while (true) {
    int there = 0, bytes = 0;
    MPI_Status status;
    check_mpi(MPI_Iprobe(p.rank, MPI_ANY_TAG, hosts_, &there, &status), "MPI_Iprobe");
    if (there == 0) return;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    std::vector<Standing> got(static_cast<size_t>(bytes) / sizeof(Standing));
    check_mpi(MPI_Recv(got.data(), bytes, MPI_BYTE, p.rank, status.MPI_TAG, hosts_, MPI_STATUS_IGNORE), "MPI_Recv");
    if (status.MPI_TAG == kGoodbye) p.left = true;
    const std::scoped_lock lock(mutex_);
    for (const Standing& s : got) heard_[s.rank] = {s, std::chrono::steady_clock::now()};
  }
}

std::map<int, Standing> Relay::heard() const {
  const std::scoped_lock lock(mutex_);
  std::map<int, Standing> out;
  for (const auto& [rank, heard] : heard_) {
    out[rank] = heard.standing;
    const std::chrono::duration<double> age = std::chrono::steady_clock::now() - heard.when;
    if (age > kSilence) out[rank].silent = age.count();
  }
  return out;
}

}  // namespace ingot
