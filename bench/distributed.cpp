// ResNet-18 at 64x64 on two ranks of one thread each: what synchronised batch norm and the exchange of gradients cost.
// Usage: scripts/launch.sh -n 2 build/release/bench_distributed [BATCH [ROUNDS]] [alone]
// BATCH images a rank (32). `alone` runs no peer. Each rank stays on a CPU of its own; in turns come a step with plain
// and with synchronised batch norm, with plain batch norm at which the ranks only wait for each other (what any
// synchronising costs on this machine, even of no numbers at all), with the two-round form, without any exchange, the
// exchange alone, one rank with two threads on both ranks' images, and PyTorch's DistributedDataParallel on gloo with
// as many ranks and threads. Times are rank 0's fastest steps, which the ranks begin together.
#include <sched.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "dist/sync_batch_norm.h"
#include "ingot/data_parallel.h"
#include "ingot/launch.h"
#include "ingot/models.h"
#include "ingot/optim.h"
#include "ingot/sync_batch_norm.h"
#include "ingot/threads.h"
#include "sides.h"

namespace {

using namespace ingot;

/// So small that the net stays as it is: one that has learnt its images by heart has gradients that are denormal, which
/// are slow.
constexpr double kRate = 1e-9;

enum class Norm { plain, sync, meeting, two_rounds };

/// Batch norm of one's own images, before which the ranks wait for each other.
class Meeting : public BatchSync {
 public:
  std::optional<Result> normalise(const Tensor&, const std::optional<Tensor>&, const std::optional<Tensor>&,
                                  const std::optional<Tensor>&, bool, double) const override {
    world().barrier();
    return std::nullopt;
  }
};

/// The two-round form as a module's batch norm.
class TwoRounds : public BatchSync {
 public:
  std::optional<Result> normalise(const Tensor& x, const std::optional<Tensor>& weight,
                                  const std::optional<Tensor>& bias, const std::optional<Tensor>& residual,
                                  bool with_relu, double eps) const override {
    const auto [normal, stats] = sync_batch_norm_two_rounds(x, weight, bias, eps);
    Tensor y = residual ? normal + *residual : normal;
    if (with_relu) y = relu(y);
    const NoGrad no_grad;
    const auto row = [&stats = stats](int64_t i) { return reshape(slice(stats, 0, i, i + 1), {stats.size(1)}); };
    const auto count = static_cast<int64_t>(*stats.data<double>());
    return Result{y, row(1), row(2) / static_cast<double>(count), count};
  }
};

std::unique_ptr<Module> make_net(Norm norm) {
  const SeedScope seed(1);
  auto net = make_model("resnet18");
  if (norm == Norm::sync) convert_sync_batchnorm(*net);
  for (Module* m : net->modules()) {
    auto* bn = dynamic_cast<BatchNormBase*>(m);
    if (bn == nullptr) continue;
    if (norm == Norm::two_rounds) bn->set_sync(std::make_shared<TwoRounds>());
    if (norm == Norm::meeting) {
      bn->set_sync(std::make_shared<Meeting>());
      on_gradient_ready(*bn->weight, [](const Tensor&) { world().barrier(); });
    }
  }
  return net;
}

/// Trains on images of its own.
struct Training {
  Training(Norm norm, int64_t batch, bool exchanges)
      : net(make_net(norm)),
        x(normal({batch, 3, 64, 64}, 0, 1, {static_cast<uint64_t>(world().rank())})),
        target(cast(uniform({batch}, 0, 1000, {static_cast<uint64_t>(world().rank())}), DType::i64)),
        sgd(net->parameters(), {.lr = kRate, .momentum = 0.9, .weight_decay = 1e-4}) {
    if (exchanges) parallel = std::make_unique<DataParallel>(*net);
  }

