#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "ingot/ops.h"

namespace ingot::test {

/// A plain array for references: row-major doubles.
struct Plain {
  std::vector<int64_t> shape;
  std::vector<double> values;

  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  int64_t numel() const;
  /// The element at an index; broadcasts: missing leading dimensions and sizes of 1 repeat.
  double at(const std::vector<int64_t>& index) const;
};
Plain plain(const Tensor& x);
/// Builds a result by calling `value(index)` for every element of the shape.
Plain build(std::vector<int64_t> shape, const std::function<double(const std::vector<int64_t>&)>& value);
Plain map(const Plain& x, const std::function<double(double)>& f);
Plain zip(const Plain& a, const Plain& b, const std::function<double(double, double)>& f);
/// Visits every index of a shape in row-major order.
void each_index(const std::vector<int64_t>& shape, const std::function<void(const std::vector<int64_t>&)>& visit);

/// One operand of a row: its shape and the values it takes.
struct Input {
  enum Kind { any, positive, index, boolean, fixed_positive };
  std::vector<int64_t> shape;
  Kind kind = any;
  int64_t below = 1;  // index: values in [0, below)
  bool differentiable = true;

  Input(std::initializer_list<int64_t> s) : shape(s) {}
  Input(std::vector<int64_t> s, Kind k, int64_t limit = 1)
      : shape(std::move(s)), kind(k), below(limit), differentiable(k == any || k == positive) {}
  bool floating() const { return kind == any || kind == positive || kind == fixed_positive; }
};

enum class Gradient { none, once, twice };

/// All that an op's test needs to know; the driver in op_test.cpp does the rest for every row: each dtype against the
/// reference, strides, an empty batch, output into a strided slice, first and second gradients, what the tape keeps,
/// threads, tracing and the engine.
struct OpRow {
  std::string name;
  std::vector<Input> inputs;
  std::function<Tensors(const Tensors&)> run;
  std::function<std::vector<Plain>(const std::vector<Plain>&)> reference;
  Gradient gradient = Gradient::twice;
  bool batched = true;        // the first dimension of the first input may be 0
  bool onednn_split = false;  // oneDNN splits a sum over the threads: bits differ between thread counts
  std::vector<DType> dtypes{DType::f64, DType::f32, DType::bf16};
  double tolerance = 1;  // multiplies the dtype's own, for long sums
};

/// Shown by the test runner in place of the row's bytes.
void PrintTo(const OpRow& row, std::ostream* out);

std::vector<OpRow> elementwise_rows();
std::vector<OpRow> shape_rows();
std::vector<OpRow> reduction_rows();
std::vector<OpRow> convolution_rows();
std::vector<OpRow> product_rows();
std::vector<OpRow> normalisation_rows();
std::vector<OpRow> pooling_rows();
std::vector<OpRow> loss_rows();

}  // namespace ingot::test
