#include "tensor/symbols.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <mutex>
#include <set>

#include "base/check.h"

namespace ingot {

/// A sum of products of atoms (symbols and floor divisions): {atoms, sorted} -> coefficient. The empty product is 1.
using Polynomial = std::map<std::vector<int>, int64_t>;

/// The process-wide table of expressions. Entries are never removed: a Dim stays valid for ever.
struct Symbols {
  struct Atom {
    std::string name;  // a symbol, or empty for a floor division
    int64_t example = 0;
    Dim numerator, denominator;
  };

  std::recursive_mutex mutex;
  std::vector<Polynomial> polynomials;
  std::map<Polynomial, int64_t> numbers;
  std::vector<Atom> atoms;
  std::map<std::string, int, std::less<>> names;
  std::map<std::pair<int64_t, int64_t>, int> divisions;

  static Symbols& table() {
    static Symbols* symbols = new Symbols;
    return *symbols;
  }

  Polynomial polynomial(Dim d) const {
    if (!d.is_number()) return polynomials[static_cast<size_t>(d.bits_ - INT64_MIN)];
    return d.bits_ == 0 ? Polynomial{} : Polynomial{{{}, d.bits_}};
  }

  Dim dim(const Polynomial& p) {
    if (p.empty()) return 0;
    if (p.size() == 1 && p.begin()->first.empty()) return p.begin()->second;
    const auto [it, fresh] = numbers.try_emplace(p, static_cast<int64_t>(polynomials.size()));
    if (fresh) polynomials.push_back(p);
    Dim d;
    d.bits_ = INT64_MIN + it->second;
    return d;
  }

  Dim atom(int index) { return dim({{{index}, 1}}); }

  Dim divide(Dim a, Dim b) {
    const Polynomial numerator = polynomial(a), denominator = polynomial(b);
    if (denominator.size() == 1 && denominator.begin()->second > 0) {  // what divides exactly leaves the floor
      const auto& [divisor, scale] = *denominator.begin();
      Polynomial whole, rest;
      for (const auto& [product, factor] : numerator) {
        if (factor % scale != 0 || !std::includes(product.begin(), product.end(), divisor.begin(), divisor.end())) {
          rest[product] = factor;
          continue;
        }
        std::vector<int> quotient;
        std::set_difference(product.begin(), product.end(), divisor.begin(), divisor.end(),
                            std::back_inserter(quotient));
        whole[quotient] = factor / scale;
      }
      if (rest.empty()) return dim(whole);
      if (!whole.empty()) return dim(whole) + floor_div(dim(rest), b);
    }
    const auto [it, fresh] = divisions.try_emplace({a.bits_, b.bits_}, static_cast<int>(atoms.size()));
    if (fresh) atoms.push_back({.name = "", .example = 0, .numerator = a, .denominator = b});
    return atom(it->second);
  }