  double step(bool exchange = true) {
    return milliseconds([&] {
      sgd.zero_grad();
      const LossSum loss = cross_entropy_sum(net->call({x})[0], target);
      std::optional<DataParallel::NoSync> no_sync;
      if (parallel && !exchange) no_sync.emplace(*parallel);
      if (parallel)
        parallel->backward(loss);
      else
        backward(mean_of(loss));
      sgd.step();
    });
  }

  std::unique_ptr<Module> net;
  Tensor x, target;
  SGD sgd;
  std::unique_ptr<DataParallel> parallel;
};

/// A side in which all ranks take part: rank 0 tells the others what to run.
class Ranks {
 public:
  /// `work` is one step, begun together; its milliseconds.
  Side side(const std::string& name, std::function<double()> work) {
    works_.push_back(std::move(work));
    const auto number = static_cast<int64_t>(works_.size()) - 1;
    return {name, [this, number](int steps) {
              tell(number, steps);
              return std::vector{run(number, steps)};
            }};
  }
  /// Of the other ranks: until rank 0 says that it is over.
  void follow() {
    while (true) {
      int64_t order[2];
      world().broadcast(order, 2, DType::i64, 0).wait();
      if (order[0] < 0) return;
      run(order[0], static_cast<int>(order[1]));
    }
  }
  static void tell(int64_t number, int64_t steps) {
    int64_t order[2]{number, steps};
    world().broadcast(order, 2, DType::i64, 0).wait();
  }

 private:
  double run(int64_t number, int steps) {
    double best = 1e30;
    for (int i = 0; i < steps; ++i) {
      world().barrier();
      best = std::min(best, works_[static_cast<size_t>(number)]());
    }
    return best;
  }
  std::vector<std::function<double()>> works_;
};

cpu_set_t allowed_cpus() {
  cpu_set_t set;
  CHECK(sched_getaffinity(0, sizeof set, &set) == 0, "the affinity cannot be read");
  return set;
}
/// The rank's own CPU, for this thread and the threads that it makes.
void stay_on_cpu(const cpu_set_t& allowed, int number) {
  cpu_set_t own;
  CPU_ZERO(&own);
  int at = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed) && at++ == number) CPU_SET(cpu, &own);
  CHECK(CPU_COUNT(&own) == 1 && sched_setaffinity(0, sizeof own, &own) == 0, "rank {} has no CPU of its own", number);
  CHECK(CPU_EQUAL(&own, std::make_unique<cpu_set_t>(allowed_cpus()).get()), "rank {} does not stay on its CPU", number);
}

/// One rank on all CPUs while the others wait.
double alone(const std::shared_ptr<Training>& training, const cpu_set_t& all, int steps) {
  sched_setaffinity(0, sizeof all, &all);
  set_num_threads(2);
  double best = 1e30;
  for (int i = 0; i < steps; ++i) best = std::min(best, training->step());
  set_num_threads(1);
  stay_on_cpu(all, 0);
  return best;
}

/// Sums of the gradients' size, in pieces as DataParallel has them.
double exchange_gradients(const std::vector<float>& gradients, int64_t piece) {
  auto& buffer = const_cast<std::vector<float>&>(gradients);
  return milliseconds([&] {
    const auto count = static_cast<int64_t>(buffer.size());
    for (int64_t at = 0; at < count; at += piece)
      world().all_reduce(buffer.data() + at, std::min(piece, count - at), DType::f32).wait();
  });
}

