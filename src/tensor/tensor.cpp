#include "ingot/tensor.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <numbers>

#include "base/check.h"
#include "base/convert.h"
#include "base/philox.h"
#include "base/visit_dtype.h"
#include "tensor/each_element.h"
#include "tensor/fill_random.h"
#include "tensor/impl.h"

namespace ingot {

const Shape& Tensor::shape() const {
  ASSERT(defined());
  return impl_->shape;
}
Dim Tensor::size(int64_t dim) const { return shape()[static_cast<size_t>(wrap_dim(dim, shape().size()))]; }
int64_t Tensor::rank() const { return static_cast<int64_t>(shape().size()); }
Dim Tensor::numel() const { return ingot::numel(shape()); }
DType Tensor::dtype() const { return impl_->dtype; }
const Strides& Tensor::strides() const { return impl_->strides; }
Layout Tensor::layout() const { return impl_->layout; }
bool Tensor::is_dense() const { return ingot::is_dense(shape(), strides(), layout()); }
bool Tensor::is_abstract() const { return impl_->storage == nullptr; }
void Tensor::count_write() {
  if (impl_->storage) impl_->storage->count_write();
}

const void* Tensor::checked_data(DType wanted) const {
  CHECK(defined(), "the tensor is undefined");
  CHECK(!is_abstract(),
        "the values of a {} tensor are read while tracing, when there are only shapes; compute with ops, or take "
        "the decision outside the traced function",
        to_string(shape()));
  CHECK(wanted == dtype(), "data of a {} tensor is asked for as {}", name_of(dtype()), name_of(wanted));
  return impl_->storage->data() + impl_->offset * static_cast<int64_t>(size_of(dtype()));
}

double Tensor::item_as_double() const {
  CHECK(defined(), "the tensor is undefined");
  CHECK(is_abstract() || numel() == 1, "item() needs one element, the tensor is {}", to_string(shape()));
  return visit_dtype(dtype(), [&]<class T>(std::type_identity<T>) { return convert<double>(*data<T>()); });
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  std::vector<T> out;
  visit_dtype(dtype(), [&]<class From>(std::type_identity<From>) {
    const From* from = data<From>();
    out.resize(static_cast<size_t>(numel().value()));
    each_element(array_of(*this), [&](int64_t i, int64_t at) { out[static_cast<size_t>(i)] = convert<T>(from[at]); });
  });
  return out;
}

bool Tensor::requires_grad() const { return impl_->grad && (impl_->grad->requires_grad || impl_->grad->node); }
bool Tensor::is_leaf() const { return !impl_->grad || !impl_->grad->node; }
Tensor& Tensor::set_requires_grad(bool requires_grad) {
  CHECK(is_leaf(), "requires_grad can be set on leaves only; use detach() first");
  CHECK(!requires_grad || is_floating(dtype()), "only floating tensors can require gradients, this one is {}",
        name_of(dtype()));
  if (!impl_->grad) impl_->grad = std::make_shared<GradRecord>();
  impl_->grad->requires_grad = requires_grad;
  impl_->grad->layout = layout();
  return *this;
}
Tensor Tensor::grad() const { return impl_->grad ? impl_->grad->grad : Tensor(); }
void Tensor::set_grad(Tensor grad) {
  CHECK(!grad.defined() || grad.shape() == shape(), "the gradient {} does not match the tensor {}",
        to_string(grad.shape()), to_string(shape()));
  if (!impl_->grad) impl_->grad = std::make_shared<GradRecord>();
  impl_->grad->grad = std::move(grad);
}

Tensor make_tensor(std::shared_ptr<Storage> storage, int64_t offset, const Shape& shape, const Strides& strides,
                   DType dtype) {
  auto impl = std::make_shared<TensorImpl>();
  impl->storage = std::move(storage);
  impl->offset = offset;
  impl->shape = shape;
  impl->strides = strides;
  impl->dtype = dtype;
  impl->layout = layout_of(shape, strides);
  return Tensor(std::move(impl));
}

Tensor make_abstract(const Shape& shape, DType dtype, Layout layout) {
  static std::atomic<int64_t> identity = 0;
  auto impl = std::make_shared<TensorImpl>();
  impl->offset = ++identity;
  impl->shape = shape;
  impl->dtype = dtype;
  impl->layout = layout;
  return Tensor(std::move(impl));
}

Array array_of(const Tensor& x) {
  Array a;
  if (!x.defined()) return a;
  const TensorImpl& impl = *x.impl();
  CHECK(impl.storage != nullptr, "the values of a {} tensor are read while tracing, when there are only shapes",
        to_string(impl.shape));
  a.data = impl.storage->data() + impl.offset * static_cast<int64_t>(size_of(impl.dtype));
  a.dtype = impl.dtype;
  a.rank = static_cast<int>(impl.shape.size());
  for (int i = 0; i < a.rank; ++i) {
    a.shape[i] = impl.shape[i].value();
    a.strides[i] = impl.strides[i];
  }
  return a;
}

Tensor empty(const Shape& shape, DType dtype, Layout layout) {
  for (const Dim d : shape) CHECK(d.value() >= 0, "shape {} has a negative size", to_string(shape));
  const auto bytes = static_cast<size_t>(numel(shape).value()) * size_of(dtype);
  return make_tensor(std::make_shared<Storage>(bytes), 0, shape, strides_for(shape, layout), dtype);
}
Tensor empty(const Shape& shape, DType dtype) { return empty(shape, dtype, default_layout(shape.size())); }

Tensor full(const Shape& shape, double value, DType dtype) {
  Tensor x = empty(shape, dtype);
  visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
    std::fill_n(x.mutable_data<T>(), numel(shape).value(), convert<T>(value));
  });
  return x;
}
Tensor zeros(const Shape& shape, DType dtype) { return full(shape, 0, dtype); }
Tensor ones(const Shape& shape, DType dtype) { return full(shape, 1, dtype); }
Tensor scalar(double value, DType dtype) { return full({}, value, dtype); }

