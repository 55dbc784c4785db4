// An optimiser step over ResNet-50's parameters beside PyTorch's foreach and fused forms and beside a copy of the same
// bytes, all on all threads, alternating in one run.
// Bytes of a step: SGD with momentum reads parameter, gradient and buffer and writes parameter and buffer: 20 a
// parameter. Adam reads four and writes three: 28. The copy moves as many: half read, half written.
// Usage: bench_optimizer [alone]; `alone` runs no peer.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "ingot/models.h"
#include "ingot/optim.h"
#include "sides.h"

namespace {

constexpr int kRounds = 10, kSteps = 4;

ingot::Tensors resnet50_parameters() {
  ingot::Tensors parameters = ingot::make_model("resnet50")->parameters();
  for (ingot::Tensor& p : parameters) p.set_grad(ingot::normal(p.shape(), 0, 1, ingot::RandomKey{1}));
  return parameters;
}

Side copy_of(double bytes) {
  constexpr int64_t kLine = 64;
  const auto lines = static_cast<int64_t>(bytes / 2) / kLine;
  struct Buffers {
    std::vector<char> from, to;
  };
  const auto size = static_cast<size_t>(lines * kLine);
  const auto b = std::make_shared<Buffers>(Buffers{std::vector<char>(size, 1), std::vector<char>(size, 2)});
  const auto copy = [b, lines] {
    ingot::parallel_for(lines, 1, [&](int64_t begin, int64_t end) {
      std::memcpy(b->to.data() + begin * kLine, b->from.data() + begin * kLine,
                  static_cast<size_t>((end - begin) * kLine));
    });
  };
  return {"copy", [copy](int steps) { return fastest(steps, [&] { return std::vector{milliseconds(copy)}; }); }};
}

void measure(const std::string& name, ingot::Optimizer& optimizer, double bytes, bool alone) {
  const auto step = [&] { return std::vector{milliseconds([&] { optimizer.step(); })}; };
  std::vector<Side> sides{{"Ingot", [&](int steps) { return fastest(steps, step); }}, copy_of(bytes)};
  for (const char* form : {"foreach", "fused"})
    if (!alone) sides.push_back(Side::of(std::make_shared<Peer>("optimizer.py", std::vector<std::string>{name, form})));
  alternate(sides, kRounds, kSteps);
  const double ours = sides[0].best[0];
  std::printf("%s, %.0f MB a step\n", name.c_str(), bytes / 1e6);
  for (const Side& side : sides)
    std::printf("  %-28s %7.2f ms, %5.1f GB/s; Ingot takes %.2f of its time\n", side.name.c_str(), side.best[0],
                bytes / side.best[0] / 1e6, ours / side.best[0]);
}

}  // namespace

int main(int argc, char** argv) {
  const bool alone = argc > 1 && std::string(argv[1]) == "alone";
  const ingot::Tensors parameters = resnet50_parameters();
  double count = 0;
  for (const ingot::Tensor& p : parameters) count += static_cast<double>(p.numel().value());
  std::printf("%zu tensors, %.1f million parameters\n", parameters.size(), count / 1e6);
  ingot::SGD sgd(parameters, {.lr = 1e-3, .momentum = 0.9});
  measure("SGD", sgd, 20 * count, alone);
  ingot::Adam adam(parameters, {.lr = 1e-3});
  measure("Adam", adam, 28 * count, alone);
  ingot::AdamW adamw(parameters, {.lr = 1e-3});
  measure("AdamW", adamw, 28 * count, alone);
}
