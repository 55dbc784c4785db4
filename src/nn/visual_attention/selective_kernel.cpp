#include <algorithm>

#include "nn/visual_attention/parts.h"

namespace ingot {

SelectiveKernel::SelectiveKernel(int64_t in, int64_t out, const SelectiveKernelOptions& o)
    : select([&] {
        require(o.branches > 1, "SelectiveKernel", "branches is {}, there must be at least 2 to select from",
                o.branches);
        require(o.reduction > 0 && o.least > 0, "SelectiveKernel", "reduction {} and least {} must be positive",
                o.reduction, o.least);
        return Conv2d(std::max(out / o.reduction, o.least), o.branches * out, 1, {.bias = false});
      }()) {
  child("paths", paths);
  for (int64_t i = 1; i <= o.branches; ++i)
    paths.append(Sequential(
        Conv2d(in, out, 3,
               {.stride = o.stride, .padding = i, .dilation = i, .groups = o.groups.value_or(1), .bias = false}),
        BatchNorm2d(out), ReLU()));
  const int64_t hidden = select.in_channels;
  reduce = Sequential(Conv2d(out, hidden, 1, {.bias = false}), BatchNorm2d(hidden), ReLU());
  child("reduce", reduce);
  child("select", select);
}

Tensor SelectiveKernel::forward(const Tensor& x) {
  Tensors seen;
  for (size_t i = 0; i < paths.size(); ++i) seen.push_back(paths[static_cast<int64_t>(i)].call({x})[0]);
  Tensor all = seen[0];
  for (size_t i = 1; i < seen.size(); ++i) all = all + seen[i];
  const Tensor scores = select(reduce(mean(all, {2, 3}, true)));  // [N,branches*out,1,1]
  const auto branches = static_cast<int64_t>(seen.size());
  const Tensor weights = softmax(reshape(scores, {x.shape()[0], branches, all.shape()[1], 1, 1}), 1);
  Tensor y;
  for (int64_t i = 0; i < branches; ++i) {
    const Tensor part = seen[static_cast<size_t>(i)] * ingot::select(weights, 1, i);
    y = y.defined() ? y + part : part;
  }
  return y;
}

}  // namespace ingot