Tensor arange(int64_t count, DType dtype) {
  Tensor x = empty({count}, dtype);
  visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
    T* data = x.mutable_data<T>();
    for (int64_t i = 0; i < count; ++i) data[i] = convert<T>(i);
  });
  return x;
}

template <class T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape) {
  CHECK(numel(shape) == static_cast<int64_t>(values.size()), "{} values do not fill shape {}", values.size(),
        to_string(shape));
  Tensor x = empty(shape, dtype_of<T>);
  T* data = x.mutable_data<T>();
  each_element(array_of(x), [&](int64_t i, int64_t at) { data[at] = values[static_cast<size_t>(i)]; });
  return x;
}

#define INGOT_VECTORS(T)                                \
  template std::vector<T> Tensor::to_vector<T>() const; \
  template Tensor from_vector(const std::vector<T>&, const Shape&);
INGOT_VECTORS(float)
INGOT_VECTORS(double)
INGOT_VECTORS(int64_t)
INGOT_VECTORS(int32_t)
INGOT_VECTORS(uint8_t)
INGOT_VECTORS(int8_t)
INGOT_VECTORS(bool)
#undef INGOT_VECTORS

Tensor uniform(const Shape& shape, double low, double high, RandomKey key, DType dtype) {
  Tensor x = empty(shape, dtype);
  fill_random(x, [&](uint64_t counter) {
    const auto words = philox(key, counter);
    const double width = high - low;
    return std::array{low + width * uniform_f64(words[0], words[1]), low + width * uniform_f64(words[2], words[3])};
  });
  return x;
}

// Box and Muller's transform: two normal numbers of each counter.
Tensor normal(const Shape& shape, double mean, double std, RandomKey key, DType dtype) {
  Tensor x = empty(shape, dtype);
  fill_random(x, [&](uint64_t counter) {
    const auto words = philox(key, counter);
    const double radius = std * std::sqrt(-2 * std::log(1.0 - uniform_f64(words[0], words[1])));
    const double angle = 2 * std::numbers::pi * uniform_f64(words[2], words[3]);
    return std::array{mean + radius * std::cos(angle), mean + radius * std::sin(angle)};
  });
  return x;
}

Tensor detach(const Tensor& x) {
  auto impl = std::make_shared<TensorImpl>(*x.impl());
  impl->grad = nullptr;
  return Tensor(std::move(impl));
}

Tensor clone(const Tensor& x) {
  Tensor y = empty(x.shape(), x.dtype(), x.layout());
  const Array from = array_of(x), to = array_of(y);
  const size_t bytes = size_of(x.dtype());
  if (x.is_dense()) {
    std::memcpy(to.data, from.data, static_cast<size_t>(from.numel()) * bytes);
    return y;
  }
  std::vector<int64_t> places(static_cast<size_t>(from.numel()));
  each_element(from, [&](int64_t i, int64_t at) { places[static_cast<size_t>(i)] = at; });
  each_element(to, [&](int64_t i, int64_t at) {
    std::memcpy(to.as<std::byte>() + at * static_cast<int64_t>(bytes),
                from.as<std::byte>() + places[static_cast<size_t>(i)] * static_cast<int64_t>(bytes), bytes);
  });
  return y;
}

}  // namespace ingot
