// A training step (forward, cross-entropy, backward, SGD with momentum and weight decay) beside PyTorch's, both on all
// threads, alternating in one run; the faster of PyTorch's two layouts counts.
// Usage: bench_train_step [small|resnet18|resnet50 [BATCH [ROUNDS]]] [alone]; `alone` runs no peer.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ingot/losses.h"
#include "ingot/models.h"
#include "ingot/optim.h"
#include "ingot/threads.h"
#include "peer.h"

namespace {

using Times = std::array<double, 4>;  // ms: whole, forward, backward, optimiser

struct Step {
  Step(const std::string& name, int64_t batch)
      : model(ingot::make_model(name == "small" ? "small_cnn" : name)),
        x(ingot::normal(name == "small" ? ingot::Shape{batch, 1, 28, 28} : ingot::Shape{batch, 3, 224, 224}, 0, 1,
                        {7})),
        target(ingot::zeros({batch}, ingot::DType::i64)),
        optimizer(model->parameters(), {.lr = 0.01, .momentum = 0.9, .weight_decay = 1e-4}) {}
  Times run();

  std::unique_ptr<ingot::Module> model;
  ingot::Tensor x, target;
  ingot::SGD optimizer;
};

Times Step::run() {
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto ms = [](auto from, auto to) { return std::chrono::duration<double, std::milli>(to - from).count(); };
  const auto a = now();
  optimizer.zero_grad();
  std::optional<ingot::Tensor> loss = ingot::cross_entropy(model->call({x})[0], target);
  const auto b = now();
  ingot::backward(*loss);
  loss.reset();
  const auto c = now();
  optimizer.step();
  const auto d = now();
  return {ms(a, d), ms(a, b), ms(b, c), ms(c, d)};
}

/// The fastest of some steps.
Times fastest(int steps, const auto& step) {
  Times best = step();
  for (int i = 1; i < steps; ++i) best = std::min(best, step());
  return best;
}

struct Side {
  std::string name;
  std::function<Times(int steps)> run;
  Times best = {1e30, 0, 0, 0};
};

std::vector<Side> sides_of(const std::string& net, int64_t batch, bool alone) {
  const auto step = std::make_shared<Step>(net, batch);
  std::vector<Side> sides{{"Ingot", [step](int steps) { return fastest(steps, [&] { return step->run(); }); }}};
  for (const char* layout : {"nchw", "nhwc"}) {
    if (alone) break;
    const auto peer =
        std::make_shared<Peer>("train_step.py", std::vector{net, std::to_string(batch), std::string(layout)});
    sides.push_back({peer->name(), [peer](int steps) {
                       const std::vector<double> t = peer->ask(std::to_string(steps));
                       return Times{t.at(0), t.at(1), t.at(2), t.at(3)};
                     }});
  }
  return sides;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool alone = std::erase(arguments, "alone") > 0;
  const std::string net = !arguments.empty() ? arguments[0] : "small";
  const bool small = net == "small";
  const int64_t batch = arguments.size() > 1 ? std::stoll(arguments[1]) : small ? 64 : 8;
  const int rounds = arguments.size() > 2 ? std::stoi(arguments[2]) : small ? 10 : 4;
  std::vector<Side> sides = sides_of(net, batch, alone);
  for (int round = 0; round <= rounds; ++round)
    for (Side& side : sides) {
      const Times t = side.run(small ? 30 : 2);
      if (round > 0) side.best = std::min(side.best, t);  // the first warms up
    }
  std::printf("%s, batch %lld, %d threads, fastest of %d steps\n", net.c_str(), static_cast<long long>(batch),
              ingot::num_threads(), rounds * (small ? 30 : 2));
  double peers = 1e30;
  for (const Side& side : sides) {
    const Times& t = side.best;
    std::printf("%-24s %8.2f ms  (forward %.2f, backward %.2f, optimiser %.2f)\n", side.name.c_str(), t[0], t[1], t[2],
                t[3]);
    if (side.name != "Ingot") peers = std::min(peers, t[0]);
  }
  if (!alone) std::printf("Ingot takes %.2f of the faster peer's time\n", sides[0].best[0] / peers);
}
