#include <cmath>

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
  return rows;
}

}  // namespace ingot::test
