#include <algorithm>

#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

// Strides under which the elements of `x` have another shape without moving: each run of dimensions that steps evenly
// through memory can be cut anew.
std::optional<Strides> strides_for_view(const Array& x, const Shape& shape) {
  if (x.numel() == 0) return strides_for(shape, Layout::row_major);
  Strides out(shape.size(), 1);
  auto to = static_cast<int>(shape.size()) - 1;
  int64_t run = 1, step = x.rank > 0 ? x.strides[x.rank - 1] : 1;
  for (int from = x.rank - 1; from >= 0; --from) {
    run *= x.shape[from];
    const bool run_ends = from == 0 || (x.shape[from - 1] != 1 && x.strides[from - 1] != run * step);
    if (!run_ends) continue;
    int64_t taken = 1, stride = step;
    while (to >= 0 && (taken < run || shape[static_cast<size_t>(to)] == 1)) {
      const int64_t size = shape[static_cast<size_t>(to)].value();
      out[static_cast<size_t>(to--)] = stride;
      taken *= size;
      stride *= size;
    }
    if (taken != run) return std::nullopt;
    run = 1;
    if (from > 0) step = x.strides[from - 1];
  }
  while (to >= 0) out[static_cast<size_t>(to--)] = 1;
  return out;
}

Array with_shape(const Array& x, const Shape& shape, const Strides& strides) {
  Array out = x;
  out.rank = static_cast<int>(shape.size());
  for (int i = 0; i < out.rank; ++i) {
    out.shape[i] = shape[static_cast<size_t>(i)].value();
    out.strides[i] = strides[static_cast<size_t>(i)];
  }
  return out;
}

Shape shape_of(const Array& x) {
  Shape shape;
  for (int i = 0; i < x.rank; ++i) shape.push_back(x.shape[i]);
  return shape;
}

Results infer_reshape(const InferArgs& a) {
  const Shape& shape = a.as<ShapeAttrs>().shape;
  for (const Dim d : shape) CHECK(!d.is_number() || d.value() >= 0, "{} has a negative size", to_string(shape));
  CHECK(equal_sizes(numel(a.in[0].shape), numel(shape)), "{} cannot have shape {}: the numbers of elements differ",
        to_string(a.in[0].shape), to_string(shape));
  return Spec{.shape = shape, .dtype = a.in[0].dtype, .layout = Layout::row_major};
}

std::optional<View> view_reshape(const ViewArgs& a) {
  auto strides = strides_for_view(a.in, a.out.shape);
  if (!strides) return std::nullopt;
  return View{0, *strides};
}

bool is_row_major(const Array& x) {
  const Shape shape = shape_of(x);
  return is_dense(shape, Strides(std::span(x.strides.data(), static_cast<size_t>(x.rank))), Layout::row_major);
}

size_t scratch_reshape(const EvalArgs& a) {
  return is_row_major(a.out[0]) ? 0 : static_cast<size_t>(a.out[0].numel()) * size_of(a.out[0].dtype);
}

// Both shapes count the elements in row-major order, so a dense row-major array can have either.
void eval_reshape(const EvalArgs& a) {
  const bool direct = is_row_major(a.out[0]);
  Array dense = a.out[0];
  if (!direct) dense.data = a.scratch;
  kernels::copy(a.in[0], reshaped(dense, {a.in[0].shape.data(), static_cast<size_t>(a.in[0].rank)}));
  if (!direct) kernels::copy(reshaped(dense, {a.out[0].shape.data(), static_cast<size_t>(a.out[0].rank)}), a.out[0]);
}

Tensors vjp_reshape(const VjpArgs& a) { return {reshape(a.grad[0], a.in_specs[0].shape)}; }

