#pragma once

#include <type_traits>

#include "base/check.h"
#include "ingot/dtype.h"

namespace ingot {

/// Calls body(std::type_identity<T>{}) with the C++ type of `dtype`.
template <class Body>
decltype(auto) visit_dtype(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32:
      return body(std::type_identity<float>{});
    case DType::f64:
      return body(std::type_identity<double>{});
    case DType::bf16:
      return body(std::type_identity<bf16>{});
    case DType::f16:
      return body(std::type_identity<f16>{});
    case DType::i64:
      return body(std::type_identity<int64_t>{});
    case DType::i32:
      return body(std::type_identity<int32_t>{});
    case DType::u8:
      return body(std::type_identity<uint8_t>{});
    case DType::i8:
      return body(std::type_identity<int8_t>{});
    case DType::boolean:
      return body(std::type_identity<bool>{});
  }
  fail("internal: dtype {} is not one", static_cast<int>(dtype));
}

/// The same for the types that networks compute in: f32, f64 and bf16. Others throw.
template <class Body>
decltype(auto) visit_floating(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32:
      return body(std::type_identity<float>{});
    case DType::f64:
      return body(std::type_identity<double>{});
    case DType::bf16:
      return body(std::type_identity<bf16>{});
    default:
      fail("{} is not supported here, only f32, f64 and bf16 are", name_of(dtype));
  }
}

}  // namespace ingot
