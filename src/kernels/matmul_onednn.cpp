#include "kernels/matmul_onednn.h"

#include "base/check.h"
#include "base/isa.h"
#include "kernels/matmul_plain.h"
#include "kernels/onednn.h"

namespace ingot::kernels {

using namespace onednn;
using dnnl::memory;

namespace {

// oneDNN takes a matrix whose rows or columns are dense, with a leading dimension.
bool has_leading_dimension(const Matrix& m) {
  const bool by_rows = m.columns == 1 || (m.column_stride == 1 && (m.rows == 1 || m.row_stride >= m.columns));
  const bool by_columns = m.rows == 1 || (m.row_stride == 1 && (m.columns == 1 || m.column_stride >= m.rows));
  const bool any_zero = (m.rows > 1 && m.row_stride == 0) || (m.columns > 1 && m.column_stride == 0);
  return (by_rows || by_columns) && !any_zero;
}

// Its gemm wants a result of one column without gaps.
bool is_row_major(const Matrix& m) {
  if (m.columns == 1) return m.rows == 1 || m.row_stride == 1;
  return m.column_stride == 1 && (m.rows == 1 || m.row_stride >= m.columns);
}

/// One operand as oneDNN gets it: in place, or dense in scratch.
struct Operand {
  Matrix matrix;
  FixedVector<int64_t, kMaxRank> sizes, strides;  // of the batch; size 1 where it is broadcast
  bool copied = false;
};

Operand in_place(const Product& p, Matrix matrix, int64_t BatchDim::* stride) {
  Operand operand{.matrix = matrix};
  for (const BatchDim& dim : p.batch) {
    operand.sizes.push_back(dim.*stride == 0 ? 1 : dim.size);
    operand.strides.push_back(dim.*stride);
  }
  return operand;
}

int64_t count(const Operand& operand) {
  int64_t count = operand.matrix.rows * operand.matrix.columns;
  for (const int64_t size : operand.sizes) count *= size;
  return count;
}

void make_dense(Operand& operand, DType dtype, Scratch& scratch) {
  Matrix& m = operand.matrix;
  m = {scratch.take(count(operand) * size_of(dtype)), dtype, m.rows, m.columns, m.columns, 1};
  int64_t stride = m.rows * m.columns;
  for (size_t d = operand.sizes.size(); d-- > 0;) {
    operand.strides[d] = stride;
    stride *= operand.sizes[d];
  }
  operand.copied = true;
}

memory::desc desc_of(const Operand& operand) {
  const Matrix& m = operand.matrix;
  // A stride that is never taken must still look like a leading dimension.
  const bool by_rows = m.columns == 1 || m.column_stride == 1;
  const int64_t row = m.rows == 1 ? (by_rows ? m.columns : 1) : m.row_stride;
  const int64_t column = m.columns == 1 ? (m.rows > 1 && m.row_stride == 1 ? m.rows : 1) : m.column_stride;
  memory::dims sizes(operand.sizes.begin(), operand.sizes.end()),
      strides(operand.strides.begin(), operand.strides.end());
  for (size_t d = 0; d < sizes.size(); ++d)
    if (sizes[d] == 1) strides[d] = m.rows * std::max(row, m.columns);
  sizes.insert(sizes.end(), {m.rows, m.columns});
  strides.insert(strides.end(), {row, column});
  return {sizes, type_of(m.dtype), strides};
}

template <class From, class To>
void copy_matrices(const Operand& from, const Operand& to) {
  const Matrix &f = from.matrix, &t = to.matrix;
  constexpr int64_t kGrain = 1 << 15;
  parallel_for(count(to) / std::max<int64_t>(1, t.columns), kGrain / (t.columns + 1) + 1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   int64_t rest = i / t.rows, source = i % t.rows * f.row_stride, target = i % t.rows * t.row_stride;
                   for (size_t d = to.sizes.size(); d-- > 0; rest /= to.sizes[d]) {
                     source += rest % to.sizes[d] * from.strides[d];
                     target += rest % to.sizes[d] * to.strides[d];
                   }
                   const From* in = static_cast<const From*>(f.data) + source;
                   To* out = static_cast<To*>(t.data) + target;
                   for (int64_t c = 0; c < t.columns; ++c)
                     out[c * t.column_stride] = To(float(in[c * f.column_stride]));
                 }
               });
}

void copy(const Operand& from, const Operand& to) {
  const bool wide_from = from.matrix.dtype == DType::f32, wide_to = to.matrix.dtype == DType::f32;
  if (wide_from) return wide_to ? copy_matrices<float, float>(from, to) : copy_matrices<float, bf16>(from, to);
  return wide_to ? copy_matrices<bf16, float>(from, to) : copy_matrices<bf16, bf16>(from, to);
}

/// What a call hands to oneDNN; where an operand is copied, `product` has where it really lies.
struct Call {
  Product product;
  Operand a, b, y;
};

DType compute_type(DType dtype) { return dtype == DType::bf16 && !has_bf16() ? DType::f32 : dtype; }

