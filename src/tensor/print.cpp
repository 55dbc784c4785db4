#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ingot/tensor.h"

namespace ingot {
namespace {

constexpr int64_t kSummariseAbove = 1000, kEdge = 3;

/// How PyTorch formats the elements of one tensor: all to the same width; integers as "1.", scientific for wide ranges.
struct Format {
  bool boolean = false, floating = false, integral = true, scientific = false;
  size_t width = 0;

  std::string operator()(double v) const {
    if (boolean) return v != 0 ? "True" : "False";
    if (!floating) return fmt::format("{}", static_cast<int64_t>(v));
    if (std::isnan(v)) return "nan";
    if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
    if (scientific) return fmt::format("{:.4e}", v);
    return integral ? fmt::format("{:.0f}.", v) : fmt::format("{:.4f}", v);
  }
};

Format choose_format(const std::vector<double>& shown, DType dtype) {
  Format f{.boolean = dtype == DType::boolean, .floating = is_floating(dtype)};
  double least = INFINITY, most = 0;
  for (const double v : shown)
    if (std::isfinite(v) && v != 0) {
      f.integral &= v == std::floor(v);
      least = std::min(least, std::fabs(v));
      most = std::max(most, std::fabs(v));
    }
  f.scientific = f.floating && most > 0 && (most / least > 1000 || most > 1e8 || (!f.integral && least < 1e-4));
  for (const double v : shown)
    if (!f.floating || std::isfinite(v)) f.width = std::max(f.width, f(v).size());
  return f;
}

class Printer {
 public:
  explicit Printer(const Tensor& x) : x_(x), values_(x.to_vector<double>()), summarise_(x.numel() > kSummariseAbove) {
    std::vector<double> shown;
    visit(0, 0, [&](int64_t at) { shown.push_back(values_[static_cast<size_t>(at)]); });
    format_ = choose_format(shown, x.dtype());
  }
  std::string print() const { return block(0, 0); }

 private:
  bool skips(int64_t i, int64_t size) const { return summarise_ && size > 2 * kEdge && i >= kEdge && i < size - kEdge; }

  template <class Visit>
  void visit(int64_t dim, int64_t at, const Visit& f) const {
    if (dim == x_.rank()) return f(at);
    const int64_t size = x_.size(dim);
    for (int64_t i = 0; i < size; ++i)
      if (!skips(i, size)) visit(dim + 1, at * size + i, f);
  }

  std::string element(double v) const { return fmt::format("{:>{}}", format_(v), format_.width); }

  std::string block(int64_t dim, int64_t at) const {
    if (dim == x_.rank()) return element(values_[static_cast<size_t>(at)]);
    const int64_t size = x_.size(dim), inner = x_.rank() - dim - 1;
    const std::string gap = inner == 0 ? ", "
                                       : "," + std::string(static_cast<size_t>(inner), '\n') +
                                             std::string(static_cast<size_t>(8 + dim), ' ');
    std::string out = "[";
    for (int64_t i = 0; i < size; ++i) {
      if (skips(i, size)) {
        if (i == kEdge) out += gap + "...";
        continue;
      }
      out += (i ? gap : "") + block(dim + 1, at * size + i);
    }
    return out + "]";
  }

  const Tensor& x_;
  std::vector<double> values_;
  bool summarise_;
  Format format_;
};

}  // namespace

std::string to_string(const Tensor& x) {
  if (!x.defined()) return "tensor(undefined)";
  if (x.is_abstract())
    return fmt::format("tensor(shape={}, dtype={}, traced)", to_string(x.shape()), name_of(x.dtype()));
  std::string out = "tensor(";
  out += x.numel() == 0 ? "[]" : Printer(x).print();
  if (x.numel() == 0 && x.rank() != 1) out += ", size=" + to_string(x.shape());
  const bool implied = x.dtype() == DType::f32 || x.dtype() == DType::i64 || x.dtype() == DType::boolean;
  if (!implied || x.numel() == 0) out += fmt::format(", dtype={}", name_of(x.dtype()));
  if (x.requires_grad()) out += x.is_leaf() ? ", requires_grad=True" : ", grad_fn";
  return out + ")";
}

}  // namespace ingot