Results infer_permute(const InferArgs& a) {
  Spec out = a.in[0];
  const auto& dims = a.as<PermuteAttrs>().dims;
  std::vector<int64_t> sorted = dims;
  std::sort(sorted.begin(), sorted.end());
  check_dims(sorted, out.shape.size());
  CHECK(dims.size() == out.shape.size(), "{} dimensions are named for {}", dims.size(), to_string(out.shape));
  for (size_t i = 0; i < dims.size(); ++i) out.shape[i] = a.in[0].shape[static_cast<size_t>(dims[i])];
  out.layout = default_layout(dims.size());
  return out;
}

std::optional<View> view_permute(const ViewArgs& a) {
  View out;
  for (const int64_t d : a.as<PermuteAttrs>().dims) out.strides.push_back(a.in.strides[static_cast<size_t>(d)]);
  return out;
}

void eval_view(const EvalArgs& a, const Shape& shape, const View& view) {
  kernels::copy(with_shape(a.in[0], shape, view.strides), a.out[0]);
}

void eval_permute(const EvalArgs& a) { eval_view(a, shape_of(a.out[0]), *view_permute({a.in[0], a.attrs, {}})); }

Tensors vjp_permute(const VjpArgs& a) {
  const auto& dims = a.as<PermuteAttrs>().dims;
  std::vector<int64_t> inverse(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) inverse[static_cast<size_t>(dims[i])] = static_cast<int64_t>(i);
  return {permute(a.grad[0], inverse)};
}

Results infer_expand(const InferArgs& a) {
  const Shape& shape = a.as<ShapeAttrs>().shape;
  CHECK(shape.size() >= a.in[0].shape.size() && broadcast_shapes(a.in[0].shape, shape) == shape,
        "{} does not expand to {}", to_string(a.in[0].shape), to_string(shape));
  Spec out = a.in[0];
  if (shape.size() != out.shape.size()) out.layout = default_layout(shape.size());
  out.shape = shape;
  return out;
}

std::optional<View> view_expand(const ViewArgs& a) {
  Array like{.rank = static_cast<int>(a.out.shape.size())};
  for (int i = 0; i < like.rank; ++i) like.shape[i] = a.out.shape[static_cast<size_t>(i)].value();
  const Array wide = broadcast_to(a.in, like);
  return View{0, Strides(std::span(wide.strides.data(), static_cast<size_t>(wide.rank)))};
}

void eval_expand(const EvalArgs& a) { kernels::copy(broadcast_to(a.in[0], a.out[0]), a.out[0]); }
Tensors vjp_expand(const VjpArgs& a) { return {sum_to(a.grad[0], a.in_specs[0].shape)}; }

Results infer_contiguous(const InferArgs& a) {
  Spec out = a.in[0];
  out.layout = default_layout(out.shape.size());
  return out;
}
void eval_copy(const EvalArgs& a) { kernels::copy(a.in[0], a.out[0]); }
Tensors vjp_same(const VjpArgs& a) { return {a.grad[0]}; }

// Puts numbers for 0 (keep) and -1 (the rest).
Shape resolve(const Tensor& x, const Shape& wanted) {
  Shape shape = wanted;
  int rest = -1;
  Dim known = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && i < x.shape().size()) shape[i] = x.shape()[i];
    if (shape[i] == -1) {
      CHECK(rest < 0, "[reshape] only one size of {} can be -1", to_string(wanted));
      rest = static_cast<int>(i);
    } else {
      known = known * shape[i];
    }
  }
  if (rest >= 0) {
    CHECK(!(known == 0), "[reshape] -1 in {} is open beside a size of 0", to_string(wanted));
    shape[static_cast<size_t>(rest)] = floor_div(x.numel(), known);
  }
  return shape;
}

}  // namespace

const OpDef kReshape{.name = "reshape",
                     .attrs = &attrs_of<ShapeAttrs>,
                     .infer = infer_reshape,
                     .view = view_reshape,
                     .scratch = scratch_reshape,
                     .eval = eval_reshape,
                     .vjp = vjp_reshape,
                     .keeps = {.input_specs = true}};
const OpDef kPermute{.name = "permute",
                     .attrs = &attrs_of<PermuteAttrs>,
                     .infer = infer_permute,
                     .view = view_permute,
                     .eval = eval_permute,
                     .vjp = vjp_permute};
