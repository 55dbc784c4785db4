#include <algorithm>

#include "base/check.h"
#include "data/copy.h"
#include "ingot/dataset.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

/// Names a part of a sample in errors: "sample 17: extra['boxes'][2]".
struct Where {
  std::span<const int64_t> indices;
  std::string part;
  std::string of(size_t k) const { return fmt::format("sample {}: {}", indices[k], part); }
  Where at(const std::string& key) const { return {indices, part + key}; }
};

Tensor stack_tensors(const std::vector<const Tensor*>& tensors, const Where& where) {
  const Tensor& first = *tensors[0];
  for (size_t k = 0; k < tensors.size(); ++k) {
    const Tensor& x = *tensors[k];
    CHECK(x.defined() == first.defined(), "{} is {}, that of sample {} is {}", where.of(k),
          x.defined() ? "there" : "missing", where.indices[0], first.defined() ? "there" : "missing");
    if (!x.defined()) continue;
    CHECK(x.shape() == first.shape() && x.dtype() == first.dtype(),
          "{} is {} {}, that of sample {} is {} {}; samples of one batch must be alike, or a collate_fn must make them "
          "so",
          where.of(k), name_of(x.dtype()), to_string(x.shape()), where.indices[0], name_of(first.dtype()),
          to_string(first.shape()));
  }
  if (!first.defined()) return {};
  Shape shape = first.shape();
  shape.insert(0, static_cast<int64_t>(tensors.size()));
  const Tensor out = empty(shape, first.dtype());
  for (size_t k = 0; k < tensors.size(); ++k)
    copy_elements(array_of(*tensors[k]), row_array(out, static_cast<int64_t>(k)));
  return out;
}

template <class T>
Tensor stack_numbers(const std::vector<const Extra*>& values) {
  std::vector<T> numbers;
  for (const Extra* value : values) numbers.push_back(std::get<T>(*value));
  return from_vector(numbers, {static_cast<int64_t>(numbers.size())});
}

std::string_view kind_of(const Extra& value) {
  constexpr std::array<std::string_view, 7> kinds{"nothing", "a tensor", "a whole number", "a number",
                                                  "a text",  "a list",   "a map"};
  return kinds[value.index()];
}

Extra collate_values(const std::vector<const Extra*>& values, const Where& where);

Extra collate_lists(const std::vector<const Extra*>& values, const Where& where) {
  using List = std::vector<Extra>;
  const auto& first = std::get<List>(*values[0]);
  std::vector<Extra> out;
  for (size_t k = 0; k < values.size(); ++k)
    CHECK(std::get<List>(*values[k]).size() == first.size(), "{} has {} elements, that of sample {} has {}",
          where.of(k), std::get<List>(*values[k]).size(), where.indices[0], first.size());
  for (size_t i = 0; i < first.size(); ++i) {
    std::vector<const Extra*> column;
    for (const Extra* value : values) column.push_back(&std::get<List>(*value)[i]);
    out.push_back(collate_values(column, where.at(fmt::format("[{}]", i))));
  }
  return out;
}

Extra collate_maps(const std::vector<const Extra*>& values, const Where& where) {
  using Map = std::map<std::string, Extra>;
  const auto& first = std::get<Map>(*values[0]);
  Map out;
  for (size_t k = 0; k < values.size(); ++k)
    CHECK(std::get<Map>(*values[k]).size() == first.size(), "{} has {} keys, that of sample {} has {}", where.of(k),
          std::get<Map>(*values[k]).size(), where.indices[0], first.size());
  for (const auto& [key, unused] : first) {
    std::vector<const Extra*> column;
    for (size_t k = 0; k < values.size(); ++k) {
      const auto& map = std::get<Map>(*values[k]);
      const auto it = map.find(key);
      CHECK(it != map.end(), "{} has no key '{}', that of sample {} has", where.of(k), key, where.indices[0]);
      column.push_back(&it->second);
    }
    out[key] = collate_values(column, where.at(fmt::format("['{}']", key)));
  }
  return out;
}

Extra collate_values(const std::vector<const Extra*>& values, const Where& where) {
  const Extra& first = *values[0];
  for (size_t k = 0; k < values.size(); ++k)
    CHECK(values[k]->index() == first.index(), "{} is {}, that of sample {} is {}", where.of(k), kind_of(*values[k]),
          where.indices[0], kind_of(first));
  if (std::holds_alternative<Tensor>(first)) {
    std::vector<const Tensor*> tensors;
    for (const Extra* value : values) tensors.push_back(&std::get<Tensor>(*value));
    return stack_tensors(tensors, where);
  }
  if (std::holds_alternative<int64_t>(first)) return stack_numbers<int64_t>(values);
  if (std::holds_alternative<double>(first)) return stack_numbers<double>(values);
  if (std::holds_alternative<std::vector<Extra>>(first)) return collate_lists(values, where);
  if (std::holds_alternative<std::map<std::string, Extra>>(first)) return collate_maps(values, where);
  CHECK(!first.empty(), "{} is nothing, which cannot be batched", where.of(0));
  std::vector<Extra> texts;
  for (const Extra* value : values) texts.push_back(*value);
  return texts;
}

}  // namespace

Batch collate(std::span<const Sample> samples, std::span<const int64_t> indices) {
  CHECK(!samples.empty() && samples.size() == indices.size(), "collate needs samples, and an index for each");
  Batch batch;
  std::vector<const Tensor*> inputs, targets;
  std::vector<const Extra*> extras;
  for (const Sample& sample : samples) {
    inputs.push_back(&sample.input);
    targets.push_back(&sample.target);
    extras.push_back(&sample.extra);
  }
  batch.input = stack_tensors(inputs, {indices, "the input"});
  batch.target = stack_tensors(targets, {indices, "the target"});
  const bool none = std::all_of(extras.begin(), extras.end(), [](const Extra* extra) { return extra->empty(); });
  if (!none) batch.extra = collate_values(extras, {indices, "extra"});
  batch.indices.assign(indices.begin(), indices.end());
  return batch;
}

}  // namespace ingot
