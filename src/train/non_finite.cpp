#include "train/non_finite.h"

#include <algorithm>
#include <cmath>

#include "autograd/op_def.h"
#include "base/check.h"

namespace ingot {
namespace {

bool is_finite(const Tensor& x) {
  if (!x.defined() || !is_floating(x.dtype())) return true;
  const auto values = x.to_vector<double>();
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

class Finder : public Recorder {
 public:
  explicit Finder(const TensorsByName& names) : names_(names) {}

  void record(const Call& call) override {
    if (!found.empty() || std::all_of(call.out.begin(), call.out.end(), is_finite)) return;
    const std::string path = current_module_path();
    found = fmt::format("comes out of [{}]{}{}", call.op.name, path.empty() ? " after the network" : " ", path);
    for (const Tensor& x : call.in)
      if (!is_finite(x)) found += fmt::format(", whose input {} is not finite", name_of_input(x));
  }

  std::string found;

 private:
  std::string name_of_input(const Tensor& x) const {
    for (const auto& [name, tensor] : names_)
      if (tensor.same_as(x)) return name;
    return to_string(x.shape());
  }

  const TensorsByName& names_;
};

}  // namespace

std::string first_non_finite(const std::function<void()>& forward, const TensorsByName& names) {
  Finder finder(names);
  {
    const NoGrad no_grad;
    const RecorderScope scope(finder);
    forward();
  }
  if (finder.found.empty()) return "the forward pass on the same batch, run again, stays finite";
  return "the first value that is not finite " + finder.found;
}

}  // namespace ingot
