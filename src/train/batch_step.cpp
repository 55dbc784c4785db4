#include "train/batch_step.h"

#include <atomic>
#include <cmath>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "ingot/data_parallel.h"
#include "ingot/sharded.h"
#include "ingot/sync_batch_norm.h"

namespace ingot {
namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;

int64_t count_right(const Tensor& scores, const Tensor& target) {
  const auto predicted = argmax(scores, 1).to_vector<int64_t>(), wanted = target.to_vector<int64_t>();
  int64_t right = 0;
  for (size_t i = 0; i < wanted.size(); ++i) right += predicted[i] == wanted[i] ? 1 : 0;
  return right;
}

/// Masks of dropout are those of the sample's place in the whole batch.
DropoutScope dropout_of(uint64_t seed, int64_t step, int64_t position) {
  return {seed, static_cast<uint64_t>(step), static_cast<uint64_t>(position)};
}

class AloneStep : public BatchStep {
 public:
  AloneStep(uint64_t seed, Module& model, Loss loss, Optimizer& optimizer)
      : seed_(seed), model_(model), loss_(std::move(loss)), optimizer_(optimizer) {}

  StepResult run(const Batch& batch, int64_t step, bool /*stop*/) override {
    const DropoutScope dropout = dropout_of(seed_, step, batch.position);
    const Tensor scores = model_.call({batch.input})[0];
    const Tensor loss = mean_of(loss_(scores, batch.target));
    StepResult out{.loss = loss.item<double>(), .samples = batch.size()};
    if (!std::isfinite(out.loss)) return out;
    out.right = count_right(scores, batch.target);
    optimizer_.zero_grad();
    backward(loss);
    return out;
  }

 private:
  uint64_t seed_;
  Module& model_;
  Loss loss_;
  Optimizer& optimizer_;
};

class ParallelStep : public BatchStep {
 public:
  ParallelStep(const TrainConfig& config, const Task& task, Module& model, Loss loss, Optimizer& optimizer)
      : seed_(config.seed),
        task_(task),
        model_(model),
        loss_(std::move(loss)),
        optimizer_(optimizer),
        parallel_(model,
                  {.bucket_bytes = config.distributed.bucket_mb * kMegabyte, .compress = config.distributed.compress}),
        shares_buffers_(!config.distributed.sync_batch_norm) {}

  StepResult run(const Batch& part, int64_t step, bool stop) override {
    const Batch batch = with_tensors(part, task_);
    const DropoutScope dropout = dropout_of(seed_, step, batch.position);
    const Tensor scores = model_.call({batch.input})[0];
    double sums[] = {static_cast<double>(count_right(scores, batch.target)), static_cast<double>(batch.size()),
                     stop ? 1.0 : 0.0};
    optimizer_.zero_grad();
    const double loss = parallel_.backward(loss_(scores, batch.target), sums);
    return {.loss = loss,
            .right = static_cast<int64_t>(sums[0]),
            .samples = static_cast<int64_t>(sums[1]),
            .stop = sums[2] > 0};
  }
  void check_equal() override { parallel_.check_equal(); }
  void share_buffers() override {
    if (shares_buffers_) parallel_.broadcast_buffers();
  }
  Traffic gradient_traffic() const override { return parallel_.traffic(); }

 private:
  uint64_t seed_;
  Task task_;
  Module& model_;
  Loss loss_;
  Optimizer& optimizer_;
  DataParallel parallel_;
  bool shares_buffers_;
};

class ShardedStep : public BatchStep {
 public:
  ShardedStep(const TrainConfig& config, const Task& task, Module& model, Loss loss, Optimizer& optimizer)
      : seed_(config.seed),
        task_(task),
        loss_(std::move(loss)),
        optimizer_(optimizer),
        plain_bytes_(bytes_of(model)),
        parallel_(model, config.data.batch_size / kShardImages / world().size()) {}

  StepResult run(const Batch& part, int64_t step, bool stop) override {
    const Batch batch = with_tensors(part, task_);
    std::atomic<int64_t> right = 0;
    optimizer_.zero_grad();
    const double loss = parallel_.backward([&](Module& model, int64_t shard) {
      const int64_t begin = std::min(shard * kShardImages, batch.size()),
                    end = std::min(begin + kShardImages, batch.size());
      const DropoutScope dropout = dropout_of(seed_, step, batch.position + begin);
      const Tensor scores = model.call({slice(batch.input, 0, begin, end)})[0],
                   target = slice(batch.target, 0, begin, end);
      right += count_right(scores, target);
      return loss_(scores, target);
    });
    int64_t sums[] = {right, batch.size(), stop ? 1 : 0};
    world().all_reduce(sums, 3, DType::i64).wait();
    if (step == 0 && world().rank() == 0) report();
    return {.loss = loss, .right = sums[0], .samples = sums[1], .stop = sums[2] > 0};
  }
  Traffic gradient_traffic() const override { return parallel_.traffic(); }

 private:
  static double bytes_of(const Module& model) {
    double bytes = 0;
    for (const Tensor& p : model.parameters())
      bytes += static_cast<double>(p.numel().value()) * static_cast<double>(size_of(p.dtype()));
    return bytes;
  }
  void report() const {
    const auto sent = static_cast<double>(parallel_.traffic().bytes);
    log_info("deterministic: a rank gives {:.1f} MB of gradients a step, {:.1f} times as much as without", sent / 1e6,
             sent / plain_bytes_);
  }

  uint64_t seed_;
  Task task_;
  Loss loss_;
  Optimizer& optimizer_;
  double plain_bytes_;
  ShardedParallel parallel_;
};

}  // namespace

void prepare_for_ranks(const DistributedConfig& config, Module& model) {
  if (config.sync_batch_norm && (world().size() > 1 || config.deterministic)) convert_sync_batchnorm(model);
}

std::unique_ptr<BatchStep> make_batch_step(const TrainConfig& config, const Task& task, Module& model, const Loss& loss,
                                           Optimizer& optimizer) {
  const int ranks = world().size();
  if (!config.distributed.deterministic) {
    if (ranks == 1) return std::make_unique<AloneStep>(config.seed, model, loss, optimizer);
    return std::make_unique<ParallelStep>(config, task, model, loss, optimizer);
  }
  CHECK(config.data.batch_size % (kShardImages * ranks) == 0,
        "distributed.deterministic: data.batch_size {} is not divided by {} ranks of shards of {} images",
        config.data.batch_size, ranks, kShardImages);
  return std::make_unique<ShardedStep>(config, task, model, loss, optimizer);
}

Batch with_tensors(Batch batch, const Task& task) {
  if (batch.size() > 0) return batch;
  Shape shape{0};
  for (const Dim d : task.input) shape.push_back(d);
  batch.input = empty(shape);
  batch.target = empty({0}, DType::i64);
  return batch;
}

std::string first_text(const std::string& text) {
  for (const std::string& of_rank : gather_texts(text))
    if (!of_rank.empty()) return of_rank;
  return "";
}

void check_ranks_agree(const TrainConfig& config, const TrainOptions& options) {
  if (world().size() == 1) return;
  const std::string program = read_file("/proc/self/exe");
  check_same_on_ranks("program", fmt::format("{:016x}", hash_bytes(program.data(), program.size())));
  check_same_on_ranks("config", to_yaml(config));
  check_same_on_ranks("run folder", fmt::format("{}{}", options.out.string(), options.resume ? ", resumed" : ""));
}

}  // namespace ingot
