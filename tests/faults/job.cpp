#include "faults/job.h"

#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "ingot/error.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kMark = "INGOT_TEST_JOB";
constexpr std::chrono::seconds kPatience{15}, kUntilGone{5};
constexpr std::chrono::milliseconds kNap{20};

std::string content(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

/// The value of NAME in what /proc/PID/environ holds.
std::string value_of(const std::string& environment, const std::string& name) {
  const std::string sought = '\0' + name + '=';
  const size_t at = ('\0' + environment).find(sought);
  return at == std::string::npos ? "" : environment.c_str() + at + sought.size() - 1;
}

std::vector<std::string> with_script(const std::vector<std::string>& arguments) {
  std::vector<std::string> command{INGOT_SOURCE_DIR "/scripts/launch.sh"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

/// Processes know each other by it.
std::string new_mark(const std::vector<std::string>& environment) {
  static int jobs = 0;
  for (const std::string& entry : environment)
    ::setenv(entry.substr(0, entry.find('=')).c_str(), entry.substr(entry.find('=') + 1).c_str(), 1);
  std::string mark = std::to_string(::getpid()) + "." + std::to_string(++jobs);
  ::setenv(kMark, mark.c_str(), 1);
  return mark;
}

template <class Find>
int wait_until(const Find& find) {
  for (const auto end = Clock::now() + kPatience; Clock::now() < end; std::this_thread::sleep_for(kNap))
    if (const int pid = find(); pid > 0) return pid;
  throw Error("the process does not come");
}

}  // namespace

Job::Job(const std::vector<std::string>& arguments, const std::vector<std::string>& environment)
    : mark_(new_mark(environment)), process_(with_script(arguments)) {
  for (const std::string& entry : environment) ::unsetenv(entry.substr(0, entry.find('=')).c_str());
  ::unsetenv(kMark);
}

Job::~Job() {
  for (const Member& m : members()) ::kill(m.pid, SIGKILL);
}

std::vector<Job::Member> Job::members() const {
  std::vector<Member> out;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    int pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{}) continue;
    const std::string environment = content(entry.path() / "environ");
    if (value_of(environment, kMark) != mark_) continue;
    const std::string rank = value_of(environment, "OMPI_COMM_WORLD_RANK");
    std::string command = content(entry.path() / "cmdline");
    for (char& c : command) c = c == 0 ? ' ' : c;
    out.push_back({.pid = pid, .rank = rank.empty() ? -1 : std::stoi(rank), .command = command});
  }
  return out;
}

int Job::pid_of_rank(int rank) const {
  return wait_until([&] {
    for (const Member& m : members())
      if (m.rank == rank) return m.pid;
    return 0;
  });
}

int Job::pid_of_mpirun() const {
  return wait_until([&] {
    for (const Member& m : members())
      if (m.command.starts_with("mpirun ")) return m.pid;
    return 0;
  });
}

Finished Job::finish() {
  Finished result = process_.finish();
  std::istringstream lines(std::exchange(result.err, ""));
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with("[warn] Epoll ")) result.err += line + '\n';
  return result;
}

std::vector<std::string> Job::left_over() const {
  std::vector<std::string> out;
  for (const auto end = Clock::now() + kUntilGone; Clock::now() < end; std::this_thread::sleep_for(kNap)) {
    out.clear();
    for (const Member& m : members()) out.push_back(std::to_string(m.pid) + " " + m.command);
    if (out.empty()) break;
  }
  return out;
}

}  // namespace ingot
