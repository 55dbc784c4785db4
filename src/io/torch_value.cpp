#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/text.h"
#include "ingot/io.h"

namespace ingot {
namespace {

/// Where training scripts put the state_dict among other things.
constexpr std::array<std::string_view, 3> kStateDictKeys{"state_dict", "model", "model_state_dict"};

std::string text_of(const TorchValue::Key& key) {
  const auto* const text = std::get_if<std::string>(&key);
  return text != nullptr ? *text : std::to_string(std::get<int64_t>(key));
}

void collect(const TorchValue& value, const std::string& path, TensorMap& out) {
  const auto inner = [&](const std::string& name, const TorchValue& item) {
    collect(item, path.empty() ? name : path + "." + name, out);
  };
  if (const auto* const tensor = value.get_if<Tensor>()) {
    CHECK(out.emplace(path, *tensor).second, "two tensors have the path '{}'", path);
  } else if (const auto* const dict = value.get_if<TorchValue::Dict>()) {
    for (const auto& [key, item] : dict->entries) inner(text_of(key), item);
  } else if (const auto* const list = value.get_if<TorchValue::List>()) {
    for (size_t i = 0; i < list->size(); ++i) inner(std::to_string(i), (*list)[i]);
  } else if (const auto* const tuple = value.get_if<TorchValue::Tuple>()) {
    for (size_t i = 0; i < tuple->items.size(); ++i) inner(std::to_string(i), tuple->items[i]);
  }
}

template <class K>
const TorchValue* find_key(const TorchValue& value, const K& key) {
  const auto* const dict = value.get_if<TorchValue::Dict>();
  if (dict == nullptr) return nullptr;
  for (const auto& [k, item] : dict->entries)
    if (const auto* const same = std::get_if<K>(&k); same != nullptr && *same == key) return &item;
  return nullptr;
}

}  // namespace

TorchValue::TorchValue(bool value) : data_(value) {}
TorchValue::TorchValue(int value) : data_(int64_t{value}) {}
TorchValue::TorchValue(int64_t value) : data_(value) {}
TorchValue::TorchValue(double value) : data_(value) {}
TorchValue::TorchValue(const char* text) : data_(std::string(text)) {}
TorchValue::TorchValue(std::string text) : data_(std::move(text)) {}
TorchValue::TorchValue(Tensor tensor) : data_(std::move(tensor)) {}
TorchValue::TorchValue(List items) : data_(std::move(items)) {}
TorchValue::TorchValue(Tuple tuple) : data_(std::move(tuple)) {}
TorchValue::TorchValue(Dict dict) : data_(std::move(dict)) {}
TorchValue::TorchValue(const TensorMap& tensors) {
  Dict dict;
  for (const auto& [name, tensor] : tensors) dict.entries.emplace_back(name, tensor);
  data_ = std::move(dict);
}

const TorchValue* TorchValue::find(std::string_view key) const { return find_key(*this, std::string(key)); }
const TorchValue* TorchValue::find(int64_t key) const { return find_key(*this, key); }

std::string_view TorchValue::kind() const {
  constexpr std::array<std::string_view, std::variant_size_v<Data>> kKinds{
      "None", "a truth value", "a whole number", "a number", "text", "a tensor", "a list", "a tuple", "a dict"};
  return kKinds[data_.index()];
}

TensorMap tensors_of(const TorchValue& value) {
  TensorMap out;
  collect(value, "", out);
  return out;
}

TensorMap state_dict_of(const TorchValue& value) {
  const auto* const dict = value.get_if<TorchValue::Dict>();
  CHECK(dict != nullptr, "it holds {}, not a state_dict", value.kind());
  TensorMap out;
  for (const auto& [key, item] : dict->entries)
    if (const auto* const tensor = item.get_if<Tensor>()) {
      CHECK(out.emplace(text_of(key), *tensor).second, "two tensors are named '{}'", text_of(key));
    }
  if (!out.empty() || dict->entries.empty()) return out;
  for (const std::string_view key : kStateDictKeys)
    if (const TorchValue* const inner = value.find(key)) return state_dict_of(*inner);
  std::vector<std::string> keys;
  for (const auto& [key, item] : dict->entries) keys.push_back(text_of(key));
  constexpr size_t kShown = 10;
  if (keys.size() > kShown) keys.resize(kShown), keys.emplace_back("...");
  fail("it holds no state_dict: there is no tensor in it, nor an entry state_dict, model or model_state_dict, but {}",
       join(keys, ", "));
}

}  // namespace ingot
