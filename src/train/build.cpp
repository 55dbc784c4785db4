#include "train/build.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/overloaded.h"
#include "ingot/losses.h"

namespace ingot {
namespace {

// ---- Schedules

struct Place {
  Optimizer& optimizer;
  int64_t steps;  // of this schedule
  int64_t steps_per_epoch;

  double for_a_step(double gamma_of_an_epoch) const {
    return std::pow(gamma_of_an_epoch, 1.0 / static_cast<double>(steps_per_epoch));
  }
};

/// How long a schedule lasts, in epochs; none: to the end of training.
std::optional<double> length_of(const SchedulerConfig& config) {
  return std::visit(Overloaded{[](const LinearLRConfig& c) { return std::optional(c.total_iters); },
                               [](const ConstantLRConfig& c) { return std::optional(c.total_iters); },
                               [](const CosineAnnealingLRConfig& c) { return c.T_max; },
                               [](const PolynomialLRConfig& c) { return c.total_iters; },
                               [](const ReduceLROnPlateauConfig&) { return std::optional<double>(); },
                               [](const auto& c) { return c.epochs; }},
                    config);
}

int64_t in_steps(double epochs, int64_t steps_per_epoch) {
  return std::max<int64_t>(1, std::llround(epochs * static_cast<double>(steps_per_epoch)));
}

using Made = std::unique_ptr<LRScheduler>;

Made make_one_cycle(const OneCycleLRConfig& c, const Place& p) {
  return std::make_unique<OneCycleLR>(
      p.optimizer,
      OneCycleLROptions{.max_lr = c.max_lr,
                        .total_steps = p.steps,
                        .pct_start = c.pct_start,
                        .anneal_strategy = c.anneal_strategy == "cos" ? AnnealStrategy::cos : AnnealStrategy::linear,
                        .cycle_momentum = c.cycle_momentum,
                        .base_momentum = c.base_momentum,
                        .max_momentum = c.max_momentum,
                        .div_factor = c.div_factor,
                        .final_div_factor = c.final_div_factor,
                        .three_phase = c.three_phase});
}

Made make_cyclic(const CyclicLRConfig& c, const Place& p) {
  const int64_t up = in_steps(c.step_size_up, p.steps_per_epoch);
  return std::make_unique<CyclicLR>(
      p.optimizer,
      CyclicLROptions{.base_lr = c.base_lr,
                      .max_lr = c.max_lr,
                      .step_size_up = up,
                      .step_size_down = c.step_size_down ? in_steps(*c.step_size_down, p.steps_per_epoch) : up,
                      .mode = c.mode == "triangular"    ? CyclicMode::triangular
                              : c.mode == "triangular2" ? CyclicMode::triangular2
                                                        : CyclicMode::exp_range,
                      .gamma = p.for_a_step(c.gamma),
                      .cycle_momentum = c.cycle_momentum,
                      .base_momentum = c.base_momentum,
                      .max_momentum = c.max_momentum});
}

Made make_multi_step(const MultiStepLRConfig& c, const Place& p) {
  std::vector<int64_t> milestones;
  for (const double epoch : c.milestones) milestones.push_back(in_steps(epoch, p.steps_per_epoch));
  return std::make_unique<MultiStepLR>(p.optimizer, milestones, c.gamma);
}

Made make_one(const SchedulerConfig& config, const Place& p) {
  return std::visit(
      Overloaded{[&](const LinearLRConfig& c) -> Made {
                   return std::make_unique<LinearLR>(
                       p.optimizer, LinearLROptions{.start_factor = c.start_factor,
                                                    .end_factor = c.end_factor,
                                                    .total_iters = in_steps(c.total_iters, p.steps_per_epoch)});
                 },
                 [&](const ConstantLRConfig& c) -> Made {
                   return std::make_unique<ConstantLR>(p.optimizer, c.factor,
                                                       in_steps(c.total_iters, p.steps_per_epoch));
                 },
                 [&](const CosineAnnealingLRConfig& c) -> Made {
                   return std::make_unique<CosineAnnealingLR>(p.optimizer, p.steps, c.eta_min);
                 },
                 [&](const StepLRConfig& c) -> Made {
                   return std::make_unique<StepLR>(p.optimizer, in_steps(c.step_size, p.steps_per_epoch), c.gamma);
                 },
                 [&](const ExponentialLRConfig& c) -> Made {
                   return std::make_unique<ExponentialLR>(p.optimizer, p.for_a_step(c.gamma));
                 },
                 [&](const PolynomialLRConfig& c) -> Made {
                   return std::make_unique<PolynomialLR>(p.optimizer, p.steps, c.power);
                 },
                 [&](const CosineAnnealingWarmRestartsConfig& c) -> Made {
                   return std::make_unique<CosineAnnealingWarmRestarts>(p.optimizer, in_steps(c.T_0, p.steps_per_epoch),
                                                                        c.T_mult, c.eta_min);
                 },
                 [&](const MultiStepLRConfig& c) -> Made { return make_multi_step(c, p); },
                 [&](const OneCycleLRConfig& c) -> Made { return make_one_cycle(c, p); },
                 [&](const CyclicLRConfig& c) -> Made { return make_cyclic(c, p); },
                 [](const ReduceLROnPlateauConfig&) -> Made { return nullptr; }},  // make_plateau's
      config);
}

/// Null where there is none among them.
const ReduceLROnPlateauConfig* plateau_of(const std::vector<SchedulerConfig>& configs) {
  for (const SchedulerConfig& config : configs)
    if (const auto* plateau = std::get_if<ReduceLROnPlateauConfig>(&config)) return plateau;
  return nullptr;
}

}  // namespace

std::unique_ptr<Module> make_unset_model(const ModelConfig& config, const Task& task) {
  ModelOptions options = config.options;
  options.num_classes = task.classes();
  options.in_channels = task.input[0].value();
  if (has_image_size(config.type)) {
    CHECK(task.input[1] == task.input[2], "{} takes square images, these are {}", config.type, to_string(task.input));
    options.image_size = task.input[1].value();
  }
  const SkipInit unset;
  auto model = make_model(config.type, options);
  model->set_init_cfg(config.init_cfg);
  return model;
}

namespace {

Tensor size_of_batch(const Tensor& scores) {
  return scalar(static_cast<double>(scores.size(0).value()), scores.dtype());
}

Loss regularised_svm_loss(const SvmProblem& problem, const Tensors& params, int64_t samples) {
  return [=](const Tensor& scores, const Tensor& target) {
    const auto count = static_cast<double>(scores.size(0).value());
    LossSum loss = svm_loss_sum(scores, target, problem);
    const double share = count / (2 * problem.C * static_cast<double>(samples));
    for (const Tensor& x : params) loss.sum = loss.sum + sum(square(x)) * share;
    return loss;
  };
}

}  // namespace

Loss make_loss(const LossConfig& config, const Module& model, int64_t samples) {
  return std::visit(
      Overloaded{[](const CrossEntropyConfig& c) -> Loss {
                   return [c](const Tensor& x, const Tensor& t) {
                     return cross_entropy_sum(x, t, {.label_smoothing = c.label_smoothing});
                   };
                 },
                 [](const MultiMarginConfig& c) -> Loss {
                   return [c](const Tensor& x, const Tensor& t) {
                     return LossSum{
                         multi_margin_loss(
                             x, t, {.p = static_cast<int>(c.p), .margin = c.margin, .reduction = Reduction::sum}),
                         size_of_batch(x)};
                   };
                 },
                 [&](const SvmConfig& c) { return regularised_svm_loss(c, model.parameters(), samples); }},
      config);
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, const Tensors& params) {
  return std::visit(
      [&]<class O>(const O& options) -> std::unique_ptr<Optimizer> {
        if constexpr (std::is_same_v<O, SvmSolverOptions>)
          return nullptr;
        else
          return std::make_unique<OptimizerOf<O>>(params, options);
      },
      config);
}

std::unique_ptr<LRScheduler> make_scheduler(const std::vector<SchedulerConfig>& configs, Optimizer& optimizer,
                                            int64_t epochs, int64_t steps_per_epoch) {
  if (plateau_of(configs) != nullptr) return nullptr;
  std::vector<std::unique_ptr<LRScheduler>> schedules;
  std::vector<int64_t> milestones;
  const int64_t total = epochs * steps_per_epoch;
  int64_t begin = 0;
  for (size_t i = 0; i < configs.size(); ++i) {
    const bool last = i + 1 == configs.size();
    const auto length = length_of(configs[i]);
    CHECK(length || last, "schedule {} lasts to the end of training, but another follows it", i);
    const int64_t steps = length ? in_steps(*length, steps_per_epoch) : std::max<int64_t>(1, total - begin);
    CHECK(begin < total, "schedule {} would begin after the {} epochs of training", i, epochs);
    schedules.push_back(make_one(configs[i], {optimizer, steps, steps_per_epoch}));
    begin += steps;
    if (!last) milestones.push_back(begin);
  }
  if (schedules.empty()) return nullptr;
  if (schedules.size() == 1) return std::move(schedules.front());
  return std::make_unique<SequentialLR>(optimizer, std::move(schedules), std::move(milestones));
}

std::unique_ptr<ReduceLROnPlateau> make_plateau(const std::vector<SchedulerConfig>& configs, Optimizer& optimizer) {
  const ReduceLROnPlateauConfig* const found = plateau_of(configs);
  if (found == nullptr) return nullptr;
  CHECK(configs.size() == 1, "ReduceLROnPlateau stands alone: other schedules set the rate whatever it was");
  using Mode = ReduceLROnPlateauOptions::Mode;
  ReduceLROnPlateauOptions options = *found;
  options.mode = found->monitor.ends_with("accuracy") ? Mode::max : Mode::min;
  return std::make_unique<ReduceLROnPlateau>(optimizer, options);
}

double monitored(const ReduceLROnPlateauConfig& config, const EpochRecord& epoch) {
  if (config.monitor == "val_loss") return epoch.val_loss;
  if (config.monitor == "val_accuracy") return epoch.val_accuracy;
  return config.monitor == "train_loss" ? epoch.train_loss : epoch.train_accuracy;
}

std::unique_ptr<AveragedModel> make_average(const std::optional<AverageConfig>& config, const Module& model) {
  if (!config) return nullptr;
  AveragedModelOptions options;
  // Statistics of a moving average may move along; those of a mean over a long time are taken anew (update_bn).
  if (const auto* ema = std::get_if<EMAConfig>(&*config)) options = {.ema_decay = ema->decay, .use_buffers = true};
  return std::make_unique<AveragedModel>(model, options);
}

bool is_averaged(const AverageConfig& config, int64_t step, int64_t steps) {
  const auto* swa = std::get_if<SWAConfig>(&config);
  return swa == nullptr || static_cast<double>(step) > swa->start * static_cast<double>(steps);
}

std::vector<Transform> sizing(const std::vector<int64_t>& resize, const std::vector<int64_t>& center_crop) {
  std::vector<Transform> steps;
  if (resize.size() == 1) steps.emplace_back(Resize(resize[0]));
  if (resize.size() == 2) steps.emplace_back(Resize(resize[0], resize[1]));
  if (!center_crop.empty()) steps.emplace_back(CenterCrop(center_crop.front(), center_crop.back()));
  return steps;
}

namespace {

void add_normalising(std::vector<Transform>& steps, const Task& task) {
  steps.emplace_back(ToDtype(DType::f32, {.scale = true}));
  steps.emplace_back(Normalize(task.mean, task.std));
}

}  // namespace

DatasetHandle normalised(DatasetHandle images, const Task& task) {
  std::vector<Transform> steps;
  add_normalising(steps, task);
  return TransformedDataset(std::move(images), Compose(std::move(steps)));
}

DatasetHandle augmented(DatasetHandle images, const Task& task, const DataConfig& config) {
  const bool crops = std::any_of(config.augment.begin(), config.augment.end(),
                                 [](const AugmentConfig& a) { return std::holds_alternative<RandomCropConfig>(a); });
  std::vector<Transform> steps = sizing(config.resize, crops ? std::vector<int64_t>{} : config.center_crop);
  for (const AugmentConfig& augment : config.augment)
    std::visit(Overloaded{[&](const RandomCropConfig& c) {
                            steps.emplace_back(RandomCrop(task.input[1], task.input[2], {.padding = c.padding}));
                          },
                          [&](const RandomHorizontalFlipConfig& c) { steps.emplace_back(RandomHorizontalFlip(c.p)); }},
               augment);
  add_normalising(steps, task);
  return TransformedDataset(std::move(images), Compose(std::move(steps)));
}

}  // namespace ingot
