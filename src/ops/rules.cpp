#include "ops/rules.h"

#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "tensor/impl.h"
#include "tensor/symbols.h"

namespace ingot {

Results infer_like_input(const InferArgs& a) { return a.in[0]; }

Shape broadcast_shapes(const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  const size_t offset = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    const Dim x = longer[i + offset], y = shorter[i];
    if (x == 1)
      out[i + offset] = y;
    else if (!(y == 1))
      CHECK(equal_sizes(x, y), "shapes {} and {} do not broadcast", to_string(a), to_string(b));
  }
  return out;
}

void check_floating(const Spec& x) {
  CHECK(is_floating(x.dtype) && x.dtype != DType::f16, "{} is not supported, only f32, f64 and bf16 are; use cast()",
        name_of(x.dtype));
}

void check_same_dtype(const Spec& a, const Spec& b) {
  CHECK(a.dtype == b.dtype, "the operands are {} and {}; cast() one of them", name_of(a.dtype), name_of(b.dtype));
}

void check_rank(const Spec& x, size_t rank, std::string_view what) {
  CHECK(x.shape.size() == rank, "{} must have {} dimensions, it is {}", what, rank, to_string(x.shape));
}

void check_dim(int64_t dim, size_t rank) {
  CHECK(dim >= 0 && dim < static_cast<int64_t>(rank), "dimension {} is outside [0, {})", dim, rank);
}

void check_dims(std::span<const int64_t> dims, size_t rank) {
  for (size_t i = 0; i < dims.size(); ++i) {
    check_dim(dims[i], rank);
    CHECK(i == 0 || dims[i - 1] < dims[i], "dimensions {} and {} are not ascending", dims[i - 1], dims[i]);
  }
}

Results infer_broadcast(const InferArgs& a) {
  Spec out = a.in[0];
  for (const Spec& x : a.in.subspan(1)) {
    check_same_dtype(a.in[0], x);
    const bool larger = x.shape.size() > out.shape.size();
    out.shape = broadcast_shapes(out.shape, x.shape);
    if (larger) out.layout = x.layout;
  }
  CHECK(out.dtype != DType::f16, "f16 is for storage only; use cast()");
  return out;
}

Array broadcast_to(const Array& x, const Array& like) {
  if (x.same_shape(like)) return x;
  Array out = x;
  out.rank = like.rank;
  const int offset = like.rank - x.rank;
  for (int i = 0; i < like.rank; ++i) {
    out.shape[i] = like.shape[i];
    out.strides[i] = i < offset || x.shape[i - offset] != like.shape[i] ? 0 : x.strides[i - offset];
  }
  return out;
}

Array reshaped(const Array& x, std::span<const int64_t> shape) {
  Array out = x;
  out.rank = static_cast<int>(shape.size());
  int64_t stride = 1;
  for (int i = out.rank - 1; i >= 0; --i) {
    out.shape[i] = shape[static_cast<size_t>(i)];
    out.strides[i] = stride;
    stride *= out.shape[i];
  }
  return out;
}

Array narrowed(const Array& x, int dim, int64_t start, int64_t size, int64_t step) {
  Array out = x;
  out.data = x.as<std::byte>() + start * x.strides[dim] * static_cast<int64_t>(size_of(x.dtype));
  out.shape[dim] = size;
  out.strides[dim] = x.strides[dim] * step;
  return out;
}

const OpDef kSize{
    .name = "size",
    .attrs = &attrs_of<SizeAttrs>,
    .operands = {0, 0},
    .infer = [](const InferArgs& a) -> Results { return Spec{.shape = {}, .dtype = a.as<SizeAttrs>().dtype}; },
    .eval =
        [](const EvalArgs& a) {
          const double value = static_cast<double>(a.as<SizeAttrs>().value.value());
          switch (a.out[0].dtype) {
            case DType::f64:
              *a.out[0].as<double>() = value;
              break;
            case DType::bf16:
              *a.out[0].as<bf16>() = bf16(static_cast<float>(value));
              break;
            default:
              *a.out[0].as<float>() = static_cast<float>(value);
          }
        },
    .vjp = no_gradient,
};

Tensor size_tensor(Dim value, DType dtype) {
  if (value.is_number()) return scalar(static_cast<double>(value.value()), dtype);
  return apply(kSize, {}, SizeAttrs{value, dtype});
}

Tensor per_channel(const Tensor& x, int64_t rank) {
  Shape shape(static_cast<size_t>(rank), Dim(1));
  shape[1] = x.size(0);
  return reshape(x, shape);
}

std::vector<int64_t> all_but_channels(int64_t rank) {
  std::vector<int64_t> dims{0};
  for (int64_t d = 2; d < rank; ++d) dims.push_back(d);
  return dims;
}

}  // namespace ingot
