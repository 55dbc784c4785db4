#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ingot/dtype.h"
#include "ingot/random.h"
#include "ingot/shape.h"

namespace ingot {

class Storage;
struct GradRecord;
struct TensorImpl;

/// A handle on an n-dimensional array: shape, strides, dtype, shared storage. Copying a Tensor copies the handle.
/// Operators and functions on tensors are free functions of ops.h.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(std::shared_ptr<TensorImpl> impl) : impl_(std::move(impl)) {}

  /// A default-constructed handle is undefined; all below need a defined one.
  bool defined() const { return impl_ != nullptr; }
  const Shape& shape() const;
  Dim size(int64_t dim) const;  // negative counts from the end
  int64_t rank() const;
  Dim numel() const;
  DType dtype() const;
  const Strides& strides() const;  // in elements
  Layout layout() const;
  /// Whether the elements fill memory without gaps in layout().
  bool is_dense() const;
  /// While tracing: a shape and a dtype without data.
  bool is_abstract() const;

  /// The first element. Throws Error if T is not the dtype, or while tracing.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(checked_data(dtype_of<T>));
  }
  /// The same for writing: counts a new version, so that backward refuses a saved tensor that was overwritten.
  template <class T>
  T* mutable_data() {
    count_write();
    return static_cast<T*>(const_cast<void*>(checked_data(dtype_of<T>)));
  }
  /// The only element, converted to T. Throws Error if there is not exactly one.
  template <class T>
  T item() const {
    return static_cast<T>(item_as_double());
  }
  /// All elements in row-major order of the shape, whatever the layout, converted to T.
  template <class T>
  std::vector<T> to_vector() const;

  /// Gradients: backward() (ops.h) fills grad() of the leaves that require one.
  bool requires_grad() const;
  Tensor& set_requires_grad(bool requires_grad = true);  // leaves only
  bool is_leaf() const;
  Tensor grad() const;         // undefined before the first backward
  void set_grad(Tensor grad);  // backward adds into it in place; undefined clears it

  void count_write();
  const std::shared_ptr<TensorImpl>& impl() const { return impl_; }
  bool same_as(const Tensor& other) const { return impl_ == other.impl_; }

 private:
  const void* checked_data(DType wanted) const;
  double item_as_double() const;

  std::shared_ptr<TensorImpl> impl_;
};

using Tensors = std::vector<Tensor>;

/// Uninitialised, zero, one, or filled; channels-last for 4-D shapes unless `layout` says otherwise.
Tensor empty(const Shape& shape, DType dtype = DType::f32);
Tensor empty(const Shape& shape, DType dtype, Layout layout);
Tensor zeros(const Shape& shape, DType dtype = DType::f32);
Tensor ones(const Shape& shape, DType dtype = DType::f32);
Tensor full(const Shape& shape, double value, DType dtype = DType::f32);
/// 0, 1, ..., count - 1.
Tensor arange(int64_t count, DType dtype = DType::i64);
/// Values given in row-major order of `shape`. Throws Error if their number differs from the shape's.
template <class T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape);
/// A scalar (shape []).
Tensor scalar(double value, DType dtype = DType::f32);
/// Uniform in [low, high) and normal values, a function of the key and the row-major position alone; f32 or f64.
Tensor uniform(const Shape& shape, double low, double high, RandomKey key, DType dtype = DType::f32);
Tensor normal(const Shape& shape, double mean, double std, RandomKey key, DType dtype = DType::f32);

/// The same data without gradient history.
Tensor detach(const Tensor& x);
/// A dense copy with the same values, layout and dtype, without gradient history.
Tensor clone(const Tensor& x);

/// As PyTorch prints tensors: "tensor([[1., 2.],\n        [3., 4.]])", summarised above 1000 elements.
std::string to_string(const Tensor& x);

/// Bytes in use and bytes kept for reuse by the tensor allocator.
struct MemoryUse {
  size_t used = 0, cached = 0;
};
MemoryUse memory_use();
/// Returns all memory kept for reuse to the system. It also happens by itself where the system refuses memory, and
/// the cache never keeps more than 1 GiB.
void release_cached_memory();

}  // namespace ingot
