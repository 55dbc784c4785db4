#include <cmath>

#include "ops/attrs.h"
#include "ops/op_row.h"
#include "ops/ops.h"

namespace ingot::test {
namespace {

using Index = std::vector<int64_t>;

/// Loss and weight of each target, as losses.h has them; x [N,C,L], target [N,L].
std::vector<Plain> plain_cross_entropy(const std::vector<Plain>& in, const CrossEntropyAttrs& attrs) {
  const Plain &x = in[0], &target = in[1];
  const int64_t classes = x.shape[1];
  const auto weight = [&](int64_t c) { return in.size() > 2 ? in[2].values[static_cast<size_t>(c)] : 1; };
  const auto counts = [&](const Index& i) { return target.at(i) != static_cast<double>(attrs.ignore_index); };
  const auto loss = [&](const Index& i) {
    if (!counts(i)) return 0.0;
    double total = 0, smooth = 0;
    for (int64_t c = 0; c < classes; ++c) total += std::exp(x.at({i[0], c, i[1]}));
    const auto nll = [&](int64_t c) { return std::log(total) - x.at({i[0], c, i[1]}); };
    for (int64_t c = 0; c < classes; ++c) smooth += weight(c) * nll(c) / static_cast<double>(classes);
    const auto t = static_cast<int64_t>(target.at(i));
    return (1 - attrs.label_smoothing) * weight(t) * nll(t) + attrs.label_smoothing * smooth;
  };
  return {build(target.shape, loss), build(target.shape, [&](const Index& i) {
            return counts(i) ? weight(static_cast<int64_t>(target.at(i))) : 0;
          })};
}

OpRow cross_entropy(std::string name, bool weighted, const CrossEntropyAttrs& attrs) {
  OpRow row{.name = std::move(name),
            .inputs = {Input{5, 6, 3}, Input({5, 3}, Input::index, 6)},
            .run =
                [=](const Tensors& in) {
                  const auto weight = weighted ? std::optional(in[2]) : std::nullopt;
                  const ClassLoss l = cross_entropy_elements(in[0], in[1], weight, attrs);
                  return Tensors{l.loss, l.weight};
                },
            .reference = [=](const std::vector<Plain>& in) { return plain_cross_entropy(in, attrs); },
            .batched = false,  // the target has the batch too
            .tolerance = 4};
  if (weighted) row.inputs.push_back(Input({6}, Input::fixed_positive));
  return row;
}

}  // namespace

std::vector<OpRow> loss_rows() {
  return {
      cross_entropy("cross_entropy", false, {}),
      cross_entropy("cross_entropy_ignore", false, {.ignore_index = 2}),
      cross_entropy("cross_entropy_smoothed", false, {.ignore_index = 2, .label_smoothing = 0.2}),
      cross_entropy("cross_entropy_weighted", true, {.ignore_index = 2, .label_smoothing = 0.2}),
  };
}

}  // namespace ingot::test
