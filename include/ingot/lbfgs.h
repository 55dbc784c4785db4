#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "ingot/tensor.h"

namespace ingot {

enum class LineSearch : uint8_t { none, strong_wolfe };

struct LBFGSOptions {
  double lr = 1;
  int64_t max_iter = 20;
  std::optional<int64_t> max_eval = {};  // of the closure, in one step; none: max_iter * 5 / 4
  double tolerance_grad = 1e-7;          // ends where no gradient is larger
  double tolerance_change = 1e-9;        // ends where neither parameters nor loss change by more
  int64_t history_size = 100;
  LineSearch line_search_fn = LineSearch::none;
};

/// Limited-memory BFGS (Liu & Nocedal 1989; Nocedal & Wright 2006, algorithms 7.4, 3.5 and 3.6), with PyTorch's
/// choices. For smooth functions and whole batches: each step looks at the function many times.
class LBFGS {
 public:
  /// Zeroes the gradients, computes the loss, one number, goes backward, and returns the loss.
  using Closure = std::function<Tensor()>;

  /// Throws Error where a parameter is undefined, no leaf or twice there, or an option has no meaning.
  explicit LBFGS(const Tensors& params, const LBFGSOptions& options = {});

  /// Up to max_iter iterations. Returns the loss before the first.
  double step(const Closure& closure);
  void zero_grad();

  /// What a run goes on from. Vectors run through all parameters in order, each row-major.
  struct State {
    int64_t func_evals = 0, n_iter = 0;
    std::vector<double> d, prev_flat_grad;                // direction and gradient of the last iteration
    std::vector<std::vector<double>> old_dirs, old_stps;  // differences of gradients and of parameters
    std::vector<double> ro;                               // 1 / of their products
    double t = 0, H_diag = 1;                             // step length; scale of the first guess
  };
  const State& state() const { return state_; }
  /// Throws Error where a vector has not as many elements as the parameters.
  void load_state(State state);

 private:
  struct Value {
    double loss;
    std::vector<double> grad;
  };
  Value evaluate(const Closure& closure);
  void move(const std::vector<double>& from, double t);  // parameters = from + t * d
  void remember(const std::vector<double>& grad);
  void find_direction(const std::vector<double>& grad);
  std::vector<double> flat_params() const;

  Tensors params_;
  LBFGSOptions options_;
  State state_;
};

}  // namespace ingot
