#include "ops/op_row.h"

namespace ingot::test {
namespace {

using Index = std::vector<int64_t>;

OpRow shape_row(std::string name, std::vector<Input> inputs, std::function<Tensor(const Tensors&)> run,
                std::function<Plain(const std::vector<Plain>&)> reference, bool batched = true) {
  return {.name = std::move(name),
          .inputs = std::move(inputs),
          .run = [run](const Tensors& in) { return Tensors{run(in)}; },
          .reference = [reference](const std::vector<Plain>& in) { return std::vector{reference(in)}; },
          .batched = batched,
          .tolerance = 0.001};
}

}  // namespace

std::vector<OpRow> shape_rows() {
  const Input x{4, 6, 5, 3};
  std::vector<OpRow> rows{
      shape_row(
          "reshape", {x}, [](const Tensors& in) { return reshape(in[0], {0, 2, -1}); },
          [](const std::vector<Plain>& in) { return Plain{{4, 2, 45}, in[0].values}; }, false),
      shape_row(
          "reshape_to_4d", {Input{4, 90}}, [](const Tensors& in) { return reshape(in[0], {0, 6, 5, 3}); },
          [](const std::vector<Plain>& in) { return Plain{{4, 6, 5, 3}, in[0].values}; }),
      shape_row(
          "flatten", {x}, [](const Tensors& in) { return flatten(in[0], 1); },
          [](const std::vector<Plain>& in) { return Plain{{4, 90}, in[0].values}; }),
      shape_row(
          "permute", {x}, [](const Tensors& in) { return permute(in[0], {2, 0, 3, 1}); },
          [](const std::vector<Plain>& in) {
            return build({5, 4, 3, 6}, [&](const Index& i) { return in[0].at({i[1], i[3], i[0], i[2]}); });
          }),
      shape_row(
          "expand", {Input{4, 1, 5}}, [](const Tensors& in) { return expand(in[0], {2, -1, 3, -1}); },
          [](const std::vector<Plain>& in) {
            return build({2, 4, 3, 5}, [&](const Index& i) { return in[0].at({i[1], 0, i[3]}); });
          }),
      shape_row(
          "slice", {x}, [](const Tensors& in) { return slice(in[0], 1, 1, 5); },
          [](const std::vector<Plain>& in) {
            return build({4, 4, 5, 3}, [&](const Index& i) { return in[0].at({i[0], i[1] + 1, i[2], i[3]}); });
          }),
      shape_row(
          "slice_step", {x}, [](const Tensors& in) { return slice(in[0], 2, -4, 100, 2); },
          [](const std::vector<Plain>& in) {
            return build({4, 6, 2, 3}, [&](const Index& i) { return in[0].at({i[0], i[1], 1 + 2 * i[2], i[3]}); });
          }),
      shape_row(
          "select", {x}, [](const Tensors& in) { return select(in[0], 1, -2); },
          [](const std::vector<Plain>& in) {
            return build({4, 5, 3}, [&](const Index& i) { return in[0].at({i[0], 4, i[1], i[2]}); });
          }),
      shape_row(
          "concat_channels", {Input{4, 2, 3, 5}, Input{4, 3, 3, 5}, Input{4, 1, 3, 5}},
          [](const Tensors& in) { return concat(in, 1); },
          [](const std::vector<Plain>& in) {
            return build({4, 6, 3, 5}, [&](const Index& i) {
              const size_t which = i[1] < 2 ? 0 : i[1] < 5 ? 1 : 2;
              const int64_t start[] = {0, 2, 5};
              return in[which].at({i[0], i[1] - start[which], i[2], i[3]});
            });
          }),
      shape_row(
          "concat_same_twice", {Input{4, 2, 3, 5}}, [](const Tensors& in) { return concat({in[0], in[0]}, 3); },
          [](const std::vector<Plain>& in) {
            return build({4, 2, 3, 10}, [&](const Index& i) { return in[0].at({i[0], i[1], i[2], i[3] % 5}); });
          }),
      shape_row(
          "stack", {Input{4, 5}, Input{4, 5}}, [](const Tensors& in) { return stack(in, 1); },
          [](const std::vector<Plain>& in) {
            return build({4, 2, 5}, [&](const Index& i) { return in[static_cast<size_t>(i[1])].at({i[0], i[2]}); });
          }),
      shape_row(
          "pad", {x}, [](const Tensors& in) { return pad(in[0], {0, 1, 0, 2}, {0, 0, 3, 1}, 1.5); },
          [](const std::vector<Plain>& in) {
            return build({4, 7, 8, 6}, [&](const Index& i) {
              const Index from{i[0], i[1] - 1, i[2], i[3] - 2};
              return from[1] < 0 || from[2] >= 5 || from[3] < 0 || from[3] >= 3 ? 1.5 : in[0].at(from);
            });
          }),
      shape_row(
          "pad_cuts", {x}, [](const Tensors& in) { return pad(in[0], {0, -1, 2, 0}, {0, -2, -1, -1}); },
          [](const std::vector<Plain>& in) {
            return build({4, 3, 6, 2},
                         [&](const Index& i) { return i[2] < 2 ? 0.0 : in[0].at({i[0], i[1] + 1, i[2] - 2, i[3]}); });
          }),
      shape_row(
          "contiguous", {x}, [](const Tensors& in) { return contiguous(transpose(in[0], 2, 3)); },
          [](const std::vector<Plain>& in) {
            return build({4, 6, 3, 5}, [&](const Index& i) { return in[0].at({i[0], i[1], i[3], i[2]}); });
          }),
      shape_row(
          "gather", {Input{4, 6, 5}, Input({4, 3, 5}, Input::index, 6)},
          [](const Tensors& in) { return gather(in[0], 1, in[1]); },
          [](const std::vector<Plain>& in) {
            return build({4, 3, 5}, [&](const Index& i) { return in[0].at({i[0], int64_t(in[1].at(i)), i[2]}); });
          }),
      shape_row(
          "one_hot", {Input({4, 3}, Input::index, 5)}, [](const Tensors& in) { return one_hot(in[0], 5); },
          [](const std::vector<Plain>& in) {
            return build({4, 3, 5}, [&](const Index& i) { return double(int64_t(in[0].at({i[0], i[1]})) == i[2]); });
          }),
  };
  rows.back().gradient = Gradient::none;
  return rows;
}

}  // namespace ingot::test
