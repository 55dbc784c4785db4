#pragma once

#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "base/check.h"
#include "ingot/dtype.h"
#include "ingot/geometry.h"
#include "ingot/shape.h"

namespace ingot {

/// What one field of an attribute struct can hold, in the form that is printed, parsed, compared and stored.
using AttrValue = std::variant<bool, Dim, double, std::string, std::vector<Dim>, std::vector<double>>;

/// Describes a struct of attributes: its fields by name, and how to read and write each.
struct AttrsType {
  struct Field {
    std::string_view name;
    AttrValue (*get)(const void* attrs);
    void (*set)(void* attrs, const AttrValue& value);  // throws Error where the kind is wrong
  };
  std::span<const Field> fields;
  std::shared_ptr<void> (*make)();  // default values
  std::shared_ptr<void> (*copy)(const void* attrs);
};

/// An immutable attribute struct of any type, or nothing. Ops read it back with get<T>().
class Attrs {
 public:
  Attrs() = default;
  template <class A>
    requires requires { A::fields; }
  Attrs(A value);
  Attrs(const AttrsType& type, std::shared_ptr<const void> value) : type_(&type), value_(std::move(value)) {}

  template <class A>
  const A& get() const {
    ASSERT(value_ != nullptr);
    return *static_cast<const A*>(value_.get());
  }
  explicit operator bool() const { return value_ != nullptr; }
  const AttrsType* type() const { return type_; }
  AttrValue field(std::string_view name) const;
  bool operator==(const Attrs& other) const;

