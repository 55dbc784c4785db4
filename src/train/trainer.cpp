#include <chrono>
#include <cmath>

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "ingot/averaging.h"
#include "ingot/communicator.h"
#include "ingot/data_loader.h"
#include "ingot/data_parallel.h"
#include "ingot/init.h"
#include "ingot/train.h"
#include "train/batch_step.h"
#include "train/build.h"
#include "train/checkpoint.h"
#include "train/non_finite.h"
#include "train/run_folder.h"
#include "train/run_log.h"
#include "train/svm_training.h"

namespace ingot {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

DataLoaderOptions loader_options(const TrainConfig& config) {
  return {.batch_size = config.data.batch_size,
          .shuffle = true,
          .num_workers = static_cast<int>(config.data.num_workers),
          .drop_last = config.data.drop_last,
          .part = world().rank(),
          .parts = world().size(),
          .part_grain = config.distributed.deterministic ? kShardImages : 1,
          .seed = config.seed,
          .on_error = config.data.on_error};
}

}  // namespace

struct Trainer::Impl {
  Impl(const TrainConfig& config, const TrainOptions& options);

  TrainResult run();
  bool run_epoch();
  bool solve_epoch();
  StepResult train_step(const Batch& batch);
  void average_step();
  Module& averaged_model();
  void end_epoch(double seconds, double samples_per_s, std::optional<SvmReport> solved = {});
  void save_epoch(const EpochRecord& record);
  [[noreturn]] void refuse_loss(double loss, const Batch& batch);
  void show_progress(const Stopwatch& epoch, int64_t samples_before);
  void resume();
  Checkpoint checkpoint();
  /// Writes the folder and shows what happens.
  bool is_first() const { return world().rank() == 0; }
  bool has_average() const { return average && average->n_averaged() > 0; }

  TrainConfig config;
  TrainOptions options;
  TrainingData data;
  std::unique_ptr<Module> model;
  std::unique_ptr<AveragedModel> average;
  Loss loss;
  std::unique_ptr<Optimizer> optimizer;   // null where the SVM's solver takes its place
  std::unique_ptr<BatchStep> batch_step;  // null with it
  DataLoader loader;
  int64_t batches;  // in an epoch
  std::unique_ptr<LRScheduler> scheduler;
  std::unique_ptr<ReduceLROnPlateau> plateau;
  std::unique_ptr<SvmTraining> svm;  // null for other losses
  LoopState loop;
  std::optional<RunLog> log;  // the first rank's
  bool stop_asked = false;
  Stopwatch clock;         // of this part of the run
  int64_t first_step = 0;  // of this part
};

namespace {

/// Before the data is read, which takes longer.
TrainConfig checked(TrainConfig config, const TrainOptions& options) {
  check_ranks_agree(config, options);
  check_run_folder(config, options);
  return config;
}

/// A run that was killed in its first epoch has nothing to resume from.
bool has_checkpoint(const TrainOptions& options) {
  return options.resume && std::filesystem::exists(RunFiles(options.out).last);
}

/// The other ranks, should a disk take too long, say so.
void write(const std::filesystem::path& path, const Checkpoint& saved) {
  const ModuleScope place("writing " + path.filename().string());
  save_checkpoint(path, saved);
}

/// With initial values, unless a checkpoint's will take their place: what they came from may be gone.
std::unique_ptr<Module> starting_model(const TrainConfig& config, const TrainOptions& options, const Task& task) {
  auto model = make_unset_model(config.model, task);
  if (!has_checkpoint(options)) init_weights(*model, config.seed);
  prepare_for_ranks(config.distributed, *model);
  return model;
}

}  // namespace

