#pragma once

#include <memory>
#include <vector>

#include "ingot/optim.h"

namespace ingot {

/// Sets the learning rates of an optimiser's groups from the number t of steps so far. A schedule has two forms that
/// agree: the closed one, lr(base, t), and PyTorch's chainable one that multiplies the rate of the step before, so that
/// several schedules on one optimiser combine. Rates are those of t = 0 once it is made. The optimiser must outlive it.
class LRScheduler {
 public:
  virtual ~LRScheduler() = default;
  LRScheduler(const LRScheduler&) = delete;
  LRScheduler& operator=(const LRScheduler&) = delete;

  /// The rate at step t of a group that starts from `base`.
  virtual double closed_form(double base, int64_t t) const = 0;
  /// The rate at step t, given the one before it.
  virtual double step_form(double lr, double base, int64_t t) const = 0;

  /// Moves on by one step; call it after optimizer.step().
  void step();
  /// Goes to step t by the closed form.
  void set_step(int64_t t);
  /// Counts on from step t with the rates that the optimiser has: to resume, after the optimiser's load_state_dict.
  void resume(int64_t t) { t_ = t; }
  int64_t last_step() const { return t_; }
  std::vector<double> last_lr() const;

 protected:
  explicit LRScheduler(Optimizer& optimizer) : optimizer_(optimizer) {}
  /// At the end of a constructor: sets the rates of t = 0.
  void start();

  Optimizer& optimizer_;

 private:
  int64_t t_ = 0;
};

/// gamma every `step_size` steps: base * gamma^floor(t / step_size).
class StepLR : public LRScheduler {
 public:
  StepLR(Optimizer& optimizer, int64_t step_size, double gamma = 0.1);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;

 private:
  int64_t step_size_;
  double gamma_;
};

/// gamma at each milestone: base * gamma^(number of milestones <= t).
class MultiStepLR : public LRScheduler {
 public:
  MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma = 0.1);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;

 private:
  std::vector<int64_t> milestones_;
  double gamma_;
};

/// base * gamma^t.
class ExponentialLR : public LRScheduler {
 public:
  ExponentialLR(Optimizer& optimizer, double gamma);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;

 private:
  double gamma_;
};

/// base * factor before step `total_iters`, base from there on.
class ConstantLR : public LRScheduler {
 public:
  explicit ConstantLR(Optimizer& optimizer, double factor = 1.0 / 3, int64_t total_iters = 5);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;

 private:
  double factor_;
  int64_t total_iters_;
};

struct LinearLROptions {
  double start_factor = 1.0 / 3, end_factor = 1;
  int64_t total_iters = 5;
};
/// Warm-up: base * (start + (end - start) * min(t, total) / total).
class LinearLR : public LRScheduler {
 public:
  explicit LinearLR(Optimizer& optimizer, const LinearLROptions& options = {});
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;

 private:
  LinearLROptions options_;
};

/// eta_min + (base - eta_min) * (1 + cos(pi t / T_max)) / 2. Loshchilov & Hutter 2016, without restarts.
class CosineAnnealingLR : public LRScheduler {
 public:
  CosineAnnealingLR(Optimizer& optimizer, int64_t t_max, double eta_min = 0);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;

 private:
  int64_t t_max_;
  double eta_min_;
};

/// One schedule after another: schedules[i] from milestones[i-1] on, counting its own steps from 0 there.
/// Throws Error unless there is one milestone fewer than schedules and they increase.
class SequentialLR : public LRScheduler {
 public:
  SequentialLR(Optimizer& optimizer, std::vector<std::unique_ptr<LRScheduler>> schedules,
               std::vector<int64_t> milestones);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;

 private:
  /// The schedule in charge at step t, and the step at which it began.
  std::pair<const LRScheduler*, int64_t> at(int64_t t) const;

  std::vector<std::unique_ptr<LRScheduler>> schedules_;
  std::vector<int64_t> milestones_;
};

}  // namespace ingot
