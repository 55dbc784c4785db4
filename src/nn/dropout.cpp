#include "nn/dropout.h"

#include <map>

#include "ingot/nn/dropout.h"
#include "nn/refuse.h"
#include "nn/text.h"

namespace ingot {
namespace {

thread_local DropoutScope* t_dropout = nullptr;

void check_probability(double p, std::string_view layer) {
  require(p >= 0 && p <= 1, layer, "p is {}, it must be between 0 and 1", p);
}

/// Ones of x's first `dims` sizes: what a mask of whole parts is drawn for.
Tensor parts_of(const Tensor& x, size_t dims) {
  Shape shape = x.shape();
  for (size_t d = dims; d < shape.size(); ++d) shape[d] = 1;
  return ones(shape, x.dtype());
}

}  // namespace

struct DropoutScope::State {
  uint64_t seed, step, first_sample;
  DropoutScope* outer;
  std::map<std::string, uint64_t> runs;  // of each layer in this step
};

DropoutScope::DropoutScope(uint64_t seed, uint64_t step, uint64_t first_sample)
    : state_(new State{seed, step, first_sample, t_dropout, {}}) {
  t_dropout = this;
}
DropoutScope::~DropoutScope() { t_dropout = state_->outer; }

/// The key of the running module's next mask, and the number of the batch's first sample.
struct DropoutKey {
  RandomKey key;
  uint64_t first_sample = 0;

  static DropoutKey next() {
    if (t_dropout == nullptr) return {Generator::current().next("dropout")};
    DropoutScope::State& at = *t_dropout->state_;
    const std::string path = current_module_path();
    return {fold_in(fold_in(random_key(at.seed, "dropout", path), at.step), at.runs[path]++), at.first_sample};
  }
};

Tensor dropout_here(const Tensor& x, double p) {
  if (p == 0) return x;
  const DropoutKey at = DropoutKey::next();
  return dropout(x, p, at.key, at.first_sample);
}

Dropout::Dropout(double probability) : p(probability) { check_probability(p, "Dropout"); }
Tensor Dropout::forward(const Tensor& x) const { return dropout_here(x, is_training() ? p : 0); }
std::string Dropout::extra_repr() const { return "p=" + python_text(p); }

Dropout2d::Dropout2d(double probability) : p(probability) { check_probability(p, "Dropout2d"); }
Tensor Dropout2d::forward(const Tensor& x) const {
  require(x.rank() >= 3, "Dropout2d", "x is {}, it must be [N,C,...]", to_string(x.shape()));
  return !is_training() || p == 0 ? x : x * dropout_here(parts_of(x, 2), p);
}
std::string Dropout2d::extra_repr() const { return "p=" + python_text(p); }

DropPath::DropPath(double probability) : p(probability) { check_probability(p, "DropPath"); }
Tensor DropPath::forward(const Tensor& x) const {
  require(x.rank() >= 1, "DropPath", "x must have samples in dimension 0");
  return !is_training() || p == 0 ? x : x * dropout_here(parts_of(x, 1), p);
}
std::string DropPath::extra_repr() const { return "p=" + python_text(p); }

}  // namespace ingot