Trainer::Impl::Impl(const TrainConfig& train_config, const TrainOptions& train_options)
    : config(checked(train_config, train_options)),
      options(train_options),
      data(load_data(config.data)),
      model(starting_model(config, options, data.task)),
      average(make_average(config.average, *model)),
      loss(make_loss(config.loss, *model, data.train->size())),
      optimizer(make_optimizer(config.optimizer, model->parameters())),
      loader(augmented(data.train, data.task, config.data), loader_options(config)),
      batches(loader.size()) {
  CHECK(batches > 0, "data.drop_last leaves no batch: {} training images are fewer than data.batch_size {}",
        data.train->size(), config.data.batch_size);
  svm = SvmTraining::of(config, augmented(data.train, data.task, config.data), data.task.classes());
  check_same_on_ranks("data set", data.hash);
  if (optimizer) {
    batch_step = make_batch_step(config, data.task, *model, loss, *optimizer);
    scheduler = make_scheduler(config.scheduler, *optimizer, config.epochs, batches);
    plateau = make_plateau(config.scheduler, *optimizer);
  } else {
    CHECK(world().size() == 1, "SvmSolver runs on one rank, there are {}", world().size());
    batches = 1;
  }
  if (has_checkpoint(options)) resume();
}

void Trainer::Impl::resume() {
  const RunFiles files(options.out);
  const Checkpoint from = load_checkpoint(files.last);
  CHECK(from.data_hash == data.hash, "{}: the run was trained on other data (hash {}, now {})", files.last.string(),
        from.data_hash, data.hash);
  model->load_state_dict(from.live.empty() ? from.model : from.live);
  if (average) average->load(from.loop.averaged, from.live.empty() ? model->state_dict() : from.model);
  if (optimizer)
    optimizer->load_state_dict(from.optimizer);
  else
    svm->load_state_dict(from.optimizer);
  loop = from.loop;
  if (scheduler) scheduler->set_step(loop.step);
  if (plateau) {
    if (std::isnan(loop.plateau.best)) loop.plateau.best = plateau->state().best;
    plateau->load_state(loop.plateau);
  }
  loader.load_state(loop.loader);
  first_step = loop.step;
}

Checkpoint Trainer::Impl::checkpoint() {
  loop.loader = loader.state();
  loop.averaged = average ? average->n_averaged() : 0;
  if (plateau) loop.plateau = plateau->state();
  return {.model = has_average() ? average->module().state_dict() : model->state_dict(),
          .live = has_average() ? model->state_dict() : TensorsByName(),
          .optimizer = optimizer ? optimizer->state_dict() : svm->state_dict(),
          .loop = loop,
          .task = data.task,
          .data_hash = data.hash};
}

TrainResult Trainer::Impl::run() {
  set_math(config.math);
  if (is_first()) {
    begin_run_folder(config, options);
    log.emplace(options.out, loop.step, loop.epoch, svm != nullptr);
  }
  clock = {};
  TrainResult result;
  world().set_step(loop.step + 1);
  while (loop.epoch < config.epochs && !result.interrupted) {
    result.interrupted = optimizer ? !run_epoch() : !solve_epoch();
    if (result.interrupted && is_first()) write(RunFiles(options.out).last, checkpoint());
  }
  world().barrier();  // the folder is whole when any rank says so
  result.epochs = loop.epoch;
  result.steps = loop.step;
  result.best_accuracy = loop.best_accuracy;
  result.best_epoch = loop.best_epoch;
  result.seconds = clock.seconds();
  return result;
}

/// False where it was interrupted.
bool Trainer::Impl::run_epoch() {
  const Stopwatch epoch;
  const int64_t samples_before = loop.samples;
  model->train();
  for (const Batch& batch : loader.epoch(loop.epoch)) {
    const double lr = optimizer->lr();
    const StepResult step = train_step(batch);
    loop.loss_sum += step.loss * static_cast<double>(step.samples);
    loop.samples += step.samples;
    loop.right += step.right;
    if (loop.step % config.log_interval == 0 && log)
      log->add(StepRecord{.epoch = loop.epoch + 1, .step = loop.step, .lr = lr, .loss = step.loss});
    show_progress(epoch, samples_before);
    // Other ranks learn of it with the next step's gradients, and all stop after that.
    stop_asked = (options.stop && options.stop(loop.step)) || stop_asked;
    if (step.stop || (stop_asked && world().size() == 1)) return false;
  }
  const double rate = static_cast<double>(loop.samples - samples_before) / epoch.seconds();
  end_epoch(epoch.seconds(), rate);
  return true;
}