  void collect(Dim d, std::set<std::string>& found) const {
    for (const auto& [product, factor] : polynomial(d))
      for (const int index : product) {
        const Atom& a = atoms[static_cast<size_t>(index)];
        if (a.name.empty())
          collect(a.numerator, found), collect(a.denominator, found);
        else
          found.insert(a.name);
      }
  }
};

namespace {

/// a * b + c; refuses numbers past 2^62, which stand for expressions.
int64_t checked(int64_t a, int64_t b, int64_t c) {
  int64_t out = 0;
  const bool fits = !__builtin_mul_overflow(a, b, &out) && !__builtin_add_overflow(out, c, &out);
  CHECK(fits && out > -(int64_t{1} << 62) && out <= (int64_t{1} << 62), "a size exceeds 2^62");
  return out;
}

std::string text(Dim d);

std::string atom_text(const Symbols::Atom& a) {
  if (!a.name.empty()) return a.name;
  const auto wrap = [](Dim d) {
    const std::string s = text(d);
    return s.find_first_of("+-*/") == std::string::npos ? s : "(" + s + ")";
  };
  return wrap(a.numerator) + "//" + wrap(a.denominator);
}

std::string product_text(const std::vector<int>& product, int64_t factor) {
  if (product.empty()) return std::to_string(factor);
  std::string out = factor == 1 ? "" : factor == -1 ? "-" : std::to_string(factor) + "*";
  for (size_t i = 0; i < product.size(); ++i) {
    const auto& atom = Symbols::table().atoms[static_cast<size_t>(product[i])];
    std::string s = atom_text(atom);
    if (atom.name.empty() && (i > 0 || !out.empty())) s = "(" + s + ")";
    out += (i ? "*" : "") + s;
  }
  return out;
}

std::string text(Dim d) {
  if (d.is_number()) return std::to_string(d.value());
  std::string out, constant;
  for (const auto& [product, factor] : Symbols::table().polynomial(d)) {
    std::string s = product_text(product, factor);
    if (product.empty())
      constant = (factor < 0 ? "" : "+") + s;
    else
      out += (out.empty() || s[0] == '-' ? "" : "+") + s;
  }
  return out + constant;
}

/// sum := product (('+' | '-') product)*; product := unary (('*' | '//') unary)*; unary := ['-'] (number | name | '('
/// sum ')')
class Parser {
 public:
  Parser(std::string_view text, const SymbolValues& examples) : text_(text), examples_(examples) {}
  Dim parse() {
    const Dim d = sum(0);
    if (at_ != text_.size()) refuse();
    return d;
  }

 private:
  [[noreturn]] void refuse() const { fail("'{}' is not a size: a number or an expression like 2*n+1 or h//2", text_); }
  bool take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  Dim sum(int depth) {
    Dim d = product(depth);
    while (true) {
      if (take("+"))
        d = plus(d, product(depth));
      else if (take("-"))
        d = plus(d, times(product(depth), -1));
      else
        return d;
    }
  }
  Dim product(int depth) {
    Dim d = unary(depth);
    while (true) {
      if (take("*"))
        d = times(d, unary(depth));
      else if (take("//"))
        d = floor_div(d, unary(depth));
      else
        return d;
    }
  }
  static Dim plus(Dim a, Dim b) {
    return a.is_number() && b.is_number() ? Dim(checked(a.value(), 1, b.value())) : a + b;
  }
  static Dim times(Dim a, Dim b) {
    return a.is_number() && b.is_number() ? Dim(checked(a.value(), b.value(), 0)) : a * b;
  }
  Dim unary(int depth) {
    constexpr int kMaxDepth = 64;
    if (depth > kMaxDepth) refuse();
    if (take("-")) return times(unary(depth + 1), -1);
    if (take("(")) {
      const Dim d = sum(depth + 1);
      if (!take(")")) refuse();
      return d;
    }
    const char* begin = text_.data() + at_;
    int64_t number = 0;
    if (const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), number); end != begin) {
      if (error != std::errc{} || number > (int64_t{1} << 62)) refuse();
      at_ += static_cast<size_t>(end - begin);
      return number;
    }
    return name();
  }
  Dim name() {
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    const auto name = text_.substr(begin, at_ - begin);
    if (name.empty()) refuse();
    const auto example = examples_.find(name);
    CHECK(example != examples_.end(), "'{}' names the unknown size '{}'", text_, name);
    return Dim::symbol(name, example->second);
  }

  std::string_view text_;
  const SymbolValues& examples_;
  size_t at_ = 0;
};

}  // namespace

Dim Dim::symbol(std::string_view name, int64_t example) {
  auto& s = Symbols::table();
  const std::scoped_lock lock(s.mutex);
  const auto [it, fresh] = s.names.try_emplace(std::string(name), static_cast<int>(s.atoms.size()));
  if (fresh) s.atoms.push_back({.name = std::string(name), .example = example, .numerator = 0, .denominator = 0});
  return s.atom(it->second);
}

