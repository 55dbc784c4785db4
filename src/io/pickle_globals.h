#pragma once

#include <map>

#include "io/pickle.h"

namespace ingot::pickle {

/// What calling a global makes.
enum class Kind : uint8_t {
  dict,
  set,
  size,
  text,
  storage,
  dtype,
  type,
  tensor,
  typed_tensor,
  parameter,
  from_type,
  unsupported
};

/// A name that a pickle may have: one row of the table in pickle_globals.cpp.
struct Global {
  std::string_view name;  // "torch._utils._rebuild_tensor_v2"
  Kind kind;
  std::optional<DType> dtype;  // of a storage, or a dtype that Ingot has
  std::string_view what = "";  // that is unsupported
};

/// Null where the name is not in the table.
const Global* find_global(std::string_view name);

/// A pickle that is being read.
class Builder {
 public:
  Pickle out;

  Ref add(Value value);
  /// Counts values that are copied, so that no pickle makes much from little.
  void charge(size_t values);

  const Value& at(Ref ref) const { return out.values[ref]; }
  template <class T>
  const T* get_if(Ref ref) const {
    return std::get_if<T>(&out.values[ref]);
  }
  /// Throws Error that says `what` is not a T.
  template <class T>
  const T& get(Ref ref, std::string_view what) const;
  /// A number that is not negative, such as a size.
  int64_t count(Ref ref, std::string_view what) const;
  /// The items of a list or tuple.
  std::span<const Ref> items(Ref ref, std::string_view what) const;

  /// Throws Error where this cannot be the key of a dict.
  void check_key(Ref key) const;

  /// What a global makes of its arguments.
  Ref call(const Global& global, std::span<const Ref> args);
  /// What a persistent id names: ("storage", type, key, location, count[, view]).
  Ref storage(Ref id);

 private:
  Ref call_dict(const Global& global, std::span<const Ref> args);
  Ref call_text(const Global& global, std::span<const Ref> args);
  Ref call_tensor(const Global& global, std::span<const Ref> args);
  Ref call_from_type(std::span<const Ref> args);
  void check_inside(TensorSpec& tensor, const StorageAt& storage);

  std::map<std::string, size_t, std::less<>> storages_;  // their places by key
  size_t charged_ = 0;
  uint64_t spread_ = 0;
};

}  // namespace ingot::pickle
