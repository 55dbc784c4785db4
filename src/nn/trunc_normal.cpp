#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/philox.h"
#include "ingot/init.h"
#include "ingot/ops.h"
#include "nn/draw.h"
#include "nn/normal_quantile.h"
#include "tensor/fill_random.h"

namespace ingot {
namespace {

/// (0, 1) without its ends, where the quantile is infinite: 52 random bits and a half.
double inside_unit(uint32_t a, uint32_t b) {
  return (static_cast<double>((static_cast<uint64_t>(a) << 32 | b) >> 12) + 0.5) * 0x1p-52;
}

}  // namespace

// An interval above the mean is drawn below it and mirrored: near 0 the distribution function keeps its precision.
Tensor trunc_normal_(Tensor x, const TruncNormalOptions& o, MaybeKey maybe_key) {
  CHECK(o.a < o.b, "trunc_normal_ from {} to {}: the bounds are the wrong way round", o.a, o.b);
  CHECK(o.std > 0, "trunc_normal_ with standard deviation {}: it must be positive", o.std);
  const double sign = o.a > o.mean ? -1 : 1;
  const auto [from, to] = std::minmax({sign * (o.a - o.mean) / o.std, sign * (o.b - o.mean) / o.std});
  const double low = normal_cdf(from), width = normal_cdf(to) - low;
  CHECK(width > 0, "trunc_normal_ from {} to {}: the bounds are too far from the mean {} at standard deviation {}", o.a,
        o.b, o.mean, o.std);
  const auto value = [&](double u) {
    const double p = std::min(low + width * u, 1 - 0x1p-53);
    return std::clamp(o.mean + sign * o.std * normal_quantile(p), o.a, o.b);
  };
  const RandomKey key = key_or_next(maybe_key);
  Tensor drawn = empty(x.shape(), drawn_dtype(x));
  fill_random(drawn, [&](uint64_t counter) {
    const auto words = philox(key, counter);
    return std::array{value(inside_unit(words[0], words[1])), value(inside_unit(words[2], words[3]))};
  });
  copy_into(x, drawn);
  return x;
}

}  // namespace ingot
