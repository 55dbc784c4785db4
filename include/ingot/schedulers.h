#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <optional>
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
  /// The momentum at step t (Optimizer::set_momentum), for schedules that move that too.
  virtual std::optional<double> momentum(int64_t /*t*/) const { return std::nullopt; }

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
  void set_rates(double (*rate)(const LRScheduler&, double lr, double base, int64_t t));

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

/// base * factor(t), at any step.
class LambdaLR : public LRScheduler {
 public:
  LambdaLR(Optimizer& optimizer, std::function<double(int64_t t)> factor);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;

 private:
  std::function<double(int64_t)> factor_;
};

/// The rate of the step before, times factor(t), from t = 1 on.
class MultiplicativeLR : public LRScheduler {
 public:
  MultiplicativeLR(Optimizer& optimizer, std::function<double(int64_t t)> factor);
  double closed_form(double base, int64_t t) const override;  // t factors
  double step_form(double lr, double base, int64_t t) const override;

 private:
  std::function<double(int64_t)> factor_;
};

/// base * (1 - min(t, total) / total)^power.
class PolynomialLR : public LRScheduler {
 public:
  explicit PolynomialLR(Optimizer& optimizer, int64_t total_iters = 5, double power = 1);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;

 private:
  int64_t total_iters_;
  double power_;
};

/// The cosine that falls from base to eta_min in T_0 steps, then anew in T_0 * T_mult steps, and so on.
/// Loshchilov & Hutter 2016.
class CosineAnnealingWarmRestarts : public LRScheduler {
 public:
  CosineAnnealingWarmRestarts(Optimizer& optimizer, int64_t t_0, int64_t t_mult = 1, double eta_min = 0);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;

 private:
  int64_t t_0_, t_mult_;
  double eta_min_;
};

enum class AnnealStrategy : uint8_t { cos, linear };
struct OneCycleLROptions {
  double max_lr = 0;        // must be given
  int64_t total_steps = 0;  // must be given
  double pct_start = 0.3;   // share of the steps that rise
  AnnealStrategy anneal_strategy = AnnealStrategy::cos;
  bool cycle_momentum = true;
  double base_momentum = 0.85, max_momentum = 0.95;
  double div_factor = 25;         // the first rate is max_lr / div_factor,
  double final_div_factor = 1e4;  // the last one that one / final_div_factor
  bool three_phase = false;       // rise, fall to the first rate, then to the last; else rise and fall
};
/// One rise to max_lr and one fall far below, the momentum the other way round; all groups take these rates.
/// Smith & Topin 2017. At total_steps the rate is still the last one; a later step throws Error.
class OneCycleLR : public LRScheduler {
 public:
  OneCycleLR(Optimizer& optimizer, const OneCycleLROptions& options);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;
  std::optional<double> momentum(int64_t t) const override;

 private:
  /// Where t lies: number of the phase, and how far it is through.
  std::pair<size_t, double> phase_at(int64_t t) const;
  double anneal(std::initializer_list<double> corners, int64_t t) const;

  OneCycleLROptions options_;
  std::vector<double> ends_;  // steps at which phases end
};

enum class CyclicMode : uint8_t { triangular, triangular2, exp_range };
struct CyclicLROptions {
  double base_lr = 0, max_lr = 0;
  int64_t step_size_up = 2000;
  std::optional<int64_t> step_size_down = {};  // none: as step_size_up
  CyclicMode mode = CyclicMode::triangular;    // triangular2 halves each cycle, exp_range shrinks by gamma^t
  double gamma = 1;
  bool cycle_momentum = true;
  double base_momentum = 0.8, max_momentum = 0.9;
};
/// Up from base_lr to max_lr and down again, over and over, the momentum the other way round; all groups take these
/// rates. Smith 2015.
class CyclicLR : public LRScheduler {
 public:
  CyclicLR(Optimizer& optimizer, const CyclicLROptions& options);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;
  std::optional<double> momentum(int64_t t) const override;

 private:
  double height(int64_t t) const;  // 0 at the base, 1 at the top of the first cycle

  CyclicLROptions options_;
};

/// One schedule after another: schedules[i] from milestones[i-1] on, counting its own steps from 0 there.
/// Throws Error unless there is one milestone fewer than schedules and they increase.
class SequentialLR : public LRScheduler {
 public:
  SequentialLR(Optimizer& optimizer, std::vector<std::unique_ptr<LRScheduler>> schedules,
               std::vector<int64_t> milestones);
  double closed_form(double base, int64_t t) const override;
  double step_form(double lr, double base, int64_t t) const override;
  std::optional<double> momentum(int64_t t) const override;

 private:
  /// The schedule in charge at step t, and the step at which it began.
  std::pair<const LRScheduler*, int64_t> at(int64_t t) const;

  std::vector<std::unique_ptr<LRScheduler>> schedules_;
  std::vector<int64_t> milestones_;
};

/// Schedules that act together, each on what those before it made of the rate. Throws Error where there is none.
class ChainedScheduler : public LRScheduler {
 public:
  ChainedScheduler(Optimizer& optimizer, std::vector<std::unique_ptr<LRScheduler>> schedules);
  double closed_form(double base, int64_t t) const override;  // takes t steps
  double step_form(double lr, double base, int64_t t) const override;
  std::optional<double> momentum(int64_t t) const override;  // of the last that has one

 private:
  std::vector<std::unique_ptr<LRScheduler>> schedules_;
};

struct ReduceLROnPlateauOptions {
  enum class Mode : uint8_t { min, max };       // what is better
  enum class Threshold : uint8_t { rel, abs };  // better by a share of the best, or by an amount
  Mode mode = Mode::min;
  double factor = 0.1;
  int64_t patience = 10;  // bad steps that are borne
  double threshold = 1e-4;
  Threshold threshold_mode = Threshold::rel;
  int64_t cooldown = 0;           // steps after a reduction in which none counts as bad
  double min_lr = 0, eps = 1e-8;  // a reduction by no more than eps is left
};
/// Multiplies the rates by `factor` where a measure has not got better for more than `patience` steps.
class ReduceLROnPlateau {
 public:
  /// What it goes on from.
  struct State {
    double best = 0;
    int64_t num_bad_epochs = 0, cooldown_counter = 0, last_epoch = 0;
  };

  explicit ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& options = {});
  /// Takes a measure, usually the validation loss after an epoch. NaN is a bad one.
  void step(double metric);
  const State& state() const { return state_; }
  void load_state(const State& state) { state_ = state; }

 private:
  bool is_better(double metric) const;

  Optimizer& optimizer_;
  ReduceLROnPlateauOptions options_;
  State state_;
};

}  // namespace ingot
