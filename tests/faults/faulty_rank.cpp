#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "ingot/autograd.h"
#include "ingot/communicator.h"
#include "ingot/error.h"
#include "ingot/launch.h"

// Ranks that do a layer's collective in every step, until, in step 7, rank 1 does what the argument says instead, and
// rank 2 is stopped if that is "loop_and_stop".

using namespace ingot;

namespace {

constexpr int64_t kFaultyStep = 7, kSteps = 9;

void misbehave(const std::string& how, int rank) {
  if (how == "loop_and_stop" && rank == 2) ::raise(SIGSTOP);
  if (rank != 1) return;
  float sums[4]{};
  if (how == "stop") ::raise(SIGSTOP);
  if (how == "loop" || how == "loop_and_stop" || how == "no_group")
    for (volatile bool on = true; on;) {
    }
  if (how == "exit") ::_exit(0);
  if (how == "throw") throw Error("out of paper");
  if (how == "other") world().all_reduce(sums, 2, DType::f32).wait();
}

void run_steps(const std::string& how) {
  for (int64_t step = 1; step <= kSteps; ++step) {
    world().set_step(step);
    const ModuleScope layer("layer2.bn1");
    if (step == kFaultyStep) misbehave(how, world().rank());
    if (step == kFaultyStep && how == "no_group") world().duplicate();
    float sums[4]{};
    world().all_reduce(sums, 4, DType::f32).wait();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string how = argc > 1 ? argv[1] : "";
  Launch launch({.deadline = std::chrono::seconds(2), .check_calls = how == "other"});
  try {
    run_steps(how);
  } catch (const std::exception& error) {
    if (launch.may_speak()) std::fprintf(stderr, "rank %d: %s\n", world().rank(), error.what());
    launch.abort(1);
  }
  return 0;
}
