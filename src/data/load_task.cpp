#include "data/load_task.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "data/copy.h"

namespace ingot {
namespace {

RandomKey epoch_key(uint64_t seed, std::string_view purpose, int64_t epoch) {
  return fold_in(random_key(seed, purpose), static_cast<uint64_t>(epoch));
}

int64_t count_batches(const DataLoaderOptions& options, const Sampler* sampler, int64_t start, int64_t batch_size) {
  if (options.batch_sampler) return std::max<int64_t>(0, options.batch_sampler->size() - start);
  if (sampler == nullptr) return 0;
  const int64_t samples = std::max<int64_t>(0, sampler->size() - start);
  return options.drop_last ? samples / batch_size : (samples + batch_size - 1) / batch_size;
}

}  // namespace

BatchMaker::BatchMaker(const Dataset* dataset, IterableDataset* iterable, const DataLoaderOptions& options,
                       const Sampler* sampler, uint64_t seed, int64_t epoch, int64_t start)
    : dataset_(dataset),
      iterable_(iterable),
      options_(options),
      sampler_(sampler),
      order_key_(epoch_key(seed, "order", epoch)),
      sample_key_(epoch_key(seed, "samples", epoch)),
      start_(start),
      batch_size_(options.batch_size.value_or(1)) {
  if (dataset != nullptr && options.batch_size && !options.collate_fn) spec_ = dataset->spec();
  batches_ = count_batches(options, sampler, start, batch_size_);
  if (iterable_ == nullptr) return;
  iterable_->start(sample_key_.value);
  skip_to(start);
}

/// Reads an iterable data set up to a position, as pull() did when it came there: a sample that fails is a place too.
void BatchMaker::skip_to(int64_t position) {
  for (; pulled_ < position && !ended_; ++pulled_)
    thrown_by([&] {
      const SeedScope scope(fold_in(sample_key_, static_cast<uint64_t>(pulled_)).value);
      ended_ = !iterable_->next();
    });
}

int64_t BatchMaker::position_after(int64_t position, const LoadTask& task) const {
  if (options_.batch_sampler) return position + 1;
  return position + task.consumed * (sampler_ ? sampler_->world() : 1);
}
int64_t BatchMaker::start_position() const { return sampler_ ? start_ * sampler_->world() : start_; }

void BatchMaker::plan_by_sampler(LoadTask& task) const {
  const int64_t first = start_ + task.number * batch_size_, end = std::min(first + batch_size_, sampler_->size());
  const auto position = [&](int64_t i) { return i * sampler_->world() + sampler_->rank(); };
  const int64_t grain = options_.part_grain, grains = (end - first + grain - 1) / grain;
  const auto begin_of = [&](int64_t part) { return std::min(first + grains * part / options_.parts * grain, end); };
  const int64_t from = begin_of(options_.part), to = begin_of(options_.part + 1);
  task.batch.position = position(from);
  task.consumed = end - first;  // first: whatever the sampler throws, the batch after begins there
  for (int64_t i = from; i < to; ++i) {
    task.indices.push_back(sampler_->at(order_key_, i));
    task.seeds.push_back(fold_in(sample_key_, static_cast<uint64_t>(position(i))).value);
  }
}

void BatchMaker::plan_by_batch_sampler(LoadTask& task) const {
  const BatchSampler& sampler = *options_.batch_sampler;
  const int64_t number = start_ + task.number;
  task.batch.position = number;
  task.indices = sampler.at(order_key_, number);
  const RandomKey key = fold_in(sample_key_, static_cast<uint64_t>(number));
  for (size_t k = 0; k < task.size(); ++k)
    task.seeds.push_back(fold_in(key, k * static_cast<uint64_t>(sampler.world()) + sampler.rank()).value);
}

void BatchMaker::plan(LoadTask& task) const {
  const auto error = thrown_by([&] {
    options_.batch_sampler ? plan_by_batch_sampler(task) : plan_by_sampler(task);
    for (const int64_t index : task.indices)
      CHECK(index >= 0 && index < dataset_->size(),
            "the sampler gives index {}, which is outside the data set's [0, {})", index, dataset_->size());
    allocate(task);
  });
  if (error) task.batch_error = *error;
  task.planned = task.left = task.size();
  task.errors.resize(task.size());
  task.done.assign(task.size(), 0);
  if (!spec_) task.samples.resize(task.size());
}

void BatchMaker::allocate(LoadTask& task) const {
  if (!spec_) return;
  const auto rows = [&](Shape shape) {
    shape.insert(0, static_cast<int64_t>(task.size()));
    return shape;
  };
  task.batch.input = empty(rows(spec_->input), spec_->input_dtype);
  task.batch.target = empty(rows(spec_->target), spec_->target_dtype);
}

bool BatchMaker::pull(LoadTask& task) {
  constexpr int64_t kMostSkipped = 1000;  // in one batch: a source that only fails must not keep us for ever
  task.batch.position = pulled_;
  while (!ended_ && task.batch_error.empty() && static_cast<int64_t>(task.samples.size()) < batch_size_) {
    const auto error = thrown_by([&] {
      const SeedScope scope(fold_in(sample_key_, static_cast<uint64_t>(pulled_)).value);
      auto sample = iterable_->next();
      if (!sample) return void(ended_ = true);
      task.samples.push_back(std::move(*sample));
      task.indices.push_back(pulled_);
    });
    if (ended_) break;
    if (error && task.first_skipped.empty()) task.first_skipped = fmt::format("sample {}: {}", pulled_, *error);
    if (error && (options_.on_error == OnError::raise || ++task.skipped == kMostSkipped))
      task.batch_error = fmt::format("sample {}: {}", pulled_, *error);
    ++pulled_;
    ++task.consumed;
  }
  task.errors.resize(task.size());
  if (!task.batch_error.empty()) return true;
  const auto samples = static_cast<int64_t>(task.size());
  return options_.drop_last ? samples == batch_size_ : samples > 0;
}

void BatchMaker::run(LoadTask& task, size_t begin, size_t end) const {
  if (!task.batch_error.empty()) return;
  if (spec_) return run_rows(task, begin, end);
  for (size_t k = begin; k < end; ++k)
    task.errors[k] = thrown_by([&] {
      const SeedScope scope(task.seeds[k]);
      task.samples[k] = dataset_->get(task.indices[k]);
    });
}

void BatchMaker::run_rows(LoadTask& task, size_t begin, size_t end) const {
  const auto rows = [&](size_t from, size_t to) {
    dataset_->get_batch(std::span(task.indices).subspan(from, to - from),
                        std::span(task.seeds).subspan(from, to - from), task.batch, static_cast<int64_t>(from));
  };
  if (!thrown_by([&] { rows(begin, end); })) return;
  // One by one, to see which of them fails.
  for (size_t k = begin; k < end; ++k) task.errors[k] = thrown_by([&] { rows(k, k + 1); });
}

/// Takes samples that failed out of the task, for OnError::skip.
void BatchMaker::drop_failed(LoadTask& task) const {
  std::vector<Sample> kept;
  std::vector<int64_t> indices;
  for (size_t k = 0; k < task.size(); ++k) {
    if (task.errors[k]) continue;
    const auto row = static_cast<int64_t>(k);
    kept.push_back(spec_ ? Sample{row_of(task.batch.input, row), row_of(task.batch.target, row), {}}
                         : std::move(task.samples[k]));
    indices.push_back(task.indices[k]);
  }
  task.skipped += static_cast<int64_t>(task.size() - kept.size());
  task.samples = std::move(kept);
  task.indices = std::move(indices);
}

Batch BatchMaker::collate_task(const LoadTask& task) const {
  if (options_.collate_fn) return options_.collate_fn(task.samples, task.indices);
  if (options_.batch_size || options_.batch_sampler) return collate(task.samples, task.indices);
  const Sample& only = task.samples.front();
  return {.input = only.input, .target = only.target, .extra = only.extra};
}

void BatchMaker::finish(LoadTask& task) const {
  if (!task.batch_error.empty()) return;
  const auto failed = std::find_if(task.errors.begin(), task.errors.end(), [](const auto& e) { return e.has_value(); });
  const bool any_failed = failed != task.errors.end();
  if (any_failed && options_.on_error == OnError::raise) {
    task.batch_error =
        fmt::format("sample {}: {}", task.indices[static_cast<size_t>(failed - task.errors.begin())], **failed);
    return;
  }
  if (any_failed) {
    task.first_skipped =
        fmt::format("sample {}: {}", task.indices[static_cast<size_t>(failed - task.errors.begin())], **failed);
    drop_failed(task);
  }
  const int64_t position = task.batch.position;
  if ((!spec_ || any_failed) && task.size() > 0)
    if (const auto error = thrown_by([&] { task.batch = collate_task(task); })) task.batch_error = *error;
  task.batch.indices = task.indices;
  task.batch.position = position;
  task.samples.clear();
}

}  // namespace ingot
