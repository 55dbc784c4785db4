#include <algorithm>

#include "ops/gradient_cases.h"

namespace ingot::test {
namespace {

int64_t size_at(const Shape& shape, int64_t dim) {
  return shape[static_cast<size_t>(wrap_dim(dim, shape.size()))].value();
}

/// An operand of any shape, then an op on it that the shape decides.
GradientCases on_one(std::string name, int64_t least_rank,
                     std::function<std::function<Tensor(const Tensor&)>(RandomCase&, const Shape&)> draw) {
  return {std::move(name), [=](RandomCase& c) -> Body {
            const Shape shape = c.shape(least_rank, 5);
            const Operand x = c.operand(shape);
            const auto f = draw(c, shape);
            return [=](const Operands& in) { return f(in[x]); };
          }};
}

/// The prime factors of the number of elements, dealt out anew.
Shape any_reshape(RandomCase& c, const Shape& shape) {
  Shape out(static_cast<size_t>(c.number(1, 4)), Dim(1));
  const auto deal = [&](int64_t factor) {
    Dim& d = out[static_cast<size_t>(c.number(0, static_cast<int64_t>(out.size()) - 1))];
    d = d * factor;
  };
  int64_t left = numel(shape).value();
  for (int64_t factor = 2; left > 1; ++factor)
    for (; left % factor == 0; left /= factor) deal(factor);
  if (c.chance(30)) out[static_cast<size_t>(c.number(0, static_cast<int64_t>(out.size()) - 1))] = -1;
  return out;
}

Body draw_expand(RandomCase& c) {
  const Shape wide = c.shape(1, 5);
  const Operand x = c.operand(c.broadcast(wide));
  return [=](const Operands& in) { return expand(in[x], wide); };
}

Body draw_sum_to(RandomCase& c) {
  const Shape wide = c.shape(0, 5), narrow = c.broadcast(wide);
  const Operand x = c.operand(wide);
  return [=](const Operands& in) { return sum_to(in[x], narrow); };
}

/// Parts that differ in one dimension, one of them perhaps twice.
Body draw_concat(RandomCase& c) {
  const Shape shape = c.shape(1, 4);
  const int64_t dim = c.dim(static_cast<int64_t>(shape.size()));
  std::vector<Operand> parts;
  for (int64_t count = c.number(1, 3); count > 0; --count) {
    Shape part = shape;
    part[static_cast<size_t>(wrap_dim(dim, shape.size()))] = c.number(1, 3);
    parts.push_back(c.operand(part));
  }
  if (c.chance(30)) parts.push_back(parts[0]);
  return [=](const Operands& in) {
    Tensors all;
    for (const Operand part : parts) all.push_back(in[part]);
    return concat(all, dim);
  };
}

Body draw_stack(RandomCase& c) {
  const Shape shape = c.shape(0, 4);
  const Operand a = c.operand(shape), b = c.operand(shape);
  const int64_t dim = c.dim(static_cast<int64_t>(shape.size()) + 1);
  return [=](const Operands& in) { return stack({in[a], in[b]}, dim); };
}

std::function<Tensor(const Tensor&)> draw_slice(RandomCase& c, const Shape& shape) {
  const int64_t dim = c.dim(static_cast<int64_t>(shape.size())), size = size_at(shape, dim);
  int64_t start = c.number(0, size - 1), end = c.number(start + 1, size);
  const int64_t step = c.number(1, 3);
  if (c.chance(30)) start -= size;
  if (end == size)
    end += c.number(0, 3);
  else if (c.chance(30))
    end -= size;
  return [=](const Tensor& x) { return slice(x, dim, start, end, step); };
}

std::function<Tensor(const Tensor&)> draw_select(RandomCase& c, const Shape& shape) {
  const int64_t dim = c.dim(static_cast<int64_t>(shape.size())), size = size_at(shape, dim);
  const int64_t index = c.number(-size, size - 1);
  return [=](const Tensor& x) { return select(x, dim, index); };
}

/// Constants beside the tensor, or what lies at its edges; cut edges with constants only.
std::function<Tensor(const Tensor&)> draw_pad(RandomCase& c, const Shape& shape) {
  const auto mode = c.pick({PadMode::constant, PadMode::reflect, PadMode::replicate, PadMode::circular});
  std::vector<int64_t> before, after;
  for (const Dim d : shape) {
    const int64_t size = d.value();
    const int64_t most = mode == PadMode::reflect ? size - 1 : mode == PadMode::circular ? size : 2;
    before.push_back(c.number(mode == PadMode::constant ? -(size - 1) / 2 : 0, std::min<int64_t>(most, 2)));
    after.push_back(c.number(mode == PadMode::constant ? -(size - 1) / 2 : 0, std::min<int64_t>(most, 2)));
  }
  const double value = c.real(-1, 1);
  if (mode == PadMode::constant) return [=](const Tensor& x) { return pad(x, before, after, value); };
  return [=](const Tensor& x) { return pad(x, before, after, mode); };
}

Body draw_pixel_shuffle(RandomCase& c, bool inverse) {
  const int64_t r = c.number(1, 2), n = c.number(1, 2), channels = c.number(1, 2), h = c.number(1, 2),
                w = c.number(1, 3);
  const Operand x = c.operand(inverse ? Shape{n, channels, h * r, w * r} : Shape{n, channels * r * r, h, w});
  return [=](const Operands& in) { return inverse ? pixel_unshuffle(in[x], r) : pixel_shuffle(in[x], r); };
}

Body draw_channel_shuffle(RandomCase& c) {
  const int64_t groups = c.number(1, 3);
  Shape shape = c.shape(2, 4);
  shape[1] = groups * c.number(1, 3);
  const Operand x = c.operand(shape);
  return [=](const Operands& in) { return channel_shuffle(in[x], groups); };
}

/// An index that is smaller than the tensor in some dimensions, and names places twice.
Body draw_gather(RandomCase& c) {
  const Shape shape = c.shape(1, 4);
  Shape index = shape;
  for (Dim& d : index) d = c.number(1, d.value());
  const int64_t dim = c.dim(static_cast<int64_t>(shape.size()));
  index[static_cast<size_t>(wrap_dim(dim, shape.size()))] = c.number(1, 5);
  const Operand x = c.operand(shape);
  const Tensor where = c.indices(index, size_at(shape, dim));
  return [=](const Operands& in) { return gather(in[x], dim, where); };
}

std::function<Tensor(const Tensor&)> draw_index_select(RandomCase& c, const Shape& shape) {
  const int64_t dim = c.dim(static_cast<int64_t>(shape.size()));
  const Tensor index = c.indices({c.number(1, 5)}, size_at(shape, dim));
  return [=](const Tensor& x) { return index_select(x, dim, index); };
}

}  // namespace

std::vector<GradientCases> shape_gradients() {
  const auto rank = [](const Shape& shape) { return static_cast<int64_t>(shape.size()); };
  return {
      on_one("reshape", 0,
             [](RandomCase& c, const Shape& shape) {
               return [to = any_reshape(c, shape)](const Tensor& x) { return reshape(x, to); };
             }),
      on_one("flatten", 0,
             [=](RandomCase& c, const Shape& shape) {
               const int64_t a = c.number(0, std::max<int64_t>(rank(shape) - 1, 0)), b = c.number(-1, a);
               return [=](const Tensor& x) { return b < 0 ? flatten(x, a) : flatten(x, b, a); };
             }),
      on_one("permute", 1,
             [=](RandomCase& c, const Shape& shape) {
               std::vector<int64_t> order = c.dims(rank(shape));
               for (int64_t& d : order) d = wrap_dim(d, shape.size());
               for (int64_t d = 0; d < rank(shape); ++d)
                 if (std::find(order.begin(), order.end(), d) == order.end()) order.push_back(d);
               return [=](const Tensor& x) { return permute(x, order); };
             }),
      on_one("transpose", 1,
             [=](RandomCase& c, const Shape& shape) {
               const int64_t a = c.dim(rank(shape)), b = c.dim(rank(shape));
               return [=](const Tensor& x) { return transpose(x, a, b); };
             }),
      on_one("squeeze", 1,
             [=](RandomCase& c, const Shape& shape) {
               return [dim = c.dim(rank(shape))](const Tensor& x) { return squeeze(x, dim) * 1.0; };
             }),
      on_one("unsqueeze", 0,
             [=](RandomCase& c, const Shape& shape) {
               return [dim = c.dim(rank(shape) + 1)](const Tensor& x) { return unsqueeze(x, dim); };
             }),
      {"expand", draw_expand},
      {"sum_to", draw_sum_to},
      on_one("slice", 1, draw_slice),
      on_one("select", 1, draw_select),
      {"concat", draw_concat},
      {"stack", draw_stack},
      on_one("pad", 1, draw_pad),
      {"pixel_shuffle", [](RandomCase& c) { return draw_pixel_shuffle(c, false); }},
      {"pixel_unshuffle", [](RandomCase& c) { return draw_pixel_shuffle(c, true); }},
      {"channel_shuffle", draw_channel_shuffle},
      on_one("contiguous", 0, [](RandomCase&, const Shape&) { return contiguous; }),
      {"gather", draw_gather},
      on_one("index_select", 1, draw_index_select),
  };
}

}  // namespace ingot::test