 private:
  const AttrsType* type_ = nullptr;
  std::shared_ptr<const void> value_;
};

/// "stride=[1, 1], groups=1": what parse_attrs reads. Doubles are printed so that they come back exactly.
std::string to_string(const Attrs& attrs);
std::string to_string(const AttrValue& value);
/// Reads the text form for an attribute type; fields that are not named keep their defaults. Throws Error naming the
/// field. `symbols` are the sizes that expressions may name.
Attrs parse_attrs(const AttrsType& type, std::string_view text, const SymbolValues& symbols = {});
/// The attributes with symbolic sizes replaced.
Attrs substitute(const Attrs& attrs, const SymbolValues& values);

// ---- How a C++ type becomes an AttrValue. Enums are stored by name: give names in enum_names(E).

template <class T>
struct AttrCodec;

template <class K>
const K& attr_kind(const AttrValue& value, std::string_view wanted) {
  const K* held = std::get_if<K>(&value);
  CHECK(held != nullptr, "{} is not {}", to_string(value), wanted);
  return *held;
}

template <>
struct AttrCodec<bool> {
  static AttrValue get(bool v) { return v; }
  static bool set(const AttrValue& v) { return attr_kind<bool>(v, "true or false"); }
};
template <>
struct AttrCodec<Dim> {
  static AttrValue get(Dim v) { return v; }
  static Dim set(const AttrValue& v) { return attr_kind<Dim>(v, "a whole number"); }
};
template <>
struct AttrCodec<int64_t> {
  static AttrValue get(int64_t v) { return Dim(v); }
  static int64_t set(const AttrValue& v) { return attr_kind<Dim>(v, "a whole number").value(); }
};
template <>
struct AttrCodec<double> {
  static AttrValue get(double v) { return v; }
  static double set(const AttrValue& v) {
    if (const Dim* whole = std::get_if<Dim>(&v)) return static_cast<double>(whole->value());
    return attr_kind<double>(v, "a number");
  }
};
template <>
struct AttrCodec<float> {
  static AttrValue get(float v) { return static_cast<double>(v); }
  static float set(const AttrValue& v) { return static_cast<float>(AttrCodec<double>::set(v)); }
};
/// Keys and counters use all 64 bits, so they are kept as hexadecimal text.
template <>
struct AttrCodec<uint64_t> {
  static AttrValue get(uint64_t v) { return fmt::format("{:#x}", v); }
  static uint64_t set(const AttrValue& v);
};
template <>
struct AttrCodec<std::string> {
  static AttrValue get(std::string v) { return v; }
  static std::string set(const AttrValue& v) { return attr_kind<std::string>(v, "a string"); }
};
template <>
struct AttrCodec<std::vector<double>> {
  static AttrValue get(const std::vector<double>& v) { return v; }
  static std::vector<double> set(const AttrValue& v);
};
template <>
struct AttrCodec<std::vector<Dim>> {
  static AttrValue get(const std::vector<Dim>& v) { return v; }
  static std::vector<Dim> set(const AttrValue& v) { return attr_kind<std::vector<Dim>>(v, "a list of whole numbers"); }
};
std::vector<int64_t> numbers_of(const AttrValue& value, size_t count);  // count 0: any; throws Error otherwise
template <>
struct AttrCodec<std::vector<int64_t>> {
  static AttrValue get(const std::vector<int64_t>& v) { return std::vector<Dim>(v.begin(), v.end()); }
  static std::vector<int64_t> set(const AttrValue& v) { return numbers_of(v, 0); }
};
template <>
struct AttrCodec<Shape> {
  static AttrValue get(const Shape& v) { return std::vector<Dim>(v.begin(), v.end()); }
  static Shape set(const AttrValue& v) { return Shape(std::span<const Dim>(AttrCodec<std::vector<Dim>>::set(v))); }
};
template <>
struct AttrCodec<Pair> {
  static AttrValue get(Pair v) { return std::vector<Dim>{v.h, v.w}; }
  static Pair set(const AttrValue& v) {
    const auto n = numbers_of(v, 2);
    return {n[0], n[1]};
  }
};
template <>
struct AttrCodec<Pads> {
  static AttrValue get(Pads v) { return std::vector<Dim>{v.top, v.left, v.bottom, v.right}; }
  static Pads set(const AttrValue& v) {
    const auto n = numbers_of(v, 4);
    return {n[0], n[1], n[2], n[3]};
  }
};
[[noreturn]] void refuse_name(std::string_view name, std::span<const std::string_view> names);
std::span<const std::string_view> enum_names(DType);
std::span<const std::string_view> enum_names(Activation);
template <class E>
  requires std::is_enum_v<E>
struct AttrCodec<E> {
  static AttrValue get(E v) { return std::string(enum_names(v)[static_cast<size_t>(v)]); }
  static E set(const AttrValue& v) {
    const std::string& name = attr_kind<std::string>(v, "a name");
    const auto names = enum_names(E{});
    for (size_t i = 0; i < names.size(); ++i)
      if (names[i] == name) return static_cast<E>(i);
    refuse_name(name, names);
  }
};
/// Several as one text: "relu none".
template <class E>
  requires std::is_enum_v<E>
struct AttrCodec<std::vector<E>> {
  static AttrValue get(const std::vector<E>& v) {
    std::string text;
    for (const E e : v) text += (text.empty() ? "" : " ") + std::get<std::string>(AttrCodec<E>::get(e));
    return text;
  }
  static std::vector<E> set(const AttrValue& v) {
    std::vector<E> out;
    std::istringstream names(attr_kind<std::string>(v, "a text of names"));
    for (std::string name; names >> name;) out.push_back(AttrCodec<E>::set(name));
    return out;
  }
};

/// One entry of a struct's `fields`: field("stride", &Conv2dAttrs::stride).
template <class A, class T>
struct FieldOf {
  std::string_view name;
  T A::* member;
};
template <class A, class T>
constexpr FieldOf<A, T> field(std::string_view name, T A::* member) {
  return {name, member};
}

namespace detail {

template <class A, size_t I>
constexpr AttrsType::Field field_row() {
  return {std::get<I>(A::fields).name,
          [](const void* attrs) {
            constexpr auto f = std::get<I>(A::fields);
            const auto& value = static_cast<const A*>(attrs)->*f.member;
            return AttrCodec<std::remove_cvref_t<decltype(value)>>::get(value);
          },
          [](void* attrs, const AttrValue& from) {
            constexpr auto f = std::get<I>(A::fields);
            auto& value = static_cast<A*>(attrs)->*f.member;
            value = AttrCodec<std::remove_cvref_t<decltype(value)>>::set(from);
          }};
}

template <class A, size_t... I>
constexpr auto field_rows(std::index_sequence<I...>) {
  return std::array<AttrsType::Field, sizeof...(I)>{field_row<A, I>()...};
}

template <class A>
inline constexpr auto kFieldRows = field_rows<A>(std::make_index_sequence<std::tuple_size_v<decltype(A::fields)>>());

}  // namespace detail

/// The description of a struct that lists its fields once:
///   struct Conv2dAttrs { Pair stride{1}; static constexpr auto fields = std::tuple{field("stride",
///   &Conv2dAttrs::stride)}; };
template <class A>
inline constexpr AttrsType attrs_of{
    detail::kFieldRows<A>, [] { return std::shared_ptr<void>(std::make_shared<A>()); },
    [](const void* a) { return std::shared_ptr<void>(std::make_shared<A>(*static_cast<const A*>(a))); }};

template <class A>
  requires requires { A::fields; }
Attrs::Attrs(A value) : type_(&attrs_of<A>), value_(std::make_shared<const A>(std::move(value))) {}

}  // namespace ingot