Call place(const Array& a, const Array& b, const Array& bias, const Array& y, Scratch& scratch) {
  Product p(a, b, y);
  if (!is_row_major(p.y) && is_row_major(p.y.transposed()) && !bias) p = p.transposed();
  Call call{p, in_place(p, p.a, &BatchDim::a), in_place(p, p.b, &BatchDim::b), in_place(p, p.y, &BatchDim::y)};
  const DType dtype = compute_type(y.dtype);
  if (dtype != y.dtype || !has_leading_dimension(p.a)) make_dense(call.a, dtype, scratch);
  if (dtype != y.dtype || !has_leading_dimension(p.b)) make_dense(call.b, dtype, scratch);
  if (dtype != y.dtype || !is_row_major(p.y)) make_dense(call.y, dtype, scratch);
  return call;
}

struct MatmulPlan {
  Primitive matmul;
};

Key matmul_key(const Call& call, bool bias) {
  constexpr int64_t kMatmul = 100;
  Key key(kMatmul);
  key.add(bias).add(static_cast<int64_t>(call.y.matrix.dtype)).add(static_cast<int64_t>(call.y.sizes.size()));
  for (const Operand* operand : {&call.a, &call.b, &call.y}) {
    const Matrix& m = operand->matrix;
    key.add(m.rows).add(m.columns).add(m.row_stride).add(m.column_stride);
    for (const int64_t size : operand->sizes) key.add(size);
    for (const int64_t stride : operand->strides) key.add(stride);
  }
  return key;
}

MatmulPlan choose(const Call& call, bool bias) {
  using Matmul = dnnl::matmul;
  const memory::desc a = desc_of(call.a), b = desc_of(call.b), y = desc_of(call.y);
  memory::dims bias_sizes(y.dims().size(), 1);
  bias_sizes.back() = call.y.matrix.columns;
  const memory::desc bias_desc(bias_sizes, memory::data_type::f32, memory::dims(bias_sizes.size(), 1));
  const auto desc = bias ? Matmul::desc(a, b, bias_desc, y) : Matmul::desc(a, b, y);
  std::vector<int> arguments{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD};
  if (bias) arguments.push_back(DNNL_ARG_BIAS);
  Matmul::primitive_desc chosen(desc, user_scratch(), engine(), /*allow_empty=*/true);
  // For a vector the batch-reduce kernels copy the whole matrix first: gemm is twice as fast.
  const bool vector = call.y.matrix.rows == 1 || call.y.matrix.columns == 1;
  if (vector && chosen && std::string_view(chosen.impl_info_str()).starts_with("brg") && chosen.next_impl())
    if (auto matmul = make_primitive<Matmul>(chosen, arguments)) return {matmul};
  chosen = Matmul::primitive_desc(desc, user_scratch(), engine(), /*allow_empty=*/true);
  return {make_primitive<Matmul>(chosen, arguments)};
}

std::shared_ptr<const MatmulPlan> plan_for(const Call& call, bool bias) {
  return cached_plan<MatmulPlan>(matmul_key(call, bias), [&] { return choose(call, bias); });
}

bool bias_fits(const Array& bias) {
  return bias.dtype == DType::f32 && active_isa() > Isa::baseline && (bias.shape[0] == 1 || bias.strides[0] == 1);
}

// oneDNN reads the bias as dense f32.
float* place_bias(const Array& bias, Scratch& scratch) {
  if (bias_fits(bias)) return bias.as<float>();
  return static_cast<float*>(scratch.take(bias.shape[0] * sizeof(float)));
}

void fill_bias(const Array& bias, float* to) {
  if (to == bias.data) return;
  for (int64_t n = 0; n < bias.shape[0]; ++n)
    to[n] =
        bias.dtype == DType::f32 ? bias.as<float>()[n * bias.strides[0]] : float(bias.as<bf16>()[n * bias.strides[0]]);
}

}  // namespace

size_t matmul_onednn_scratch(const Array& a, const Array& b, const Array& bias, const Array& y) {
  Scratch scratch(nullptr);
  const Call call = place(a, b, bias, y, scratch);
  if (bias) place_bias(bias, scratch);
  scratch.take(plan_for(call, static_cast<bool>(bias))->matmul.scratch_bytes());
  return scratch.used();
}

void matmul_onednn(const Array& a, const Array& b, const Array& bias, const Array& y, void* memory) {
  Scratch scratch(memory);
  const Call call = place(a, b, bias, y, scratch);
  const auto plan = plan_for(call, static_cast<bool>(bias));
  if (!plan->matmul) return matmul_plain(Product(a, b, y), bias);
  float* dense_bias = bias ? place_bias(bias, scratch) : nullptr;
  void* own_scratch = scratch.take(plan->matmul.scratch_bytes());
  const Product& p = call.product;
  if (call.a.copied) copy(in_place(p, p.a, &BatchDim::a), call.a);
  if (call.b.copied) copy(in_place(p, p.b, &BatchDim::b), call.b);
  if (bias) fill_bias(bias, dense_bias);
  const std::array<void*, 5> addresses{call.a.matrix.data, call.b.matrix.data, call.y.matrix.data, own_scratch,
                                       dense_bias};
  plan->matmul.run({addresses.data(), bias ? size_t{5} : size_t{4}});
  if (call.y.copied) copy(call.y, in_place(p, p.y, &BatchDim::y));
}

std::string matmul_onednn_implementation(const Array& a, const Array& b, const Array& bias, const Array& y) {
  Scratch scratch(nullptr);
  const auto plan = plan_for(place(a, b, bias, y, scratch), static_cast<bool>(bias));
  return plan->matmul ? plan->matmul.implementation() : "plain";
}

}  // namespace ingot::kernels
