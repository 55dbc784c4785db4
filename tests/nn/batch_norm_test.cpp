#include "golden.h"
#include "ingot/nn.h"

namespace ingot {
namespace {

struct NormCase {
  std::string name;
  std::function<std::unique_ptr<BatchNormBase>()> make;
};

template <class Norm>
NormCase norm_case(const std::string& name, int64_t channels, const BatchNormOptions& options = {}) {
  return {name, [=] { return std::make_unique<Norm>(channels, options); }};
}

class BatchNorms : public testing::TestWithParam<NormCase> {};

// Three batches in training and one in eval(), each with its gradients and the buffers that it left.
TEST_P(BatchNorms, ArePyTorchsOverSeveralBatches) {
  const TensorMap& file = golden("batch_norm");
  for (const auto& [dtype, tolerance] : {std::pair(DType::f64, 1e-10), std::pair(DType::f32, 1e-5)}) {
    const auto norm = GetParam().make();
    norm->to(dtype);
    for (auto& [name, parameter] : norm->named_parameters())
      copy_into(parameter, file.at(GetParam().name + "/" + name));
    for (int step = 0; step < 4; ++step) {
      const std::string at = GetParam().name + "/" + std::to_string(step) + "/";
      const std::string what = at + std::string(name_of(dtype));
      norm->train(step < 3);
      Tensor x = contiguous(cast(file.at(at + "x"), dtype)).set_requires_grad();
      const Tensor y = norm->call({x})[0];
      expect_close(y, file.at(at + "y"), tolerance, what);
      Tensors inputs{x};
      for (const Tensor& parameter : norm->parameters()) inputs.push_back(parameter);
      const Tensors gradients = grad({y}, inputs, {cast(file.at(at + "grad"), dtype)});
      for (size_t i = 0; i < inputs.size(); ++i)
        expect_close(gradients[i], file.at(at + "d" + std::to_string(i)), tolerance, what);
      for (const auto& [name, buffer] : norm->named_buffers())
        expect_close(buffer, file.at(at + name), tolerance, what + " " + name);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, BatchNorms,
                         testing::Values(norm_case<BatchNorm2d>("plain", 3),
                                         norm_case<BatchNorm2d>("cumulative", 3, {.momentum = std::nullopt}),
                                         norm_case<BatchNorm2d>("options", 2,
                                                                {.eps = 1e-2, .momentum = 0.3, .affine = false}),
                                         norm_case<BatchNorm2d>("untracked", 2, {.track_running_stats = false}),
                                         norm_case<BatchNorm2d>("one_sample", 3), norm_case<BatchNorm1d>("vectors", 4),
                                         norm_case<BatchNorm1d>("sequences", 3)),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ingot
