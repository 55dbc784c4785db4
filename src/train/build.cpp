#include "train/build.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "ingot/losses.h"

namespace ingot {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

// ---- Schedules

struct Place {
  Optimizer& optimizer;
  int64_t steps;  // of this schedule
  int64_t steps_per_epoch;
};

/// How long a schedule lasts, in epochs; none: to the end of training.
std::optional<double> length_of(const SchedulerConfig& config) {
  return std::visit(
      Overloaded{[](const LinearLRConfig& c) { return std::optional(c.total_iters); },
                 [](const ConstantLRConfig& c) { return std::optional(c.total_iters); },
                 [](const CosineAnnealingLRConfig& c) { return c.T_max; },
                 [](const StepLRConfig& c) { return c.epochs; }, [](const ExponentialLRConfig& c) { return c.epochs; }},
      config);
}

int64_t in_steps(double epochs, int64_t steps_per_epoch) {
  return std::max<int64_t>(1, std::llround(epochs * static_cast<double>(steps_per_epoch)));
}

std::unique_ptr<LRScheduler> make_one(const SchedulerConfig& config, const Place& p) {
  using Made = std::unique_ptr<LRScheduler>;
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
                   const double a_step = std::pow(c.gamma, 1.0 / static_cast<double>(p.steps_per_epoch));
                   return std::make_unique<ExponentialLR>(p.optimizer, a_step);
                 }},
      config);
}

}  // namespace

std::unique_ptr<Module> make_unset_model(const ModelConfig& config, const Task& task) {
  ModelOptions options = config.options;
  options.num_classes = task.classes();
  options.in_channels = task.input[0].value();
  if (config.type == "small_cnn") {
    CHECK(task.input[1] == task.input[2], "small_cnn takes square images, these are {}", to_string(task.input));
    options.image_size = task.input[1].value();
  }
  const SkipInit unset;
  auto model = make_model(config.type, options);
  model->set_init_cfg(config.init_cfg);
  return model;
}

Loss make_loss(const LossConfig& config) {
  return std::visit(Overloaded{[](const CrossEntropyConfig& c) -> Loss {
                                 return [c](const Tensor& x, const Tensor& t) {
                                   return cross_entropy(x, t, {.label_smoothing = c.label_smoothing});
                                 };
                               },
                               [](const MultiMarginConfig& c) -> Loss {
                                 return [c](const Tensor& x, const Tensor& t) {
                                   return multi_margin_loss(x, t, {.p = static_cast<int>(c.p), .margin = c.margin});
                                 };
                               }},
                    config);
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, const Tensors& params) {
  using Made = std::unique_ptr<Optimizer>;
  return std::visit(Overloaded{[&](const SGDOptions& o) -> Made { return std::make_unique<SGD>(params, o); },
                               [&](const AdamOptions& o) -> Made { return std::make_unique<Adam>(params, o); },
                               [&](const AdamWOptions& o) -> Made { return std::make_unique<AdamW>(params, o); },
                               [&](const AdagradOptions& o) -> Made { return std::make_unique<Adagrad>(params, o); }},
                    config);
}

std::unique_ptr<LRScheduler> make_scheduler(const std::vector<SchedulerConfig>& configs, Optimizer& optimizer,
                                            int64_t epochs, int64_t steps_per_epoch) {
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
