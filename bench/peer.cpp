#include "peer.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "base/check.h"

extern char** environ;

Peer::Peer(const std::string& script, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"python3", std::string(INGOT_SOURCE_DIR "/bench/peers/") + script});
  int in[2], out[2];
  // Closed on exec: a peer that inherited the other's pipe would keep it from seeing its end.
  CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0, "no pipe for {}", script);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int failed = posix_spawnp(&pid_, "python3", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  to_ = fdopen(in[1], "w");
  from_ = fdopen(out[0], "r");
  CHECK(failed == 0, "python3 does not start");
  name_ = read_line();
}

Peer::~Peer() {
  std::fclose(to_);
  std::fclose(from_);
  waitpid(pid_, nullptr, 0);
}

std::string Peer::read_line() {
  std::string line;
  for (int c = std::fgetc(from_); c != '\n'; c = std::fgetc(from_)) {
    CHECK(c != EOF, "the peer ended; bench/peers/setup.sh installs what it needs");
    line.push_back(static_cast<char>(c));
  }
  return line;
}

std::vector<double> Peer::ask(const std::string& line) {
  std::fprintf(to_, "%s\n", line.c_str());
  std::fflush(to_);
  std::istringstream numbers(read_line());
  std::vector<double> result;
  for (double number = 0; numbers >> number;) result.push_back(number);
  CHECK(!result.empty(), "{} gave no numbers", name_);
  return result;
}
