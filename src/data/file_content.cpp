#include "data/file_content.h"

#include "data/copy.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

Tensor select_rows(const Tensor& x, const std::vector<int64_t>& kept) {
  Shape shape = x.shape();
  shape[0] = static_cast<int64_t>(kept.size());
  const Tensor out = empty(shape, x.dtype(), x.layout());
  for (size_t k = 0; k < kept.size(); ++k)
    copy_elements(row_array(x, kept[k]), row_array(out, static_cast<int64_t>(k)));
  return out;
}

}  // namespace

FileDataset::FileDataset(const FileContent& content)
    : TensorDataset(content.inputs, content.targets), skipped_(content.skipped) {}

FileContent without_bad(const Tensor& inputs, const Tensor& targets, const std::vector<int64_t>& kept,
                        const BadSamples& bad) {
  if (bad.count() == 0) return {inputs, targets};
  bad.report(inputs.size(0));
  return {select_rows(inputs, kept), select_rows(targets, kept), bad.count()};
}

}  // namespace ingot
