#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ingot {

/// One size of a shape: a number or, while tracing, an expression of named symbols with +, - , * and floor division.
/// Eight bytes either way; expressions are kept once, in a normal form, so equal ones compare equal. Reading a symbolic
/// size as a number throws and names the way out.
class Dim {
 public:
  constexpr Dim(int64_t value = 0) : bits_(value) {}
  template <std::integral I>
  constexpr Dim(I value) : bits_(static_cast<int64_t>(value)) {}

  /// The symbol of this name, e.g. "n". `example` is the size that tracing falls back to where a relation fixes it.
  /// The first example given for a name in the process stays.
  static Dim symbol(std::string_view name, int64_t example);

  constexpr bool is_number() const { return bits_ >= kFirstNumber; }
  int64_t value() const { return is_number() ? bits_ : refuse_value(); }
  operator int64_t() const { return value(); }
  std::string str() const;

  /// Throw Error where a number passes 2^62: sizes may come from files.
  friend Dim operator+(Dim a, Dim b) { return a.is_number() && b.is_number() ? Dim(sum(a.bits_, b.bits_)) : add(a, b); }
  friend Dim operator*(Dim a, Dim b) {
    return a.is_number() && b.is_number() ? Dim(product(a.bits_, b.bits_)) : multiply(a, b);
  }
  friend Dim operator-(Dim a, Dim b) { return a + Dim(-1) * b; }
  /// Rounds towards minus infinity, as shape formulas want it.
  friend Dim floor_div(Dim a, Dim b);

  template <std::integral I>
  friend Dim operator+(Dim a, I b) {
    return a + Dim(b);
  }
  template <std::integral I>
  friend Dim operator+(I a, Dim b) {
    return Dim(a) + b;
  }
  template <std::integral I>
  friend Dim operator-(Dim a, I b) {
    return a - Dim(b);
  }
  template <std::integral I>
  friend Dim operator-(I a, Dim b) {
    return Dim(a) - b;
  }
  template <std::integral I>
  friend Dim operator*(Dim a, I b) {
    return a * Dim(b);
  }
  template <std::integral I>
  friend Dim operator*(I a, Dim b) {
    return Dim(a) * b;
  }
  template <std::integral I>
  friend Dim operator/(Dim a, I b) {
    return floor_div(a, Dim(b));
  }
  friend Dim operator/(Dim a, Dim b) { return floor_div(a, b); }

  /// Equal as expressions: n == n, 2*n + n == 3*n, and n != m though their values may meet. Shape rules that must know
  /// whether two sizes agree ask require_equal (tensor/symbols.h) instead.
  friend constexpr bool operator==(Dim a, Dim b) { return a.bits_ == b.bits_; }
  template <std::integral I>
  friend constexpr bool operator==(Dim a, I b) {
    return a.bits_ == static_cast<int64_t>(b);
  }
  template <std::integral I>
  friend auto operator<=>(Dim a, I b) {
    return a.value() <=> static_cast<int64_t>(b);
  }
  friend auto operator<=>(Dim a, Dim b) { return a.value() <=> b.value(); }

 private:
  friend struct Symbols;
  // Expressions are numbers of table entries, counted up from the least int64_t; no real size comes near.
  static constexpr int64_t kFirstNumber = INT64_MIN / 2;
  [[noreturn]] int64_t refuse_value() const;
  [[noreturn]] static int64_t refuse_overflow();
  static int64_t in_range(int64_t value, bool overflow) {
    return overflow || value < kFirstNumber || value > -kFirstNumber ? refuse_overflow() : value;
  }
  static int64_t sum(int64_t a, int64_t b) {
    int64_t out = 0;
    const bool overflow = __builtin_add_overflow(a, b, &out);
    return in_range(out, overflow);
  }
  static int64_t product(int64_t a, int64_t b) {
    int64_t out = 0;
    const bool overflow = __builtin_mul_overflow(a, b, &out);
    return in_range(out, overflow);
  }
  static Dim add(Dim a, Dim b);
  static Dim multiply(Dim a, Dim b);

  int64_t bits_;
};

/// Values for symbols by name.
using SymbolValues = std::map<std::string, int64_t, std::less<>>;

/// The expression with these symbols replaced; a number when all its symbols have values.
Dim substitute(Dim dim, const SymbolValues& values);

/// Reads what str() writes: "n", "2*n+1", "(h+1)//2*64". Throws Error that quotes the text. Unknown names are refused
/// unless `examples` has them.
Dim parse_dim(std::string_view text, const SymbolValues& examples);

}  // namespace ingot
