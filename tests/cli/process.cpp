#include "cli/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "ingot/error.h"

extern char** environ;

namespace ingot {
namespace {

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw Error("cannot make a pipe");
    read = ends[0], write = ends[1];
  }
};

void close_once(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const std::filesystem::path& folder) {
  Pipe out, err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);
  if (!folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const int error = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(out.write);
  ::close(err.write);
  out_ = out.read, err_ = err.read;
  if (error != 0) throw Error("cannot run " + command.front());
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  close_once(out_);
  close_once(err_);
}

bool Process::read_some() {
  pollfd fds[]{{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  if (out_ < 0 && err_ < 0) return false;
  if (::poll(fds, 2, -1) < 0) return true;
  char buffer[4096];
  const auto take = [&](const pollfd& fd, int& from, std::string& to) {
    if (fd.fd < 0 || fd.revents == 0) return;
    const ssize_t n = ::read(from, buffer, sizeof buffer);
    if (n > 0) to.append(buffer, static_cast<size_t>(n));
    if (n == 0) close_once(from);
  };
  take(fds[0], out_, result_.out);
  take(fds[1], err_, result_.err);
  return true;
}

bool Process::wait_for(const std::string& text) {
  while (result_.err.find(text) == std::string::npos)
    if (!read_some()) return false;
  return true;
}

void Process::signal(int number) const { ::kill(pid_, number); }

Finished Process::finish() {
  while (read_some()) {
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  result_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result_;
}

std::vector<std::string> ingot_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> command{INGOT_BINARY};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

Finished ingot(const std::vector<std::string>& arguments, const std::filesystem::path& folder) {
  return Process(ingot_command(arguments), folder).finish();
}

}  // namespace ingot
