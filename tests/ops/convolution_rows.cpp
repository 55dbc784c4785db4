#include <cmath>

#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/op_row.h"

namespace ingot::test {
namespace {

using Index = std::vector<int64_t>;

Plain plain_conv(const Plain& x, const Plain& w, const Plain* bias, const Conv2dOptions& o) {
  const auto out = [](int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads) {
    return (size + pads - dilation * (kernel - 1) - 1) / stride + 1;
  };
  const int64_t out_channels = w.shape[0], per_group = out_channels / o.groups;
  return build({x.shape[0], out_channels,
                out(x.shape[2], w.shape[2], o.stride.h, o.dilation.h, o.padding.top + o.padding.bottom),
                out(x.shape[3], w.shape[3], o.stride.w, o.dilation.w, o.padding.left + o.padding.right)},
               [&](const Index& i) {
                 double total = bias ? bias->at({i[1]}) : 0;
                 const int64_t first = i[1] / per_group * w.shape[1];
                 for (int64_t c = 0; c < w.shape[1]; ++c)
                   for (int64_t u = 0; u < w.shape[2]; ++u)
                     for (int64_t v = 0; v < w.shape[3]; ++v) {
                       const int64_t h = i[2] * o.stride.h + u * o.dilation.h - o.padding.top,
                                     k = i[3] * o.stride.w + v * o.dilation.w - o.padding.left;
                       if (h >= 0 && h < x.shape[2] && k >= 0 && k < x.shape[3])
                         total += x.at({i[0], first + c, h, k}) * w.at({i[1], c, u, v});
                     }
                 return total;
               });
}

Plain plain_conv_transpose(const Plain& x, const Plain& w, const Plain& bias, const ConvTranspose2dOptions& o) {
  const auto out = [](int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads, int64_t extra) {
    return (size - 1) * stride - pads + dilation * (kernel - 1) + extra + 1;
  };
  const int64_t per_group = x.shape[1] / o.groups;
  return build(
      {x.shape[0], w.shape[1] * o.groups,
       out(x.shape[2], w.shape[2], o.stride.h, o.dilation.h, o.padding.top + o.padding.bottom, o.output_padding.h),
       out(x.shape[3], w.shape[3], o.stride.w, o.dilation.w, o.padding.left + o.padding.right, o.output_padding.w)},
      [&](const Index& i) {
        double total = bias.at({i[1]});
        const int64_t group = i[1] / w.shape[1];
        for (int64_t c = group * per_group; c < (group + 1) * per_group; ++c)
          for (int64_t u = 0; u < w.shape[2]; ++u)
            for (int64_t v = 0; v < w.shape[3]; ++v) {
              const int64_t h = i[2] + o.padding.top - u * o.dilation.h, k = i[3] + o.padding.left - v * o.dilation.w;
              if (h % o.stride.h != 0 || k % o.stride.w != 0) continue;
              const int64_t a = h / o.stride.h, b = k / o.stride.w;
              if (h >= 0 && k >= 0 && a < x.shape[2] && b < x.shape[3])
                total += x.at({i[0], c, a, b}) * w.at({c, i[1] % w.shape[1], u, v});
            }
        return total;
      });
}

Plain plain_conv3d(const Plain& x, const Plain& w, const Plain& bias, const Conv3dOptions& o) {
  const auto out = [](int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad) {
    return (size + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  };
  const int64_t per_group = w.shape[0] / o.groups;
  return build({x.shape[0], w.shape[0], out(x.shape[2], w.shape[2], o.stride.d, o.dilation.d, o.padding.d),
                out(x.shape[3], w.shape[3], o.stride.h, o.dilation.h, o.padding.h),
                out(x.shape[4], w.shape[4], o.stride.w, o.dilation.w, o.padding.w)},
               [&](const Index& i) {
                 double total = bias.at({i[1]});
                 each_index({w.shape[1], w.shape[2], w.shape[3], w.shape[4]}, [&](const Index& k) {
                   const int64_t d = i[2] * o.stride.d + k[1] * o.dilation.d - o.padding.d,
                                 h = i[3] * o.stride.h + k[2] * o.dilation.h - o.padding.h,
                                 v = i[4] * o.stride.w + k[3] * o.dilation.w - o.padding.w;
                   if (d >= 0 && d < x.shape[2] && h >= 0 && h < x.shape[3] && v >= 0 && v < x.shape[4])
                     total += x.at({i[0], i[1] / per_group * w.shape[1] + k[0], d, h, v}) *
                              w.at({i[1], k[0], k[1], k[2], k[3]});
                 });
                 return total;
               });
}

OpRow conv(std::string name, std::vector<Input> inputs, Conv2dOptions options) {
  return {.name = std::move(name),
          .inputs = inputs,
          .run =
              [options](const Tensors& in) {
                return Tensors{conv2d(in[0], in[1], in.size() > 2 ? std::optional(in[2]) : std::nullopt, options)};
              },
          .reference =
              [options](const std::vector<Plain>& in) {
                return std::vector{plain_conv(in[0], in[1], in.size() > 2 ? &in[2] : nullptr, options)};
              },
          .onednn_split = true,
          .tolerance = 4};
}

}  // namespace

std::vector<OpRow> convolution_rows() {
  std::vector<OpRow> rows{
      conv("conv2d", {Input{2, 3, 5, 7}, Input{4, 3, 3, 3}, Input{4}}, {.padding = 1}),
      conv("conv2d_strided", {Input{2, 4, 7, 6}, Input{6, 4, 3, 2}}, {.stride = {2, 3}, .padding = {1, 0, 2, 1}}),
      conv("conv2d_grouped", {Input{2, 4, 5, 5}, Input{6, 2, 3, 3}, Input{6}},
           {.padding = 2, .dilation = 2, .groups = 2}),
      conv("conv2d_depthwise", {Input{2, 5, 6, 5}, Input{5, 1, 3, 3}, Input{5}},
           {.stride = 2, .padding = 1, .groups = 5}),
      conv("conv2d_1x1", {Input{3, 5, 4, 3}, Input{7, 5, 1, 1}}, {}),
  };
  const Conv2dOptions padded{.padding = 1};
  rows.push_back({.name = "conv2d_fused",
                  .inputs = {Input{2, 3, 5, 7}, Input{4, 3, 3, 3}, Input{4}, Input{2, 4, 5, 7}},
                  .run =
                      [=](const Tensors& in) {
                        return Tensors{conv2d_fused(in[0], in[1], in[2], in[3], padded, Activation::silu)};
                      },
                  .reference =
                      [=](const std::vector<Plain>& in) {
                        const Plain y = zip(plain_conv(in[0], in[1], &in[2], padded), in[3], std::plus<>());
                        return std::vector{map(y, [](double v) { return v / (1 + std::exp(-v)); })};
                      },
                  .onednn_split = true,
                  .tolerance = 4});
  rows.push_back(
      {.name = "conv2d_fused_relu",
       .inputs = {Input{2, 3, 5, 7}, Input{4, 3, 3, 3}},
       .run = [=](const Tensors& in) { return Tensors{conv2d_fused(in[0], in[1], {}, {}, padded, Activation::relu)}; },
       .reference =
           [=](const std::vector<Plain>& in) {
             return std::vector{
                 map(plain_conv(in[0], in[1], nullptr, padded), [](double v) { return std::max(v, 0.0); })};
           },
       .onednn_split = true,
       .tolerance = 4});
  const Conv2dOptions depthwise{.stride = 2, .padding = 1, .groups = 3};
  rows.push_back(
      {.name = "conv2d_depthwise_pointwise",
       .inputs = {Input{2, 3, 5, 7}, Input{3, 1, 3, 3}, Input{3}, Input{4, 3, 1, 1}, Input{4}, Input{2, 4, 3, 4}},
       .run =
           [](const Tensors& in) {
             DepthwisePointwiseAttrs attrs;
             attrs.stride = Pair(2), attrs.padding = Pads(1), attrs.groups = 3;
             attrs.activation = Activation::tanh;
             attrs.pointwise_activation = Activation::silu;
             return Tensors{apply(kConv2dDepthwisePointwise, in, attrs)};
           },
       .reference =
           [=](const std::vector<Plain>& in) {
             const Plain between =
                 map(plain_conv(in[0], in[1], &in[2], depthwise), [](double v) { return std::tanh(v); });
             const Plain y = zip(plain_conv(between, in[3], &in[4], {}), in[5], std::plus<>());
             return std::vector{map(y, [](double v) { return v / (1 + std::exp(-v)); })};
           },
       .onednn_split = true,
       .tolerance = 4});
  const Conv2dOptions shared{.stride = 2, .padding = 1};
  rows.push_back({.name = "conv2d_siblings",
                  .inputs = {Input{2, 3, 5, 7}, Input{4, 3, 1, 3}, Input{4}, Input{2, 4, 4, 4}, Input{5, 3, 1, 3}},
                  .run =
                      [](const Tensors& in) {
                        ConvSiblingsAttrs attrs;
                        attrs.stride = Pair(2), attrs.padding = Pads(1);
                        attrs.activations = {Activation::tanh, Activation::none};
                        return apply_all(kConv2dSiblings, {in[0], in[1], in[2], in[3], in[4]}, attrs);
                      },
                  .reference =
                      [=](const std::vector<Plain>& in) {
                        const Plain y = zip(plain_conv(in[0], in[1], &in[2], shared), in[3], std::plus<>());
                        return std::vector{map(y, [](double v) { return std::tanh(v); }),
                                           plain_conv(in[0], in[4], nullptr, shared)};
                      },
                  .onednn_split = true,
                  .tolerance = 4});
  const ConvTranspose2dOptions transposed{
      .stride = {2, 3}, .padding = {1, 0, 0, 1}, .output_padding = {1, 0}, .dilation = {1, 2}, .groups = 2};
  rows.push_back({.name = "conv_transpose2d",
                  .inputs = {Input{2, 4, 3, 5}, Input{4, 3, 3, 2}, Input{6}},
                  .run = [=](const Tensors& in) { return Tensors{conv_transpose2d(in[0], in[1], in[2], transposed)}; },
                  .reference =
                      [=](const std::vector<Plain>& in) {
                        return std::vector{plain_conv_transpose(in[0], in[1], in[2], transposed)};
                      },
                  .onednn_split = true,
                  .tolerance = 4});
  // Rows and columns that output_padding brings back from beyond the padding: more of them than strides reach.
  const ConvTranspose2dOptions uncovered{.padding = {1, 0, 1, 2}, .output_padding = {1, 2}, .dilation = {2, 3}};
  rows.push_back({.name = "conv_transpose2d_uncovered",
                  .inputs = {Input{2, 3, 3, 4}, Input{3, 2, 2, 2}, Input{2}},
                  .run = [=](const Tensors& in) { return Tensors{conv_transpose2d(in[0], in[1], in[2], uncovered)}; },
                  .reference =
                      [=](const std::vector<Plain>& in) {
                        return std::vector{plain_conv_transpose(in[0], in[1], in[2], uncovered)};
                      },
                  .onednn_split = true,
                  .tolerance = 4});
  const Conv3dOptions volume{.stride = {2, 1, 2}, .padding = {1, 0, 1}, .dilation = {1, 2, 1}, .groups = 2};
  rows.push_back(
      {.name = "conv3d",
       .inputs = {Input{2, 4, 4, 5, 3}, Input{6, 2, 3, 2, 2}, Input{6}},
       .run = [=](const Tensors& in) { return Tensors{conv3d(in[0], in[1], in[2], volume)}; },
       .reference =
           [=](const std::vector<Plain>& in) { return std::vector{plain_conv3d(in[0], in[1], in[2], volume)}; },
       .onednn_split = true,
       .tolerance = 4});
  return rows;
}

}  // namespace ingot::test