void report(const std::vector<Side>& sides, int64_t batch, int64_t parameters) {
  const auto time = [&](size_t i) { return sides[i].best[0]; };
  std::printf("ResNet-18, 64x64, %lld images a rank, 2 ranks of 1 thread, %lld parameters\n",
              static_cast<long long>(batch), static_cast<long long>(parameters));
  for (const Side& s : sides) std::printf("  %-44s %9.2f ms\n", s.name.c_str(), s.best[0]);
  const double images = 2.0 * static_cast<double>(batch);
  const auto more = [&](size_t i) { return 100 * (time(i) / time(0) - 1); };
  std::printf("synchronised batch norm: %+.1f%% of the step with plain, waiting alone %+.1f%%, two rounds %+.1f%%\n",
              more(1), more(2), more(3));
  std::printf("images/s: two ranks %.1f, one rank with 2 threads %.1f: %.2f\n", 1e3 * images / time(0),
              1e3 * images / time(6), time(6) / time(0));
  if (sides.size() > 7) {
    double peer = time(7);
    for (size_t i = 8; i < sides.size(); ++i) peer = std::min(peer, time(i));
    std::printf("a step takes %.2f of the faster peer's time, with synchronised batch norm %.2f\n", time(0) / peer,
                time(1) / peer);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool without_peer = std::erase(arguments, "alone") > 0;
  const int64_t batch = arguments.empty() ? 32 : std::stoll(arguments[0]);
  const int rounds = arguments.size() > 1 ? std::stoi(arguments[1]) : 6, steps = batch > 8 ? 3 : 20;

  const Launch launch;
  CHECK(world().size() == 2, "this is for two ranks: scripts/launch.sh -n 2 {}", argv[0]);
  const cpu_set_t cpus = allowed_cpus();
  CHECK(CPU_COUNT(&cpus) >= 2, "the ranks may run on one CPU only");
  std::vector<Side> peers;  // begun before a CPU is chosen, which they would inherit
  if (world().rank() == 0 && !without_peer)
    for (const char* layout : {"nchw", "nhwc"})
      peers.push_back(
          Side::of(std::make_shared<Peer>("ddp.py", std::vector<std::string>{std::to_string(batch), "2", layout})));
  stay_on_cpu(cpus, world().rank());
  set_num_threads(1);

  Ranks ranks;
  const auto plain = std::make_shared<Training>(Norm::plain, batch, true),
             sync = std::make_shared<Training>(Norm::sync, batch, true),
             meeting = std::make_shared<Training>(Norm::meeting, batch, true),
             rounds2 = std::make_shared<Training>(Norm::two_rounds, batch, true);
  int64_t parameters = 0;
  for (const Tensor& p : plain->net->parameters()) parameters += p.numel().value();
  const std::vector<float> gradients(static_cast<size_t>(parameters));
  Traffic norms;
  int64_t norm_steps = 0;
  std::vector<Side> sides{
      ranks.side("step, batch norm", [plain] { return plain->step(); }),
      ranks.side("step, synchronised batch norm",
                 [&] {
                   const Traffic before = world().traffic();
                   const double time = sync->step();
                   const Traffic used = world().traffic() - before;
                   norms = {norms.collectives + used.collectives, 0, norms.seconds + used.seconds};
                   ++norm_steps;
                   return time;
                 }),
      ranks.side("step, batch norm at which ranks wait", [meeting] { return meeting->step(); }),
      ranks.side("step, batch norm in two rounds", [rounds2] { return rounds2->step(); }),
      ranks.side("step, no exchange", [plain] { return plain->step(false); }),
      ranks.side("exchange of gradients alone", [&] { return exchange_gradients(gradients, (int64_t{1} << 20) / 4); })};
  if (world().rank() != 0) {
    ranks.follow();
    return 0;
  }
  const auto both = std::make_shared<Training>(Norm::plain, 2 * batch, false);
  sides.push_back(
      {"one rank, 2 threads, both ranks' images", [&](int n) { return std::vector{alone(both, cpus, n)}; }});
  sides.insert(sides.end(), peers.begin(), peers.end());
  for (const Side& s : sides) s.run(2);  // warms up
  alternate(sides, rounds, steps);
  Ranks::tell(-1, 0);
  report(sides, batch, parameters);
  std::printf("synchronised batch norm: %.1f ms of a step in its %lld collectives\n",
              1e3 * norms.seconds / static_cast<double>(norm_steps),
              static_cast<long long>(norms.collectives / norm_steps));
}