const OpDef kExpand{.name = "expand",
                    .attrs = &attrs_of<ShapeAttrs>,
                    .infer = infer_expand,
                    .view = view_expand,
                    .eval = eval_expand,
                    .vjp = vjp_expand,
                    .keeps = {.input_specs = true}};
const OpDef kContiguous{.name = "contiguous", .infer = infer_contiguous, .eval = eval_copy, .vjp = vjp_same};

Tensor reshape(const Tensor& x, const Shape& shape) {
  const Shape resolved = resolve(x, shape);
  return resolved == x.shape() ? x : apply(kReshape, {x}, ShapeAttrs{resolved});
}

Tensor flatten(const Tensor& x, int64_t start_dim, int64_t end_dim) {
  if (x.rank() == 0) return reshape(x, {1});
  const int start = wrap_dim(start_dim, x.shape().size()), end = wrap_dim(end_dim, x.shape().size());
  CHECK(start <= end, "[flatten] start_dim {} is after end_dim {}", start_dim, end_dim);
  Shape shape;
  Dim flat = 1;
  for (int d = 0; d < static_cast<int>(x.rank()); ++d) {
    if (d >= start && d <= end) flat = flat * x.size(d);
    if (d < start || d > end) shape.push_back(x.size(d));
    if (d == end) shape.push_back(flat);
  }
  return shape == x.shape() ? x : apply(kReshape, {x}, ShapeAttrs{shape});
}

Tensor permute(const Tensor& x, std::vector<int64_t> dims) {
  CHECK(static_cast<int64_t>(dims.size()) == x.rank(), "[permute] {} dimensions are named, the tensor has {}",
        dims.size(), x.rank());
  std::vector<bool> seen(dims.size());
  for (int64_t& d : dims) {
    d = wrap_dim(d, dims.size());
    CHECK(!seen[static_cast<size_t>(d)], "[permute] dimension {} is named twice", d);
    seen[static_cast<size_t>(d)] = true;
  }
  return apply(kPermute, {x}, PermuteAttrs{std::move(dims)});
}

Tensor transpose(const Tensor& x, int64_t a, int64_t b) {
  std::vector<int64_t> dims(static_cast<size_t>(x.rank()));
  for (size_t i = 0; i < dims.size(); ++i) dims[i] = static_cast<int64_t>(i);
  std::swap(dims[static_cast<size_t>(wrap_dim(a, dims.size()))], dims[static_cast<size_t>(wrap_dim(b, dims.size()))]);
  return permute(x, dims);
}

Tensor squeeze(const Tensor& x, int64_t dim) {
  const auto d = static_cast<size_t>(wrap_dim(dim, x.shape().size()));
  if (!(x.shape()[d] == 1)) return x;
  Shape shape = x.shape();
  shape.erase(d);
  return reshape(x, shape);
}

Tensor unsqueeze(const Tensor& x, int64_t dim) {
  Shape shape = x.shape();
  shape.insert(static_cast<size_t>(wrap_dim(dim, shape.size() + 1)), 1);
  return apply(kReshape, {x}, ShapeAttrs{shape});
}

Tensor expand(const Tensor& x, const Shape& shape) {
  Shape wanted = shape;
  CHECK(wanted.size() >= x.shape().size(), "[expand] {} has more dimensions than {}", to_string(x.shape()),
        to_string(shape));
  const size_t extra = wanted.size() - x.shape().size();
  for (size_t i = extra; i < wanted.size(); ++i)
    if (wanted[i] == -1) wanted[i] = x.shape()[i - extra];
  return wanted == x.shape() ? x : apply(kExpand, {x}, ShapeAttrs{wanted});
}

Tensor contiguous(const Tensor& x) {
  if (!x.is_abstract() && is_dense(x.shape(), x.strides(), default_layout(x.shape().size()))) return x;
  return apply(kContiguous, {x});
}

}  // namespace ingot
