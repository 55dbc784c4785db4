#include "runtime/observer.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/text.h"
#include "kernels/elementwise.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr int kPoison = 0xff;  // NaN in every floating type, -1 in the others
constexpr int kGuardByte = 0xa5;

TensorId find_tensor(const Plan& plan, const std::string& name) {
  std::vector<std::string> names;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    if (plan.tensors[i].name == name) return static_cast<TensorId>(i);
    names.push_back(plan.tensors[i].name);
  }
  fail("the engine has no tensor '{}'{}", name, did_you_mean(name, names));
}

}  // namespace

Observer::Observer(const Plan& plan, const Binding& binding, const RunOptions& options)
    : plan_(plan), binding_(binding), options_(options) {
  CHECK(options.observe.empty() || options.seen, "tensors are observed, but there is nobody to see them");
  for (const std::string& name : options.observe) wanted_.push_back(find_tensor(plan, name));
  for (const TensorId id : wanted_) {
    const PlanTensor& t = plan.tensor(id);
    CHECK(t.weight < 0 || plan.weights[static_cast<size_t>(t.weight)].form == "dense",
          "'{}' is packed for the tactic that reads it and cannot be observed", t.name);
  }
}

void Observer::before_run() const {
  for (const TensorId id : wanted_)
    if (plan_.tensor(id).home != Home::computed) hand_over(id);
}

void Observer::after_step(size_t step) const {
  for (const TensorId id : wanted_) {
    const auto& results = plan_.steps[step].results;
    if (std::find(results.begin(), results.end(), id) != results.end()) hand_over(id);
  }
}

void Observer::hand_over(TensorId id) const {
  const Spec& spec = binding_.placement.sized.specs[static_cast<size_t>(id)];
  const Tensor copy = empty(spec.shape, spec.dtype, spec.layout);
  kernels::copy(binding_.array(id), array_of(copy));
  options_.seen(plan_.tensor(id).name, copy);
}

void Guard::before_run() const { std::memset(arena_, kPoison, static_cast<size_t>(binding_.arena_bytes)); }

void Guard::before_step(size_t step) const {
  for (size_t i = 0; i < binding_.lifetimes.size(); ++i) {
    const Lifetime& l = binding_.lifetimes[i];
    if (static_cast<size_t>(l.first) != step) continue;
    std::memset(arena_ + l.offset + binding_.payload[i], kGuardByte,
                static_cast<size_t>(l.bytes - binding_.payload[i]));
  }
}

void Guard::after_step(size_t step) const {
  const auto now = static_cast<int32_t>(step);
  for (size_t i = 0; i < binding_.lifetimes.size(); ++i) {
    const Lifetime& l = binding_.lifetimes[i];
    if (l.first > now || l.last < now) continue;
    const std::byte *begin = arena_ + l.offset + binding_.payload[i], *end = arena_ + l.offset + l.bytes;
    const bool intact = std::all_of(begin, end, [](std::byte b) { return b == std::byte{kGuardByte}; });
    CHECK(intact, "{} wrote past the end of memory that {} has", name_of(*binding_.steps[step].step),
          name_of(*binding_.steps[static_cast<size_t>(binding_.lifetime_owner[i])].step));
    if (l.last == now) std::memset(arena_ + l.offset, kPoison, static_cast<size_t>(l.bytes));
  }
}

}  // namespace ingot
