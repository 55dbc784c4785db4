// Schedules of schedules, and the one that follows a measure.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "ingot/schedulers.h"

namespace ingot {

SequentialLR::SequentialLR(Optimizer& optimizer, std::vector<std::unique_ptr<LRScheduler>> schedules,
                           std::vector<int64_t> milestones)
    : LRScheduler(optimizer), schedules_(std::move(schedules)), milestones_(std::move(milestones)) {
  CHECK(!schedules_.empty() && milestones_.size() + 1 == schedules_.size(),
        "SequentialLR: {} schedules need {} milestones, there are {}", schedules_.size(),
        schedules_.empty() ? 0 : schedules_.size() - 1, milestones_.size());
  CHECK(std::is_sorted(milestones_.begin(), milestones_.end(), std::less_equal<>()),
        "SequentialLR: the milestones must increase");
  set_step(0);
}
std::pair<const LRScheduler*, int64_t> SequentialLR::at(int64_t t) const {
  const auto index =
      static_cast<size_t>(std::upper_bound(milestones_.begin(), milestones_.end(), t) - milestones_.begin());
  return {schedules_[index].get(), index == 0 ? 0 : milestones_[index - 1]};
}
double SequentialLR::closed_form(double base, int64_t t) const {
  const auto [schedule, begin] = at(t);
  return schedule->closed_form(base, t - begin);
}
double SequentialLR::step_form(double lr, double base, int64_t t) const {
  const auto [schedule, begin] = at(t);
  return t == begin ? schedule->closed_form(base, 0) : schedule->step_form(lr, base, t - begin);
}
std::optional<double> SequentialLR::momentum(int64_t t) const {
  const auto [schedule, begin] = at(t);
  return schedule->momentum(t - begin);
}

ChainedScheduler::ChainedScheduler(Optimizer& optimizer, std::vector<std::unique_ptr<LRScheduler>> schedules)
    : LRScheduler(optimizer), schedules_(std::move(schedules)) {
  CHECK(!schedules_.empty(), "ChainedScheduler: there are no schedules");
  set_step(0);
}
double ChainedScheduler::closed_form(double base, int64_t t) const {
  double lr = base;
  for (int64_t i = 0; i <= t; ++i) lr = step_form(lr, base, i);
  return lr;
}
double ChainedScheduler::step_form(double lr, double base, int64_t t) const {
  for (const auto& schedule : schedules_) lr = schedule->step_form(lr, base, t);
  return lr;
}
std::optional<double> ChainedScheduler::momentum(int64_t t) const {
  std::optional<double> out;
  for (const auto& schedule : schedules_)
    if (const auto momentum = schedule->momentum(t)) out = momentum;
  return out;
}

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& options)
    : optimizer_(optimizer), options_(options) {
  CHECK(options.factor < 1 && options.factor >= 0, "ReduceLROnPlateau: factor is {}, it must be in [0, 1)",
        options.factor);
  constexpr double kWorst = std::numeric_limits<double>::infinity();
  state_.best = options.mode == ReduceLROnPlateauOptions::Mode::min ? kWorst : -kWorst;
}

bool ReduceLROnPlateau::is_better(double metric) const {
  const double sign = options_.mode == ReduceLROnPlateauOptions::Mode::min ? -1 : 1;
  const bool relative = options_.threshold_mode == ReduceLROnPlateauOptions::Threshold::rel;
  const double bar = relative ? state_.best * (1 + sign * options_.threshold) : state_.best + sign * options_.threshold;
  return sign * metric > sign * bar;
}

void ReduceLROnPlateau::step(double metric) {
  ++state_.last_epoch;
  if (is_better(metric)) {
    state_.best = metric;
    state_.num_bad_epochs = 0;
  } else {
    ++state_.num_bad_epochs;
  }
  if (state_.cooldown_counter > 0) {
    --state_.cooldown_counter;
    state_.num_bad_epochs = 0;
  }
  if (state_.num_bad_epochs <= options_.patience) return;
  for (size_t g = 0; g < optimizer_.group_count(); ++g) {
    const double lr = optimizer_.lr(g), reduced = std::max(lr * options_.factor, options_.min_lr);
    if (lr - reduced > options_.eps) optimizer_.set_lr(g, reduced);
  }
  state_.cooldown_counter = options_.cooldown;
  state_.num_bad_epochs = 0;
}

}  // namespace ingot
