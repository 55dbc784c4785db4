#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "ingot/dtype.h"
#include "ingot/shape.h"

// Python's pickles (protocols 2 to 5, https://docs.python.org/3/library/pickletools.html) as PyTorch's checkpoints use
// them. They are read as data: a pickle can make lists, tuples, dicts, numbers, text, and what the globals of
// pickle_globals.cpp make. Nothing that it names is looked up anywhere else, and nothing is run.
namespace ingot::pickle {

/// A value's place in Pickle::values. Containers hold places, as Python's hold references: a container may occur many
/// times, or in itself.
using Ref = uint32_t;

struct List {
  std::vector<Ref> items;
};
struct Tuple {
  std::vector<Ref> items;
};
struct Dict {
  std::vector<std::pair<Ref, Ref>> entries;
};
/// A part of Pickle::storages[index], in elements.
struct StorageAt {
  uint32_t index = 0;
  int64_t offset = 0, count = 0;
};
struct TensorAt {
  uint32_t index = 0;  // in Pickle::tensors
};
struct Global;
using Value = std::variant<std::monostate, bool, int64_t, double, std::string, List, Tuple, Dict, StorageAt, TensorAt,
                           const Global*>;

/// Elements that lie outside the pickle under a key.
struct StorageSpec {
  std::string key;
  DType dtype = DType::f32;
  int64_t count = 0;
};
/// A view that stays inside its storage.
struct TensorSpec {
  uint32_t storage = 0;
  int64_t offset = 0;
  Shape shape;
  Strides strides;
};

struct Pickle {
  std::vector<Value> values;
  std::vector<StorageSpec> storages;  // each key once
  std::vector<TensorSpec> tensors;
  Ref root = 0;
  size_t bytes = 0;  // that it took
};

/// More than any checkpoint has, and few enough to be held in memory.
inline constexpr size_t kMaxValues = size_t{1} << 22;
inline constexpr size_t kMaxMemo = size_t{1} << 22;
inline constexpr size_t kMaxMarks = 1000;
inline constexpr size_t kMaxKeyBytes = 1000;
/// Bytes that the tensors which repeat elements (with strides of 0, say) may have together.
inline constexpr uint64_t kMaxSpread = uint64_t{1} << 30;

/// Reads the pickle that starts where `bytes` do. Throws Error that starts with `what`.
Pickle read_pickle(std::span<std::byte> bytes, const std::string& what);

/// "a list", "the number 3" for messages.
std::string describe(const Value& value);

}  // namespace ingot::pickle
