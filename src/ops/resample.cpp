#include <cmath>

#include "ops/ops.h"
#include "ops/rules.h"
#include "tensor/symbols.h"

// Places picked, mirrored, blended and dealt out: all by gather, reshape and permute.
namespace ingot {
namespace {

/// The input place that an outside place stands for.
int64_t inside(int64_t at, int64_t size, PadMode mode) {
  if (mode == PadMode::replicate) return std::clamp<int64_t>(at, 0, size - 1);
  if (mode == PadMode::circular) return ((at % size) + size) % size;
  return at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at;
}

/// Where an output place lies in the input, in units of its places.
struct Axis {
  int64_t size, out;
  double scale;  // output places per input place, as asked for
  bool align_corners;

  double source(int64_t i) const {
    if (align_corners)
      return out > 1 ? static_cast<double>(i) * static_cast<double>(size - 1) / static_cast<double>(out - 1) : 0;
    return (static_cast<double>(i) + 0.5) / scale - 0.5;
  }
};

/// Weighted input places of every output place: tap k of place i is index[k][i] with weight[k][i].
struct Taps {
  std::vector<std::vector<int64_t>> index;
  std::vector<std::vector<double>> weight;
};

Taps nearest(const Axis& axis, bool exact) {
  Taps taps{{{}}, {}};
  for (int64_t i = 0; i < axis.out; ++i) {
    const double at = (static_cast<double>(i) + (exact ? 0.5 : 0)) / axis.scale;
    taps.index[0].push_back(std::min(static_cast<int64_t>(std::floor(at)), axis.size - 1));
  }
  return taps;
}

Taps linear_taps(const Axis& axis) {
  Taps taps{{{}, {}}, {{}, {}}};
  for (int64_t i = 0; i < axis.out; ++i) {
    const double at = std::max(axis.source(i), 0.0), low = std::floor(at);
    const int64_t first = std::min(static_cast<int64_t>(low), axis.size - 1);
    taps.index[0].push_back(first);
    taps.index[1].push_back(std::min(first + 1, axis.size - 1));
    taps.weight[0].push_back(1 - (at - low));
    taps.weight[1].push_back(at - low);
  }
  return taps;
}

// Keys' kernel with a = -3/4 at distances 1 + t, t, 1 - t, 2 - t.
Taps cubic_taps(const Axis& axis) {
  constexpr double a = -0.75;
  const auto near = [](double x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  const auto far = [](double x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  Taps taps{{{}, {}, {}, {}}, {{}, {}, {}, {}}};
  for (int64_t i = 0; i < axis.out; ++i) {
    const double at = axis.source(i), low = std::floor(at), t = at - low;
    const double weights[] = {far(1 + t), near(t), near(1 - t), far(2 - t)};
    for (size_t k = 0; k < 4; ++k) {
      const int64_t place = static_cast<int64_t>(low) - 1 + static_cast<int64_t>(k);
      taps.index[k].push_back(std::clamp<int64_t>(place, 0, axis.size - 1));
      taps.weight[k].push_back(weights[k]);
    }
  }
  return taps;
}

/// sum over k of x[..., index[k][i], ...] * weight[k][i] along `dim`.
Tensor resample(const Tensor& x, int64_t dim, const Taps& taps) {
  Tensor out;
  for (size_t k = 0; k < taps.index.size(); ++k) {
    const auto count = static_cast<int64_t>(taps.index[k].size());
    Tensor part = index_select(x, dim, from_vector(taps.index[k], {count}));
    if (!taps.weight.empty()) {
      Shape along(static_cast<size_t>(x.rank()), Dim(1));
      along[static_cast<size_t>(dim)] = count;
      part = part * reshape(cast(from_vector(taps.weight[k], {count}), x.dtype()), along);
    }
    out = out.defined() ? out + part : part;
  }
  return out;
}

/// Every place r times: without a gather, and for symbolic sides too.
Tensor repeat_places(const Tensor& x, int64_t dim, int64_t times) {
  Shape wide = x.shape(), merged = x.shape();
  const auto at = static_cast<size_t>(dim);
  wide.insert(at + 1, Dim(times));
  merged[at] = merged[at] * times;
  return reshape(expand(unsqueeze(x, dim + 1), wide), merged);
}

}  // namespace

Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index) {
  CHECK(index.rank() == 1, "[index_select] the index must have one dimension, it is {}", to_string(index.shape()));
  const auto at = static_cast<size_t>(wrap_dim(dim, x.shape().size()));
  Shape shape = x.shape(), along(shape.size(), Dim(1));
  shape[at] = along[at] = index.shape()[0];
  return gather(x, static_cast<int64_t>(at), expand(reshape(index, along), shape));
}

Tensor pad(const Tensor& x, const std::vector<int64_t>& before, const std::vector<int64_t>& after, PadMode mode) {
  if (mode == PadMode::constant) return pad(x, before, after);
  const auto rank = static_cast<size_t>(x.rank());
  CHECK(before.size() == rank && after.size() == rank,
        "[pad] {} and {} numbers are given, the tensor has {} dimensions", before.size(), after.size(), rank);
  Tensor y = x;
  for (size_t d = 0; d < rank; ++d) {
    if (before[d] == 0 && after[d] == 0) continue;
    const int64_t size = x.size(static_cast<int64_t>(d)), most = std::max(before[d], after[d]);
    CHECK(size > 0, "[pad] dimension {} of {} is empty", d, to_string(x.shape()));
    CHECK(mode != PadMode::reflect || most < size, "[pad] reflect padding {} must be less than the size {}", most,
          size);
    CHECK(mode != PadMode::circular || most <= size, "[pad] circular padding {} must not exceed the size {}", most,
          size);
    std::vector<int64_t> index;
    for (int64_t i = -before[d]; i < size + after[d]; ++i) index.push_back(inside(i, size, mode));
    y = index_select(y, static_cast<int64_t>(d), from_vector(index, {static_cast<int64_t>(index.size())}));
  }
  return y;
}

Tensor pixel_shuffle(const Tensor& x, int64_t r) {
  CHECK(x.rank() == 4 && r >= 1 && x.size(1) % (r * r) == 0, "[pixel_shuffle] x must be [N,C*{0}*{0},H,W], it is {1}",
        r, to_string(x.shape()));
  const Dim n = x.shape()[0], c = x.shape()[1] / (r * r), h = x.shape()[2], w = x.shape()[3];
  return reshape(permute(reshape(x, {n, c, r, r, h, w}), {0, 1, 4, 2, 5, 3}), {n, c, h * r, w * r});
}

Tensor pixel_unshuffle(const Tensor& x, int64_t r) {
  CHECK(x.rank() == 4 && r >= 1 && x.size(2) % r == 0 && x.size(3) % r == 0,
        "[pixel_unshuffle] x must be [N,C,H*{0},W*{0}], it is {1}", r, to_string(x.shape()));
  const Dim n = x.shape()[0], c = x.shape()[1], h = x.shape()[2] / r, w = x.shape()[3] / r;
  return reshape(permute(reshape(x, {n, c, h, r, w, r}), {0, 1, 3, 5, 2, 4}), {n, c * (r * r), h, w});
}

Tensor channel_shuffle(const Tensor& x, int64_t groups) {
  CHECK(x.rank() >= 2 && groups >= 1 && x.size(1) % groups == 0,
        "[channel_shuffle] the channels of {} do not divide into {} groups", to_string(x.shape()), groups);
  Shape split = x.shape();
  split[1] = groups;
  split.insert(2, x.shape()[1] / groups);
  return reshape(transpose(reshape(x, split), 1, 2), x.shape());
}

Tensor interpolate(const Tensor& x, const InterpolateOptions& o) {
  CHECK(x.rank() >= 3 && x.rank() <= 5, "[interpolate] x must be [N,C,d...] with one to three sides, it is {}",
        to_string(x.shape()));
  const auto sides = static_cast<size_t>(x.rank() - 2);
  const auto fits = [&](size_t count) { return count == 0 || count == 1 || count == sides; };
  CHECK(o.size.empty() != o.scale_factor.empty(), "[interpolate] give size or scale_factor, one of them");
  CHECK(fits(o.size.size()) && fits(o.scale_factor.size()), "[interpolate] size or scale_factor needs 1 or {} values",
        sides);
  const bool nearest_mode = o.mode == Interpolation::nearest || o.mode == Interpolation::nearest_exact;
  CHECK(!nearest_mode || !o.align_corners, "[interpolate] align_corners is for linear and cubic");
  CHECK(o.mode != Interpolation::cubic || sides == 2, "[interpolate] cubic is for two sides, x is {}",
        to_string(x.shape()));
  Tensor y = x;
  for (size_t d = 0; d < sides; ++d) {
    const auto dim = static_cast<int64_t>(d) + 2;
    const double factor = o.scale_factor.empty() ? 0 : o.scale_factor[o.scale_factor.size() == 1 ? 0 : d];
    if (nearest_mode && factor >= 1 && factor == std::floor(factor)) {
      y = repeat_places(y, dim, static_cast<int64_t>(factor));
      continue;
    }
    const int64_t size = x.size(dim);
    const int64_t out = o.scale_factor.empty() ? o.size[o.size.size() == 1 ? 0 : d]
                                               : static_cast<int64_t>(std::floor(static_cast<double>(size) * factor));
    CHECK(size >= 1 && out >= 1, "[interpolate] a side of {} would become {}", size, out);
    const Axis axis{size, out, factor > 0 ? factor : static_cast<double>(out) / static_cast<double>(size),
                    o.align_corners};
    y = resample(y, dim,
                 nearest_mode                      ? nearest(axis, o.mode == Interpolation::nearest_exact)
                 : o.mode == Interpolation::linear ? linear_taps(axis)
                                                   : cubic_taps(axis));
  }
  return y;
}

}  // namespace ingot
