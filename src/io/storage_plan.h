#pragma once

#include <map>
#include <vector>

#include "base/file.h"
#include "ingot/tensor.h"

namespace ingot {

/// How tensors are laid out in a file that keeps storages apart from the tensors on them. A tensor that shares no
/// element with another has a storage of its own, in row-major order. Tensors that overlap share one and keep their
/// strides, as far as dense ones among them cover it: no byte is written that belongs to none of them.
class StoragePlan {
 public:
  explicit StoragePlan(const Tensors& tensors);

  struct Place {
    size_t storage = 0;
    int64_t offset = 0;  // in elements
    Strides strides;
  };
  struct Storage {
    Tensor tensor;                     // its elements in row-major order, or
    const std::byte* bytes = nullptr;  // these as they lie
    int64_t count = 0;                 // of elements of the tensor's dtype
  };
  const Place& place(const Tensor& x) const { return places_.at(x.impl().get()); }
  /// Numbered in the order in which the tensors were given.
  const std::vector<Storage>& storages() const { return storages_; }
  void write(const Storage& storage, const ByteSink& sink) const;

 private:
  std::map<const TensorImpl*, Place> places_;
  std::vector<Storage> storages_;
};

}  // namespace ingot