/// A round of the SVM's solver. False where the run was asked to stop after it.
bool Trainer::Impl::solve_epoch() {
  const Stopwatch epoch;
  svm->round(*model);
  const SvmReport report = svm->report(*model);
  CHECK(std::isfinite(report.objective), "the SVM's objective is {} in epoch {}", report.objective, loop.epoch + 1);
  ++loop.step;
  loop.samples = report.samples;
  loop.right = report.right;
  loop.loss_sum = svm->mean_loss(report) * static_cast<double>(report.samples);
  show_progress(epoch, 0);
  end_epoch(epoch.seconds(), static_cast<double>(report.samples) / epoch.seconds(), report);
  return loop.epoch == config.epochs || !options.stop || !options.stop(loop.step);
}

StepResult Trainer::Impl::train_step(const Batch& batch) {
  const StepResult step = batch_step->run(batch, loop.step, stop_asked);
  if (!std::isfinite(step.loss)) refuse_loss(step.loss, batch);
  if (config.clip_grad_norm) clip_grad_norm(model->parameters(), *config.clip_grad_norm);
  optimizer->step();
  ++loop.step;
  if (loop.step % config.distributed.check_interval == 0) batch_step->check_equal();
  // By the closed form: a resumed run then has the same rates, whatever came before.
  if (scheduler) scheduler->set_step(loop.step);
  average_step();
  world().set_step(loop.step + 1);  // the next batch may take long to come
  return step;
}

void Trainer::Impl::average_step() {
  if (!average || !is_averaged(*config.average, loop.step, config.epochs * batches)) return;
  average->update_parameters(*model);
}

/// The average, with the statistics of batch norms that go with it.
Module& Trainer::Impl::averaged_model() {
  if (std::holds_alternative<SWAConfig>(*config.average)) {
    DataLoaderOptions in_order = loader_options(config);
    in_order.shuffle = false;
    DataLoader batches_of_an_epoch(augmented(data.train, data.task, config.data), in_order);
    update_bn(average->module(), [&](Module& module) {
      for (const Batch& batch : batches_of_an_epoch.epoch(loop.epoch)) {
        const DropoutScope dropout(config.seed, static_cast<uint64_t>(loop.step),
                                   static_cast<uint64_t>(batch.position));
        module.call({with_tensors(batch, data.task).input});
      }
    });
  }
  return average->module();
}

void Trainer::Impl::refuse_loss(double value, const Batch& batch) {
  TensorsByName names = model->named_parameters();
  for (auto& buffer : model->named_buffers()) names.push_back(std::move(buffer));
  names.emplace_back("batch", batch.input);
  const Batch own = with_tensors(batch, data.task);
  bool finite = true;
  const auto forward = [&] {
    const DropoutScope dropout(config.seed, static_cast<uint64_t>(loop.step), static_cast<uint64_t>(batch.position));
    finite = std::isfinite(loss(model->call({own.input})[0], own.target).sum.item<double>());
  };
  std::string where = first_non_finite(forward, names);
  if (world().size() > 1) {  // on another rank the forward pass may well stay finite
    const std::string found = first_text(finite ? "" : fmt::format("on rank {}, {}", world().rank(), where));
    if (!found.empty()) where = found;
  }
  fail("the loss is {} in step {} (epoch {}, batch {}): {}", value, loop.step + 1, loop.epoch + 1,
       loop.step % batches + 1, where);
}

