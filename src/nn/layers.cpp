#include <map>

#include "ingot/nn.h"
#include "nn/refuse.h"
#include "nn/text.h"

namespace ingot {
namespace {

thread_local DropoutScope* t_dropout = nullptr;

std::string window_text(const PoolOptions& p) {
  return fmt::format("kernel_size={}, stride={}, padding={}", python_text(p.kernel),
                     python_text(p.stride.value_or(p.kernel)), python_text(p.padding));
}

}  // namespace

std::string MaxPool2d::extra_repr() const {
  return fmt::format("{}, dilation={}, ceil_mode={}", window_text(options), python_text(options.dilation),
                     python_text(options.ceil_mode));
}
std::string AvgPool2d::extra_repr() const { return window_text(options); }
std::string AdaptiveAvgPool2d::extra_repr() const { return "output_size=" + python_tuple(output_size); }
std::string LeakyReLU::extra_repr() const { return "negative_slope=" + python_text(negative_slope); }
std::string ELU::extra_repr() const { return "alpha=" + python_text(alpha); }
std::string Softmax::extra_repr() const { return fmt::format("dim={}", dim); }
std::string LogSoftmax::extra_repr() const { return fmt::format("dim={}", dim); }
std::string Flatten::extra_repr() const { return fmt::format("start_dim={}, end_dim={}", start_dim, end_dim); }
std::string Dropout::extra_repr() const { return fmt::format("p={}", python_text(p)); }

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

Dropout::Dropout(double probability) : p(probability) {
  require(p >= 0 && p <= 1, "Dropout", "p is {}, it must be between 0 and 1", p);
}

Tensor Dropout::forward(const Tensor& x) const {
  if (!is_training() || p == 0) return x;
  if (t_dropout == nullptr) return dropout(x, p, Generator::current().next("dropout"));
  DropoutScope::State& at = *t_dropout->state_;
  const std::string path = current_module_path();
  const RandomKey key = fold_in(fold_in(random_key(at.seed, "dropout", path), at.step), at.runs[path]++);
  return dropout(x, p, key, at.first_sample);
}

}  // namespace ingot
