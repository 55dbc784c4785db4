#include <algorithm>
#include <chrono>
#include <numeric>

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/parallel.h"
#include "ingot/communicator.h"
#include "ingot/data_loader.h"
#include "ingot/losses.h"
#include "ingot/train.h"
#include "nn/mode_scope.h"

namespace ingot {
namespace {

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

void check_targets(const std::vector<int64_t>& targets, const Batch& batch, int64_t classes) {
  for (size_t i = 0; i < targets.size(); ++i)
    CHECK(targets[i] >= 0 && targets[i] < classes, "label {} of image {} is outside [0, {})", targets[i],
          batch.indices[i], classes);
}

constexpr int64_t kBlock = 64;

/// A rank's images, whole blocks of them, and the number of its first block.
struct Part {
  DatasetHandle images;
  int64_t first = 0, blocks = 0;  // of all ranks
};
Part part_of_rank(const DatasetHandle& images, int64_t block) {
  const int64_t n = images->size(), blocks = (n + block - 1) / block, rank = world().rank(), ranks = world().size();
  const int64_t first = blocks * rank / ranks, last = blocks * (rank + 1) / ranks;
  std::vector<int64_t> indices(static_cast<size_t>(std::min(last * block, n) - std::min(first * block, n)));
  std::iota(indices.begin(), indices.end(), first * block);
  return {Subset(images, std::move(indices)), first, blocks};
}

void add_over_ranks(EvalResult& result, std::vector<double>& losses) {
  if (world().size() == 1) return;
  for (auto& row : result.confusion)
    world().all_reduce(row.data(), static_cast<int64_t>(row.size()), DType::i64).wait();
  world().all_reduce(&result.samples, 1, DType::i64).wait();
  world().all_reduce(losses.data(), static_cast<int64_t>(losses.size()), DType::f64).wait();
}

}  // namespace

int64_t usual_batch(const Task& task) {
  constexpr int64_t kMost = 500, kValues = int64_t{1} << 22;
  return std::clamp<int64_t>(kValues / std::max<int64_t>(1, numel(task.input).value()), 1, kMost);
}

EvalResult evaluate(const Classifier& classify, const DatasetHandle& images, const Task& task,
                    const EvalOptions& options) {
  const auto classes = static_cast<size_t>(task.classes());
  EvalResult result{.class_names = task.class_names, .confusion = {classes, std::vector<int64_t>(classes)}};
  const NoGrad no_grad;
  // On one thread, a block at a time, numbers depend neither on the threads nor on who computes a block.
  std::optional<SerialScope> serial;
  if (options.deterministic) serial.emplace();
  const auto start = std::chrono::steady_clock::now();
  Part part{images};
  if (options.by_ranks || options.deterministic) part = part_of_rank(images, options.deterministic ? kBlock : 1);
  std::vector<double> losses(options.deterministic ? static_cast<size_t>(part.blocks) : 1);
  DataLoader loader(normalised(part.images, task),
                    {.batch_size = options.deterministic ? kBlock : options.batch_size.value_or(usual_batch(task)),
                     .num_workers = options.num_workers,
                     .on_error = options.on_error});
  for (const Batch& batch : loader.epoch(0)) {
    const Tensor scores = classify(batch.input);
    const Shape wanted{batch.size(), task.classes()};
    CHECK(scores.shape() == wanted, "the network gives {}, {} is expected", to_string(scores.shape()),
          to_string(wanted));
    const auto targets = batch.target.to_vector<int64_t>();
    check_targets(targets, batch, task.classes());
    const auto predicted = argmax(scores, 1).to_vector<int64_t>();
    for (size_t i = 0; i < targets.size(); ++i)
      ++result.confusion[static_cast<size_t>(targets[i])][static_cast<size_t>(predicted[i])];
    const auto block = static_cast<size_t>(options.deterministic ? part.first + batch.position / kBlock : 0);
    losses[block] += cross_entropy_sum(scores, batch.target).sum.item<double>();
    result.samples += batch.size();
  }
  if (options.by_ranks) add_over_ranks(result, losses);
  result.loss = std::accumulate(losses.begin(), losses.end(), 0.0);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;

  int64_t right = 0;
  for (size_t c = 0; c < classes; ++c) {
    int64_t samples = 0;
    for (const int64_t n : result.confusion[c]) samples += n;
    result.per_class.push_back(share(result.confusion[c][c], samples));
    right += result.confusion[c][c];
  }
  result.accuracy = share(right, result.samples);
  result.loss /= static_cast<double>(std::max<int64_t>(1, result.samples));
  result.samples_per_s = static_cast<double>(result.samples) / took.count();
  return result;
}

EvalResult evaluate(Module& model, const DatasetHandle& images, const Task& task, const EvalOptions& options) {
  const ModeScope eval(model, false);
  return evaluate([&](const Tensor& batch) { return model.call({batch})[0]; }, images, task, options);
}

std::string to_json(const EvalResult& result) {
  nlohmann::ordered_json per_class = nlohmann::ordered_json::object();
  for (size_t c = 0; c < result.class_names.size(); ++c) per_class[result.class_names[c]] = result.per_class[c];
  const nlohmann::ordered_json json{{"accuracy", result.accuracy},
                                    {"loss", result.loss},
                                    {"per_class", per_class},
                                    {"samples", result.samples},
                                    {"samples_per_s", result.samples_per_s},
                                    {"class_names", result.class_names},
                                    {"confusion", result.confusion}};
  return json.dump();
}

}  // namespace ingot
