#include <cmath>

#include "ingot/init.h"
#include "nn/visual_attention/parts.h"

namespace ingot {
namespace {

/// Row i holds the vectors of places j seen from i: rel[j - i + n - 1], [n,n,d].
Tensor seen_from(const Tensor& rel, int64_t n) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) rows.push_back(j - i + n - 1);
  return reshape(index_select(rel, 0, from_vector(rows, {n * n})), {n, n, rel.size(1)});
}

/// q [N,heads,H,W,d] meets the relative positions along dimension `along` (2 or 3): [N,heads,H,W,n].
Tensor meet_positions(const Tensor& q, const Tensor& rel, int64_t along) {
  const int64_t n = q.size(along);
  const Tensor first = permute(q, along == 2 ? std::vector<int64_t>{2, 0, 1, 3, 4} : std::vector{3L, 0L, 1L, 2L, 4L});
  const Tensor met = matmul(reshape(first, {n, -1, q.size(4)}), transpose(seen_from(rel, n), 1, 2));
  const Shape& s = first.shape();
  const Tensor apart = reshape(met, {s[0], s[1], s[2], s[3], n});
  return permute(apart, along == 2 ? std::vector<int64_t>{1, 2, 0, 3, 4} : std::vector{1L, 2L, 3L, 0L, 4L});
}

}  // namespace

GlobalContext::GlobalContext(int64_t channels, const GlobalContextOptions& o)
    : mask(channels, 1, 1),
      conv1(channels, reduced("GlobalContext", channels, o.reduction), 1),
      norm(Shape{conv1.out_channels, 1, 1}),
      conv2(conv1.out_channels, channels, 1) {
  child("mask", mask);
  child("conv1", conv1);
  child("norm", norm);
  child("relu", relu);
  child("conv2", conv2);
  draw_initial_values();
}
Tensor GlobalContext::forward(const Tensor& x) {
  require_planes("GlobalContext", x);
  const Tensor weights = softmax(flatten(mask(x), 2), -1);                 // [N,1,HW]
  const Tensor context = matmul(flatten(x, 2), transpose(weights, 1, 2));  // [N,C,1]
  return x + conv2(relu(norm(conv1(unsqueeze(context, 3)))));
}
void GlobalContext::reset_parameters(RandomKey) { start_at_zero(conv2); }

NonLocal2d::NonLocal2d(int64_t channels, const NonLocalOptions& o)
    : options(o),
      g(channels, reduced("NonLocal2d", channels, o.reduction), 1),
      theta(channels, g.out_channels, 1),
      phi(channels, g.out_channels, 1),
      out(g.out_channels, channels, 1) {
  child("g", g);
  child("theta", theta);
  child("phi", phi);
  child("out", out);
  draw_initial_values();
}
Tensor NonLocal2d::forward(const Tensor& x) {
  require_planes("NonLocal2d", x);
  const auto places = [&](Conv2d& embed) {
    const Tensor y = embed(x);
    return flatten(options.sub_sample ? max_pool2d(y, {.kernel = 2}) : y, 2);
  };
  const Tensor values = places(g), keys = places(phi);                        // [N,h,S]
  const Tensor scores = matmul(transpose(flatten(theta(x), 2), 1, 2), keys);  // [N,HW,S]
  const bool gaussian = options.mode == NonLocalMode::embedded_gaussian;
  const Tensor weights = gaussian ? softmax(scores, -1) : scores / static_cast<double>(scores.size(2));
  const Tensor y = matmul(values, transpose(weights, 1, 2));  // [N,h,HW]
  return x + out(reshape(y, {x.shape()[0], g.out_channels, x.shape()[2], x.shape()[3]}));
}
void NonLocal2d::reset_parameters(RandomKey) { start_at_zero(out); }

MHSA::MHSA(int64_t in, int64_t channels, const MHSAOptions& o)
    : out_channels(channels), options(o), qkv(in, 3 * channels, 1, {.bias = false}) {
  require(o.heads > 0 && channels % o.heads == 0, "MHSA", "{} channels do not divide into {} heads", channels, o.heads);
  require(o.stride > 0, "MHSA", "stride is {}, it must be positive", o.stride);
  child("qkv", qkv);
  if (o.size) {
    require(o.size->h > 0 && o.size->w > 0, "MHSA", "size {} x {} must be positive", o.size->h, o.size->w);
    parameter("rel_height", rel_height, empty({2 * o.size->h - 1, channels / o.heads}));
    parameter("rel_width", rel_width, empty({2 * o.size->w - 1, channels / o.heads}));
  }
  draw_initial_values();
}
void MHSA::reset_parameters(RandomKey key) {
  if (!rel_height) return;
  const double std = std::sqrt(static_cast<double>(options.heads) / static_cast<double>(out_channels));
  normal_(*rel_height, 0, std, parameter_key(key, "rel_height"));
  normal_(*rel_width, 0, std, parameter_key(key, "rel_width"));
}
Tensor MHSA::forward(const Tensor& x) {
  require_planes("MHSA", x);
  const int64_t head = out_channels / options.heads;
  const Dim n = x.shape()[0], height = x.shape()[2], width = x.shape()[3];
  const Tensor all = reshape(qkv(x), {n, 3 * options.heads, head, height * width});
  const auto part = [&](int64_t i) { return slice(all, 1, i * options.heads, (i + 1) * options.heads); };
  const Tensor q = transpose(part(0) * (1 / std::sqrt(static_cast<double>(head))), 2, 3);  // [N,heads,HW,head]
  Tensor scores = matmul(q, part(1));
  if (rel_height) {
    require(height == options.size->h && width == options.size->w, "MHSA", "x is {}, it was built for planes {} x {}",
            to_string(x.shape()), options.size->h, options.size->w);
    const Tensor planes = reshape(q, {n, options.heads, height, width, head});
    const Tensor rows = unsqueeze(meet_positions(planes, *rel_height, 2), 5);
    const Tensor columns = unsqueeze(meet_positions(planes, *rel_width, 3), 4);
    scores = scores + reshape(rows + columns, {n, options.heads, height * width, height * width});
  }
  const Tensor mixed = matmul(part(2), transpose(softmax(scores, -1), 2, 3));  // [N,heads,head,HW]
  const Tensor y = reshape(mixed, {n, out_channels, height, width});
  return options.stride == 1 ? y : avg_pool2d(y, {.kernel = options.stride});
}
std::string MHSA::extra_repr() const {
  return options.size ? fmt::format("heads={}, size=({}, {})", options.heads, options.size->h, options.size->w)
                      : fmt::format("heads={}", options.heads);
}

}  // namespace ingot
