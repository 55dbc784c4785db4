#include "ingot/data_loader.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/parallel.h"
#include "data/loader_options.h"
#include "data/worker_pool.h"

namespace ingot {

class LoaderImpl {
 public:
  LoaderImpl(std::optional<DatasetHandle> dataset, std::shared_ptr<IterableDataset> iterable,
             DataLoaderOptions options);

  int64_t size() const;
  Epoch start(int64_t epoch);
  std::optional<Batch> next(LoaderRun& run);
  void give_up(const LoaderRun& run);
  LoaderState state() const;
  void load_state(const LoaderState& state);

  int64_t next_epoch = 0;
  int64_t skipped = 0;

 private:
  BatchMaker maker(int64_t epoch, int64_t start) const;
  int64_t world() const { return sampler_ ? (*sampler_)->world() : 1; }
  bool at_end(const LoaderState& state) const;
  std::shared_ptr<LoadTask> make_here(LoaderRun& run) const;
  void count_skipped(const LoadTask& task);
  void report_skipped();

  std::optional<DatasetHandle> dataset_;
  std::shared_ptr<IterableDataset> iterable_;
  DataLoaderOptions options_;
  std::optional<SamplerHandle> sampler_;
  std::shared_ptr<LoaderRun> run_;  // of the latest epoch
  LoaderState state_;
  bool resuming_ = false;  // the next epoch starts at state_
  bool within_ = false;    // an epoch has begun and not ended
  int64_t skipped_in_epoch_ = 0;
  std::optional<WorkerPool> pool_;  // last: its threads use the rest
};

namespace {

std::optional<SamplerHandle> sampler_for(const std::optional<DatasetHandle>& dataset,
                                         const DataLoaderOptions& options) {
  if (!dataset || options.batch_sampler) return std::nullopt;
  if (options.sampler) return options.sampler;
  const int64_t n = (*dataset)->size();
  if (options.shuffle) return SamplerHandle(RandomSampler(n));
  return SamplerHandle(SequentialSampler(n));
}

}  // namespace

LoaderImpl::LoaderImpl(std::optional<DatasetHandle> dataset, std::shared_ptr<IterableDataset> iterable,
                       DataLoaderOptions options)
    : dataset_(std::move(dataset)), iterable_(std::move(iterable)), options_(std::move(options)) {
  CHECK(dataset_ || iterable_, "the data set is null");
  check_options(options_, iterable_ != nullptr);
  sampler_ = sampler_for(dataset_, options_);
  state_.seed = options_.seed;
  state_.sampler = options_.batch_sampler ? options_.batch_sampler->str() : sampler_ ? (*sampler_)->str() : "iterable";
  if (dataset_) state_.dataset = (*dataset_)->fingerprint();
  if (options_.num_workers > 0) pool_.emplace(options_);
}

BatchMaker LoaderImpl::maker(int64_t epoch, int64_t start) const {
  return {dataset_ ? &**dataset_ : nullptr,
          iterable_.get(),
          options_,
          sampler_ ? &**sampler_ : nullptr,
          state_.seed,
          epoch,
          start};
}

int64_t LoaderImpl::size() const {
  CHECK(!iterable_, "the data set is iterable: its number of batches is not known");
  return maker(0, 0).batches();
}

Epoch LoaderImpl::start(int64_t epoch) {
  CHECK(epoch >= 0, "epoch is {}, it must not be negative", epoch);
  const int64_t position = std::exchange(resuming_, false) && state_.epoch == epoch ? state_.position : 0;
  if (pool_) pool_->stop_reading();
  run_ = std::make_shared<LoaderRun>(maker(epoch, position / world()), position);
  state_.epoch = epoch;
  state_.position = position;
  next_epoch = epoch + 1;
  within_ = true;
  skipped_in_epoch_ = 0;
  if (pool_) pool_->start(run_);
  return Epoch(*this, run_);
}

/// The next batch without workers; null at the end.
std::shared_ptr<LoadTask> LoaderImpl::make_here(LoaderRun& run) const {
  CHECK(run_.get() == &run, "this epoch was given up when the loader started another one");
  auto task = std::make_shared<LoadTask>();
  task->number = run.planned;
  if (run.maker.iterable()) {
    if (!run.maker.pull(*task)) return nullptr;
  } else {
    if (run.planned == run.maker.batches()) return nullptr;
    run.maker.plan(*task);
    const auto samples = static_cast<int64_t>(task->size());
    const auto body = [&](int64_t begin, int64_t end) {
      run.maker.run(*task, static_cast<size_t>(begin), static_cast<size_t>(end));
    };
    run.maker.by_all_threads() ? parallel_for(samples, run.maker.grain(), body) : body(0, samples);
  }
  ++run.planned;
  run.maker.finish(*task);
  run.position = run.maker.position_after(run.position, *task);
  return task;
}

void LoaderImpl::count_skipped(const LoadTask& task) {
  if (task.skipped == 0) return;
  if (skipped == 0) log_warning("samples that fail are left out; the first: {}", task.first_skipped);
  skipped += task.skipped;
  skipped_in_epoch_ += task.skipped;
}

void LoaderImpl::report_skipped() {
  const int64_t count = std::exchange(skipped_in_epoch_, 0);
  if (count > 0) log_warning("samples left out of epoch {}: {}", state_.epoch, count);
}

std::optional<Batch> LoaderImpl::next(LoaderRun& run) {
  while (true) {
    const auto task = pool_ ? pool_->take(run) : make_here(run);
    state_.position = run.position;
    within_ = task != nullptr;
    if (!task) {
      report_skipped();
      return std::nullopt;
    }
    count_skipped(*task);
    CHECK(task->batch_error.empty(), "{}", task->batch_error);
    // Without samples where all were left out, or a part is empty, which the other parts' ranks count on.
    if (task->size() > 0 || options_.parts > 1) return std::move(task->batch);
  }
}

void LoaderImpl::give_up(const LoaderRun& run) {
  if (pool_) pool_->give_up(run);
  if (run_.get() == &run) run_ = nullptr;
}

LoaderState LoaderImpl::state() const {
  CHECK(options_.in_order || !within_,
        "in_order is false: which samples were given within an epoch is no position; take state() between epochs");
  return state_;
}

bool LoaderImpl::at_end(const LoaderState& state) const {
  return !iterable_ && maker(state.epoch, state.position / world()).batches() == 0;
}

void LoaderImpl::load_state(const LoaderState& state) {
  CHECK(state.sampler == state_.sampler, "the state was taken with {}, this loader has {}", state.sampler,
        state_.sampler);
  CHECK(state.dataset == state_.dataset,
        "the state was taken with another data set (fingerprint {:#x}, this one has {:#x})", state.dataset,
        state_.dataset);
  CHECK(state.epoch >= 0 && state.position >= 0, "the state's epoch {} and position {} must not be negative",
        state.epoch, state.position);
  CHECK(state.position % world() == 0, "the state's position {} does not divide by {} ranks", state.position, world());
  if (pool_) pool_->stop_reading();
  run_ = nullptr;
  state_ = state;
  resuming_ = true;
  within_ = false;
  next_epoch = at_end(state) ? state.epoch + 1 : state.epoch;
}

Epoch::~Epoch() {
  if (run_) loader_->give_up(*run_);
}
std::optional<Batch> Epoch::next() { return loader_->next(*run_); }

DataLoader::DataLoader(DatasetHandle dataset, DataLoaderOptions options)
    : impl_(std::make_unique<LoaderImpl>(std::move(dataset), nullptr, std::move(options))) {}
DataLoader::DataLoader(std::shared_ptr<IterableDataset> dataset, DataLoaderOptions options)
    : impl_(std::make_unique<LoaderImpl>(std::nullopt, std::move(dataset), std::move(options))) {}
DataLoader::~DataLoader() = default;
DataLoader::DataLoader(DataLoader&&) noexcept = default;
DataLoader& DataLoader::operator=(DataLoader&&) noexcept = default;

int64_t DataLoader::size() const { return impl_->size(); }
Epoch DataLoader::epoch(int64_t number) { return impl_->start(number); }
Epoch::Iterator DataLoader::begin() {
  auto epoch = std::make_shared<Epoch>(impl_->start(impl_->next_epoch));
  epoch->advance();
  return Epoch::Iterator(epoch.get(), epoch);
}
void DataLoader::set_epoch(int64_t number) { impl_->next_epoch = number; }
LoaderState DataLoader::state() const { return impl_->state(); }
void DataLoader::load_state(const LoaderState& state) { impl_->load_state(state); }
int64_t DataLoader::skipped() const { return impl_->skipped; }

}  // namespace ingot
