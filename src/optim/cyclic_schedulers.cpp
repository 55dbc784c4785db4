// Schedules that rise and fall, and may move the momentum the other way.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "ingot/schedulers.h"

namespace ingot {
namespace {

/// From `from` to `to`, along half a cosine.
double cosine(double from, double to, double share) {
  return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * share));
}

}  // namespace

CosineAnnealingWarmRestarts::CosineAnnealingWarmRestarts(Optimizer& optimizer, int64_t t_0, int64_t t_mult,
                                                         double eta_min)
    : LRScheduler(optimizer), t_0_(t_0), t_mult_(t_mult), eta_min_(eta_min) {
  CHECK(t_0 > 0, "CosineAnnealingWarmRestarts: t_0 is {}, it must be positive", t_0);
  CHECK(t_mult > 0, "CosineAnnealingWarmRestarts: t_mult is {}, it must be positive", t_mult);
  start();
}
double CosineAnnealingWarmRestarts::closed_form(double base, int64_t t) const {
  int64_t length = t_0_;
  if (t_mult_ == 1) t %= t_0_;
  while (t >= length) {
    t -= length;
    length *= t_mult_;
  }
  return cosine(base, eta_min_, static_cast<double>(t) / static_cast<double>(length));
}
double CosineAnnealingWarmRestarts::step_form(double, double base, int64_t t) const { return closed_form(base, t); }

OneCycleLR::OneCycleLR(Optimizer& optimizer, const OneCycleLROptions& options)
    : LRScheduler(optimizer), options_(options) {
  CHECK(options.max_lr > 0, "OneCycleLR: max_lr is {}, it must be given and positive", options.max_lr);
  CHECK(options.total_steps > 0, "OneCycleLR: total_steps is {}, it must be given and positive", options.total_steps);
  CHECK(options.pct_start >= 0 && options.pct_start <= 1, "OneCycleLR: pct_start is {}, it must be in [0, 1]",
        options.pct_start);
  CHECK(options.div_factor > 0 && options.final_div_factor > 0,
        "OneCycleLR: div_factor and final_div_factor are {} and {}, they must be positive", options.div_factor,
        options.final_div_factor);
  const auto total = static_cast<double>(options.total_steps);
  ends_.push_back(options.pct_start * total - 1);
  if (options.three_phase) ends_.push_back(2 * options.pct_start * total - 2);
  ends_.push_back(total - 1);
  start();
}
std::pair<size_t, double> OneCycleLR::phase_at(int64_t t) const {
  CHECK(t <= options_.total_steps, "OneCycleLR: step {}, there are {} in all", t, options_.total_steps);
  const auto now = static_cast<double>(std::min(t, options_.total_steps - 1));
  size_t phase = 0;
  while (phase + 1 < ends_.size() && now > ends_[phase]) ++phase;
  const double begin = phase == 0 ? 0 : ends_[phase - 1];
  return {phase, ends_[phase] == begin ? 1 : (now - begin) / (ends_[phase] - begin)};
}
double OneCycleLR::anneal(std::initializer_list<double> corners, int64_t t) const {
  const auto [phase, share] = phase_at(t);
  const double from = corners.begin()[phase], to = corners.begin()[phase + 1];
  return options_.anneal_strategy == AnnealStrategy::cos ? cosine(from, to, share) : from + (to - from) * share;
}
double OneCycleLR::closed_form(double, int64_t t) const {
  const double first = options_.max_lr / options_.div_factor, last = first / options_.final_div_factor;
  if (options_.three_phase) return anneal({first, options_.max_lr, first, last}, t);
  return anneal({first, options_.max_lr, last}, t);
}
double OneCycleLR::step_form(double, double base, int64_t t) const { return closed_form(base, t); }
std::optional<double> OneCycleLR::momentum(int64_t t) const {
  if (!options_.cycle_momentum) return std::nullopt;
  const double most = options_.max_momentum, least = options_.base_momentum;
  return anneal({most, least, most, most}, t);
}

CyclicLR::CyclicLR(Optimizer& optimizer, const CyclicLROptions& options) : LRScheduler(optimizer), options_(options) {
  CHECK(options.max_lr > 0, "CyclicLR: max_lr is {}, it must be given and positive", options.max_lr);
  CHECK(options.step_size_up > 0 && options.step_size_down.value_or(1) > 0,
        "CyclicLR: step_size_up and step_size_down are {} and {}, they must be positive", options.step_size_up,
        options.step_size_down.value_or(options.step_size_up));
  start();
}
double CyclicLR::height(int64_t t) const {
  const auto up = static_cast<double>(options_.step_size_up);
  const double down = options_.step_size_down ? static_cast<double>(*options_.step_size_down) : up;
  const double total = up + down, steps = static_cast<double>(t);
  const double cycle = std::floor(1 + steps / total), place = 1 + steps / total - cycle, top = up / total;
  const double triangle = place <= top ? place / top : (place - 1) / (top - 1);
  switch (options_.mode) {
    case CyclicMode::triangular:
      return triangle;
    case CyclicMode::triangular2:
      return triangle / std::pow(2.0, cycle - 1);
    case CyclicMode::exp_range:
      break;
  }
  return triangle * std::pow(options_.gamma, steps);
}
double CyclicLR::closed_form(double, int64_t t) const {
  return options_.base_lr + (options_.max_lr - options_.base_lr) * height(t);
}
double CyclicLR::step_form(double, double base, int64_t t) const { return closed_form(base, t); }
std::optional<double> CyclicLR::momentum(int64_t t) const {
  if (!options_.cycle_momentum) return std::nullopt;
  return options_.max_momentum - (options_.max_momentum - options_.base_momentum) * height(t);
}

}  // namespace ingot
