// An optimiser's state as PyTorch's checkpoints have it.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "ingot/io.h"
#include "ingot/optim.h"

namespace ingot {
namespace {

using Dict = TorchValue::Dict;
using List = TorchValue::List;
using Option = OptimizerState::Option;

/// Where training scripts put the state among other things; Lightning has a list of them.
constexpr std::array<std::string_view, 3> kPlaces{"optimizer", "optimizer_state_dict", "optimizer_states"};

template <class T>
const T& get(const TorchValue* value, std::string_view what, std::string_view expected) {
  CHECK(value != nullptr, "{} is missing in the state of an optimizer", what);
  const T* const held = value->get_if<T>();
  CHECK(held != nullptr, "{} is {} in the state of an optimizer, it must be {}", what, value->kind(), expected);
  return *held;
}

const TorchValue& find_state(const TorchValue& value) {
  if (value.find("state") != nullptr && value.find("param_groups") != nullptr) return value;
  for (const std::string_view place : kPlaces) {
    const TorchValue* const inner = value.find(place);
    if (inner == nullptr) continue;
    const List* const several = inner->get_if<List>();
    if (several != nullptr && !several->empty()) return find_state(several->front());
    if (several == nullptr) return find_state(*inner);
  }
  fail("there is no state of an optimizer: neither 'state' and 'param_groups', nor an entry {}, {} or {}", kPlaces[0],
       kPlaces[1], kPlaces[2]);
}

std::optional<double> number_of(const TorchValue& value) {
  if (const auto* const whole = value.get_if<int64_t>()) return static_cast<double>(*whole);
  if (const auto* const number = value.get_if<double>()) return *number;
  const auto* const tensor = value.get_if<Tensor>();  // lr may be one
  return tensor != nullptr && tensor->numel() == 1 ? std::optional(tensor->item<double>()) : std::nullopt;
}

/// Nothing where it is no option of Ingot's, such as None.
std::optional<Option> option_of(const TorchValue& value) {
  if (const auto* const flag = value.get_if<bool>()) return Option(*flag);
  if (const auto number = number_of(value)) return Option(*number);
  const auto* const tuple = value.get_if<TorchValue::Tuple>();
  const List* const list = tuple != nullptr ? &tuple->items : value.get_if<List>();
  if (list == nullptr) return std::nullopt;
  std::vector<double> numbers;
  for (const TorchValue& item : *list) {
    const auto number = number_of(item);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return Option(numbers);
}

OptimizerState::Group group_of(const TorchValue& value) {
  OptimizerState::Group out;
  for (const TorchValue& number : get<List>(value.find("params"), "'params' of a group", "a list"))
    out.params.push_back(get<int64_t>(&number, "a parameter of a group", "a whole number"));
  for (const auto& [key, item] : get<Dict>(&value, "a group", "a dict").entries) {
    const auto* const name = std::get_if<std::string>(&key);
    if (name == nullptr || *name == "params") continue;
    if (const auto option = option_of(item)) out.options.emplace(*name, *option);
  }
  return out;
}

std::map<std::string, Tensor> tensors_of_parameter(const TorchValue& value, int64_t parameter) {
  std::map<std::string, Tensor> out;
  for (const auto& [key, item] : get<Dict>(&value, "the state of a parameter", "a dict").entries) {
    const auto* const name = std::get_if<std::string>(&key);
    CHECK(name != nullptr, "the state of parameter {} has an entry without a name", parameter);
    if (item.is_none()) continue;  // SGD before it has a momentum_buffer
    const auto* const tensor = item.get_if<Tensor>();
    const auto number = number_of(item);  // "step" before PyTorch 1.12, or of an optimizer that is not capturable
    CHECK(tensor != nullptr || number.has_value(), "'{}' of parameter {} is {}, it must be a tensor or a number", *name,
          parameter, item.kind());
    out.emplace(*name, tensor != nullptr ? *tensor : scalar(*number, DType::f64));
  }
  return out;
}

TorchValue to_torch(const Option& option) {
  if (const bool* const flag = std::get_if<bool>(&option)) return *flag;
  if (const double* const number = std::get_if<double>(&option)) return *number;
  TorchValue::Tuple tuple;
  for (const double number : std::get<std::vector<double>>(option)) tuple.items.emplace_back(number);
  return tuple;
}

}  // namespace

TorchValue to_torch(const OptimizerState& state) {
  Dict states;
  for (const auto& [parameter, tensors] : state.state) {
    Dict named;
    for (const auto& [name, tensor] : tensors) named.entries.emplace_back(name, tensor);
    states.entries.emplace_back(parameter, std::move(named));
  }
  List groups;
  for (const auto& group : state.param_groups) {
    Dict options;
    for (const auto& [name, option] : group.options) options.entries.emplace_back(name, to_torch(option));
    List params;
    for (const int64_t number : group.params) params.emplace_back(number);
    options.entries.emplace_back("params", std::move(params));
    groups.emplace_back(std::move(options));
  }
  return Dict{{{"state", std::move(states)}, {"param_groups", std::move(groups)}}};
}

OptimizerState optimizer_state_of(const TorchValue& value) {
  const TorchValue& found = find_state(value);
  OptimizerState out;
  for (const TorchValue& group : get<List>(found.find("param_groups"), "'param_groups'", "a list"))
    out.param_groups.push_back(group_of(group));
  for (const auto& [key, item] : get<Dict>(found.find("state"), "'state'", "a dict").entries) {
    const auto* const parameter = std::get_if<int64_t>(&key);
    CHECK(parameter != nullptr, "'state' names a parameter '{}', it must number them", std::get<std::string>(key));
    out.state[*parameter] = tensors_of_parameter(item, *parameter);
  }
  return out;
}

}  // namespace ingot
