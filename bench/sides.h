#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "peer.h"

/// One of the programs that do the same work beside each other.
struct Side {
  std::string name;
  /// Runs so many steps: the milliseconds of the fastest, one number for each part of a step.
  std::function<std::vector<double>(int steps)> run;
  std::vector<double> best = {};  // of each part, over all rounds

  /// A peer, which is asked for a number of steps.
  static Side of(const std::shared_ptr<Peer>& peer) {
    return {peer->name(), [peer](int steps) { return peer->ask(std::to_string(steps)); }};
  }
};

/// Runs the sides in turns, so that what else the machine does meets all of them.
void alternate(std::vector<Side>& sides, int rounds, int steps);

/// The fastest of some steps, part by part.
std::vector<double> fastest(int steps, const std::function<std::vector<double>()>& step);

/// Milliseconds that something takes.
double milliseconds(const std::function<void()>& work);
