#include "ingot/schedulers.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace ingot {

void LRScheduler::set_rates(double (*rate)(const LRScheduler&, double lr, double base, int64_t t)) {
  const auto momentum = this->momentum(t_);
  for (size_t g = 0; g < optimizer_.group_count(); ++g) {
    const double base = optimizer_.initial_lr(g);
    optimizer_.set_lr(g, rate(*this, optimizer_.lr(g), base, t_));
    if (momentum) optimizer_.set_momentum(g, *momentum);
  }
}

void LRScheduler::start() {
  set_rates([](const LRScheduler& s, double lr, double base, int64_t t) { return s.step_form(lr, base, t); });
}

void LRScheduler::step() {
  ++t_;
  start();
}

void LRScheduler::set_step(int64_t t) {
  CHECK(t >= 0, "step {} of a schedule: it must not be negative", t);
  t_ = t;
  set_rates([](const LRScheduler& s, double, double base, int64_t step) { return s.closed_form(base, step); });
}

std::vector<double> LRScheduler::last_lr() const {
  std::vector<double> rates;
  for (size_t g = 0; g < optimizer_.group_count(); ++g) rates.push_back(optimizer_.lr(g));
  return rates;
}

StepLR::StepLR(Optimizer& optimizer, int64_t step_size, double gamma)
    : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  CHECK(step_size > 0, "StepLR: step_size is {}, it must be positive", step_size);
  start();
}
double StepLR::closed_form(double base, int64_t t) const {
  return base * std::pow(gamma_, static_cast<double>(t / step_size_));
}
double StepLR::step_form(double lr, double, int64_t t) const { return t > 0 && t % step_size_ == 0 ? lr * gamma_ : lr; }

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma)
    : LRScheduler(optimizer), milestones_(std::move(milestones)), gamma_(gamma) {
  std::sort(milestones_.begin(), milestones_.end());
  start();
}
double MultiStepLR::closed_form(double base, int64_t t) const {
  const auto passed = std::upper_bound(milestones_.begin(), milestones_.end(), t) - milestones_.begin();
  return base * std::pow(gamma_, static_cast<double>(passed));
}
double MultiStepLR::step_form(double lr, double, int64_t t) const {
  return lr * std::pow(gamma_, static_cast<double>(std::count(milestones_.begin(), milestones_.end(), t)));
}

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma) : LRScheduler(optimizer), gamma_(gamma) { start(); }
double ExponentialLR::closed_form(double base, int64_t t) const {
  return base * std::pow(gamma_, static_cast<double>(t));
}
double ExponentialLR::step_form(double lr, double, int64_t t) const { return t == 0 ? lr : lr * gamma_; }

ConstantLR::ConstantLR(Optimizer& optimizer, double factor, int64_t total_iters)
    : LRScheduler(optimizer), factor_(factor), total_iters_(total_iters) {
  CHECK(factor > 0 && factor <= 1, "ConstantLR: factor is {}, it must be in (0, 1]", factor);
  CHECK(total_iters > 0, "ConstantLR: total_iters is {}, it must be positive", total_iters);
  start();
}
double ConstantLR::closed_form(double base, int64_t t) const { return t < total_iters_ ? base * factor_ : base; }
double ConstantLR::step_form(double lr, double, int64_t t) const {
  if (t == 0) return lr * factor_;
  return t == total_iters_ ? lr / factor_ : lr;
}

LinearLR::LinearLR(Optimizer& optimizer, const LinearLROptions& options) : LRScheduler(optimizer), options_(options) {
  CHECK(options.start_factor > 0 && options.start_factor <= 1, "LinearLR: start_factor is {}, it must be in (0, 1]",
        options.start_factor);
  CHECK(options.end_factor >= 0 && options.end_factor <= 1, "LinearLR: end_factor is {}, it must be in [0, 1]",
        options.end_factor);
  CHECK(options.total_iters > 0, "LinearLR: total_iters is {}, it must be positive", options.total_iters);
  start();
}
double LinearLR::closed_form(double base, int64_t t) const {
  const auto& [from, to, total] = options_;
  return base * (from + (to - from) * static_cast<double>(std::min(t, total)) / static_cast<double>(total));
}
double LinearLR::step_form(double lr, double, int64_t t) const {
  const auto& [from, to, total] = options_;
  if (t == 0) return lr * from;
  if (t > total) return lr;
  return lr * (1 + (to - from) / (static_cast<double>(total) * from + static_cast<double>(t - 1) * (to - from)));
}

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, int64_t t_max, double eta_min)
    : LRScheduler(optimizer), t_max_(t_max), eta_min_(eta_min) {
  CHECK(t_max > 0, "CosineAnnealingLR: t_max is {}, it must be positive", t_max);
  start();
}
double CosineAnnealingLR::closed_form(double base, int64_t t) const {
  const double phase = std::numbers::pi * static_cast<double>(t) / static_cast<double>(t_max_);
  return eta_min_ + (base - eta_min_) * (1 + std::cos(phase)) / 2;
}
// The quotient of two neighbours of the closed form; where the former is at its least, their difference instead.
double CosineAnnealingLR::step_form(double lr, double base, int64_t t) const {
  if (t == 0) return lr;
  const double unit = std::numbers::pi / static_cast<double>(t_max_);
  if ((t - 1 - t_max_) % (2 * t_max_) == 0) return lr + (base - eta_min_) * (1 - std::cos(unit)) / 2;
  return (1 + std::cos(unit * static_cast<double>(t))) / (1 + std::cos(unit * static_cast<double>(t - 1))) *
             (lr - eta_min_) +
         eta_min_;
}

LambdaLR::LambdaLR(Optimizer& optimizer, std::function<double(int64_t)> factor)
    : LRScheduler(optimizer), factor_(std::move(factor)) {
  start();
}
double LambdaLR::closed_form(double base, int64_t t) const { return base * factor_(t); }
double LambdaLR::step_form(double, double base, int64_t t) const { return closed_form(base, t); }

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, std::function<double(int64_t)> factor)
    : LRScheduler(optimizer), factor_(std::move(factor)) {
  start();
}
double MultiplicativeLR::closed_form(double base, int64_t t) const {
  for (int64_t i = 1; i <= t; ++i) base *= factor_(i);
  return base;
}
double MultiplicativeLR::step_form(double lr, double, int64_t t) const { return t == 0 ? lr : lr * factor_(t); }

PolynomialLR::PolynomialLR(Optimizer& optimizer, int64_t total_iters, double power)
    : LRScheduler(optimizer), total_iters_(total_iters), power_(power) {
  CHECK(total_iters > 0, "PolynomialLR: total_iters is {}, it must be positive", total_iters);
  start();
}
double PolynomialLR::closed_form(double base, int64_t t) const {
  const auto left = static_cast<double>(total_iters_ - std::min(t, total_iters_));
  return base * std::pow(left / static_cast<double>(total_iters_), power_);
}
double PolynomialLR::step_form(double lr, double, int64_t t) const {
  if (t == 0 || t > total_iters_) return lr;
  const auto left = static_cast<double>(total_iters_ - t);
  return lr * std::pow(left / (left + 1), power_);
}

}  // namespace ingot
