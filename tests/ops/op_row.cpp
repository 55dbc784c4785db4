#include "ops/op_row.h"

#include <numeric>

namespace ingot::test {

int64_t Plain::numel() const { return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()); }

double Plain::at(const std::vector<int64_t>& index) const {
  const size_t extra = index.size() - shape.size();
  int64_t place = 0;
  for (size_t d = 0; d < shape.size(); ++d) place = place * shape[d] + (shape[d] == 1 ? 0 : index[d + extra]);
  return values.at(static_cast<size_t>(place));
}

Plain plain(const Tensor& x) {
  Plain out{{}, x.to_vector<double>()};
  for (const Dim d : x.shape()) out.shape.push_back(d.value());
  return out;
}

void PrintTo(const OpRow& row, std::ostream* out) { *out << row.name; }

void each_index(const std::vector<int64_t>& shape, const std::function<void(const std::vector<int64_t>&)>& visit) {
  const int64_t count = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  std::vector<int64_t> index(shape.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    visit(index);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}

Plain build(std::vector<int64_t> shape, const std::function<double(const std::vector<int64_t>&)>& value) {
  Plain out{std::move(shape), {}};
  each_index(out.shape, [&](const auto& index) { out.values.push_back(value(index)); });
  return out;
}

Plain map(const Plain& x, const std::function<double(double)>& f) {
  Plain out = x;
  for (double& v : out.values) v = f(v);
  return out;
}

Plain zip(const Plain& a, const Plain& b, const std::function<double(double, double)>& f) {
  std::vector<int64_t> shape(std::max(a.shape.size(), b.shape.size()), 1);
  for (const Plain* x : {&a, &b})
    for (size_t d = 0; d < x->shape.size(); ++d) {
      int64_t& size = shape[d + shape.size() - x->shape.size()];
      if (x->shape[d] != 1) size = x->shape[d];
    }
  return build(shape, [&](const auto& i) { return f(a.at(i), b.at(i)); });
}

}  // namespace ingot::test