/// `solved`: what the solver found of these weights, which need not be looked at again.
void Trainer::Impl::end_epoch(double train_seconds, double samples_per_s, std::optional<SvmReport> solved) {
  const Stopwatch validation;
  world().set_step(loop.step);
  if (batch_step) batch_step->check_equal();
  if (batch_step) batch_step->share_buffers();
  Module& now = has_average() ? averaged_model() : *model;
  const EvalResult result = evaluate(
      now, data.validation, data.task,
      {.num_workers = static_cast<int>(config.data.num_workers), .on_error = config.data.on_error, .by_ranks = true});
  const auto samples = static_cast<double>(loop.samples);
  const bool best = loop.best_epoch == 0 || result.accuracy > loop.best_accuracy;
  const EpochRecord record{.epoch = loop.epoch + 1,
                           .step = loop.step,
                           .lr = optimizer ? optimizer->lr() : 0,
                           .train_loss = loop.loss_sum / samples,
                           .train_accuracy = static_cast<double>(loop.right) / samples,
                           .val_loss = result.loss,
                           .val_accuracy = result.accuracy,
                           .seconds = train_seconds + validation.seconds(),
                           .samples_per_s = samples_per_s,
                           .best = best,
                           .svm = svm && !solved ? std::optional(svm->report(now)) : solved};
  ++loop.epoch;
  loop.loss_sum = 0, loop.right = 0, loop.samples = 0;
  if (best) loop.best_epoch = loop.epoch, loop.best_accuracy = result.accuracy;
  if (plateau) plateau->step(monitored(std::get<ReduceLROnPlateauConfig>(config.scheduler.front()), record));

  if (is_first()) save_epoch(record);
  world().set_step(loop.step + 1);
}

/// The log before the checkpoints, and `last` after `best`: a run that is killed between two of them resumes from the
/// older `last` and writes all of it again.
void Trainer::Impl::save_epoch(const EpochRecord& record) {
  log->add(record);
  const Checkpoint saved = checkpoint();
  const RunFiles files(options.out);
  if (record.best) write(files.best, saved);
  write(files.last, saved);
  if (options.on_epoch) options.on_epoch(record);
}

void Trainer::Impl::show_progress(const Stopwatch& epoch, int64_t samples_before) {
  if (!options.on_step || !is_first()) return;
  const auto samples = static_cast<double>(loop.samples);
  const double a_step = clock.seconds() / static_cast<double>(loop.step - first_step);
  options.on_step({.epoch = loop.epoch + 1,
                   .epochs = config.epochs,
                   .batch = loop.step - loop.epoch * batches,
                   .batches = batches,
                   .loss = loop.loss_sum / samples,
                   .accuracy = static_cast<double>(loop.right) / samples,
                   .samples_per_s = static_cast<double>(loop.samples - samples_before) / epoch.seconds(),
                   .seconds_left = a_step * static_cast<double>(config.epochs * batches - loop.step)});
}

Trainer::Trainer(const TrainConfig& config, const TrainOptions& options)
    : impl_(std::make_unique<Impl>(config, options)) {}
Trainer::~Trainer() = default;
Trainer::Trainer(Trainer&&) noexcept = default;
TrainResult Trainer::run() { return impl_->run(); }
Module& Trainer::model() { return *impl_->model; }
const Task& Trainer::task() const { return impl_->data.task; }
RankTraffic Trainer::traffic() const {
  return {world().traffic(), impl_->batch_step ? impl_->batch_step->gradient_traffic() : Traffic()};
}

TrainResult train(const TrainConfig& config, const TrainOptions& options) { return Trainer(config, options).run(); }

std::string to_json(const TrainResult& r) {
  const nlohmann::ordered_json json{
      {"interrupted", r.interrupted},     {"epochs", r.epochs},         {"steps", r.steps},
      {"best_accuracy", r.best_accuracy}, {"best_epoch", r.best_epoch}, {"seconds", r.seconds}};
  return json.dump();
}

}  // namespace ingot
