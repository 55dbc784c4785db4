#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/array.h"
#include "ingot/tensor.h"
#include "tensor/storage.h"

namespace ingot {

struct GradNode;  // one recorded call; autograd defines it

/// What the tape knows of a tensor: for a leaf its gradient, else the call that made it.
struct GradRecord {
  bool requires_grad = false;
  Layout layout = Layout::row_major;  // of a leaf, and so of its gradient
  Tensor grad;
  std::shared_ptr<GradNode> node;  // none for a leaf
  uint32_t index = 0;              // which result of `node`
  std::vector<std::function<void(const Tensor& grad)>> ready_hooks;
};

struct TensorImpl {
  std::shared_ptr<Storage> storage;  // none while tracing
  int64_t offset = 0;                // of the first element, in elements; while tracing: identity_of()
  Shape shape;
  Strides strides;  // unset while tracing
  DType dtype = DType::f32;
  Layout layout = Layout::row_major;
  std::shared_ptr<GradRecord> grad;
};

/// A tensor over part of a storage; the layout follows from the strides.
Tensor make_tensor(std::shared_ptr<Storage> storage, int64_t offset, const Shape& shape, const Strides& strides,
                   DType dtype);
/// A shape and a dtype without data.
Tensor make_abstract(const Shape& shape, DType dtype, Layout layout);
/// A number that an abstract tensor shares with its detached copies and with no other tensor.
inline int64_t identity_of(const Tensor& abstract) { return abstract.impl()->offset; }

/// What kernels see. An undefined tensor gives an absent operand.
Array array_of(const Tensor& x);

}  // namespace ingot