Dim Dim::add(Dim a, Dim b) {
  auto& s = Symbols::table();
  const std::scoped_lock lock(s.mutex);
  Polynomial sum = s.polynomial(a);
  for (const auto& [product, factor] : s.polynomial(b))
    if (int64_t& sum_of = sum[product]; (sum_of = checked(factor, 1, sum_of)) == 0) sum.erase(product);
  return s.dim(sum);
}

Dim Dim::multiply(Dim a, Dim b) {
  auto& s = Symbols::table();
  const std::scoped_lock lock(s.mutex);
  Polynomial result;
  for (const auto& [pa, fa] : s.polynomial(a))
    for (const auto& [pb, fb] : s.polynomial(b)) {
      std::vector<int> product(pa.size() + pb.size());
      std::merge(pa.begin(), pa.end(), pb.begin(), pb.end(), product.begin());
      if (int64_t& sum_of = result[product]; (sum_of = checked(fa, fb, sum_of)) == 0) result.erase(product);
    }
  return s.dim(result);
}

Dim floor_div(Dim a, Dim b) {
  CHECK(!(b == 0), "a size is divided by zero");
  if (a.is_number() && b.is_number()) {
    const int64_t q = a.bits_ / b.bits_;
    return q - ((a.bits_ % b.bits_ != 0) && ((a.bits_ < 0) != (b.bits_ < 0)));
  }
  auto& s = Symbols::table();
  const std::scoped_lock lock(s.mutex);
  return s.divide(a, b);
}

std::string Dim::str() const {
  const std::scoped_lock lock(Symbols::table().mutex);
  return text(*this);
}

int64_t Dim::refuse_overflow() { fail("a size exceeds 2^62"); }

int64_t Dim::refuse_value() const {
  fail(
      "the size {} is symbolic while tracing and cannot be read as a number; keep it an expression, use flatten(1), or "
      "reshape with 0 (keep this size) and -1 (the rest), or trace with a fixed size",
      str());
}

Dim substitute(Dim dim, const SymbolValues& values) {
  if (dim.is_number()) return dim;
  auto& s = Symbols::table();
  const std::scoped_lock lock(s.mutex);
  Dim sum = 0;
  for (const auto& [product, factor] : s.polynomial(dim)) {
    Dim term = factor;
    for (const int index : product) {
      const Symbols::Atom a = s.atoms[static_cast<size_t>(index)];
      if (a.name.empty())
        term = term * floor_div(substitute(a.numerator, values), substitute(a.denominator, values));
      else if (const auto it = values.find(a.name); it != values.end())
        term = term * Dim(it->second);
      else
        term = term * s.atom(index);
    }
    sum = sum + term;
  }
  return sum;
}

Dim parse_dim(std::string_view text, const SymbolValues& examples) { return Parser(text, examples).parse(); }

std::vector<std::string> symbols_in(Dim dim) {
  auto& s = Symbols::table();
  const std::scoped_lock lock(s.mutex);
  std::set<std::string> found;
  s.collect(dim, found);
  return {found.begin(), found.end()};
}

int64_t example_of(std::string_view symbol) {
  auto& s = Symbols::table();
  const std::scoped_lock lock(s.mutex);
  const auto it = s.names.find(symbol);
  CHECK(it != s.names.end(), "the size '{}' is unknown", symbol);
  return s.atoms[static_cast<size_t>(it->second)].example;
}

bool equal_sizes(Dim a, Dim b) {
  if (a == b) return true;
  if (a.is_number() && b.is_number()) return false;
  const Dim difference = a - b;
  if (difference.is_number()) return false;
  throw UndecidedSize(fmt::format("whether {} equals {} is open", a.str(), b.str()), symbols_in(difference));
}

bool equal_shapes(const Shape& a, const Shape& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), equal_sizes);
}

}  // namespace ingot
