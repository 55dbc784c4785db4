// A training step (forward, cross-entropy, backward, SGD with momentum and weight decay) beside PyTorch's, both on all
// threads, alternating in one run; the faster of PyTorch's two layouts counts.
// Usage: bench_train_step [small|NETWORK [BATCH [ROUNDS]]] [alone]: NETWORK is one of the zoo's; `alone` runs no peer.
// All times are the least of their part.
#include <cstdio>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "ingot/losses.h"
#include "ingot/models.h"
#include "ingot/optim.h"
#include "ingot/threads.h"
#include "sides.h"

namespace {

struct Step {
  Step(const std::string& name, int64_t batch)
      : model(ingot::make_model(name == "small" ? "small_cnn" : name)),
        x(ingot::normal(name == "small" ? ingot::Shape{batch, 1, 28, 28} : ingot::Shape{batch, 3, 224, 224}, 0, 1,
                        {7})),
        target(ingot::zeros({batch}, ingot::DType::i64)),
        optimizer(model->parameters(), {.lr = 0.01, .momentum = 0.9, .weight_decay = 1e-4}) {}
  std::vector<double> run();

  std::unique_ptr<ingot::Module> model;
  ingot::Tensor x, target;
  ingot::SGD optimizer;
};

/// Whole, forward, backward, optimiser.
std::vector<double> Step::run() {
  std::optional<ingot::Tensor> loss;
  std::vector<double> parts{milliseconds([&] {
                              optimizer.zero_grad();
                              loss = ingot::cross_entropy(model->call({x})[0], target);
                            }),
                            milliseconds([&] {
                              ingot::backward(*loss);
                              loss.reset();
                            }),
                            milliseconds([&] { optimizer.step(); })};
  parts.insert(parts.begin(), std::accumulate(parts.begin(), parts.end(), 0.0));
  return parts;
}

std::vector<Side> sides_of(const std::string& net, int64_t batch, bool alone) {
  const auto step = std::make_shared<Step>(net, batch);
  std::vector<Side> sides{{"Ingot", [step](int steps) { return fastest(steps, [&] { return step->run(); }); }}};
  for (const char* layout : {"nchw", "nhwc"})
    if (!alone)
      sides.push_back(Side::of(
          std::make_shared<Peer>("train_step.py", std::vector{net, std::to_string(batch), std::string(layout)})));
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
  const int steps = small ? 30 : 2;
  std::vector<Side> sides = sides_of(net, batch, alone);
  for (const Side& side : sides) side.run(steps);  // warms up
  alternate(sides, rounds, steps);
  std::printf("%s, batch %lld, %d threads, fastest of %d steps\n", net.c_str(), static_cast<long long>(batch),
              ingot::num_threads(), rounds * steps);
  double peers = 1e30;
  for (const Side& side : sides) {
    const std::vector<double>& t = side.best;
    std::printf("%-24s %8.2f ms  (forward %.2f, backward %.2f, optimiser %.2f)\n", side.name.c_str(), t[0], t[1], t[2],
                t[3]);
    if (&side != &sides[0]) peers = std::min(peers, t[0]);
  }
  if (!alone) std::printf("Ingot takes %.2f of the faster peer's time\n", sides[0].best[0] / peers);
}
