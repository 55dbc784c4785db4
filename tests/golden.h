#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>

#include "ingot/io.h"
#include "ingot/ops.h"

// What PyTorch computed, as scripts/golden.py wrote it to tests/golden/.
namespace ingot {

inline const TensorMap& golden(const std::string& file) {
  static std::map<std::string, TensorMap> files;
  const auto [at, is_new] = files.try_emplace(file);
  if (is_new) at->second = load_safetensors(INGOT_SOURCE_DIR "/tests/golden/" + file + ".safetensors").tensors;
  return at->second;
}

/// Every element within `tolerance` of the expected one, relative to the largest of them (at least 1).
inline void expect_close(const Tensor& found, const Tensor& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(found.shape(), expected.shape()) << what;
  const auto values = found.to_vector<double>(), right = expected.to_vector<double>();
  double scale = 1;
  for (const double v : right) scale = std::max(scale, std::abs(v));
  EXPECT_THAT(values, testing::Pointwise(testing::DoubleNear(tolerance * scale), right)) << what;
}

/// A case of scripts/golden.py and the same function here.
struct GoldenCase {
  std::string name;
  std::function<Tensor(const Tensors&)> run;
};
inline void PrintTo(const GoldenCase& c, std::ostream* out) { *out << c.name; }

inline std::string golden_name(const testing::TestParamInfo<GoldenCase>& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

/// Result and gradients in f64 and, on the kernels that are used in earnest, in f32.
inline void expect_golden(const std::string& file, const GoldenCase& c) {
  const TensorMap& tensors = golden(file);
  const auto at = [&](const std::string& part) { return tensors.find(c.name + "/" + part); };
  ASSERT_NE(at("out"), tensors.end()) << c.name << " is not in " << file;
  for (const auto& [dtype, tolerance] : {std::pair(DType::f64, 1e-10), std::pair(DType::f32, 1e-5)}) {
    Tensors inputs, wanted;
    std::vector<Tensor> gradients;
    for (int i = 0; at("in" + std::to_string(i)) != tensors.end(); ++i) {
      const Tensor& in = at("in" + std::to_string(i))->second;
      inputs.push_back(is_floating(in.dtype()) ? contiguous(cast(in, dtype)) : in);
      const auto gradient = at("d" + std::to_string(i));
      if (gradient == tensors.end()) continue;
      wanted.push_back(inputs.back().set_requires_grad());
      gradients.push_back(gradient->second);
    }
    const std::string what = c.name + " in " + std::string(name_of(dtype));
    const Tensor out = c.run(inputs);
    expect_close(out, at("out")->second, tolerance, what);
    const Tensors found = grad({out}, wanted, {cast(at("grad")->second, dtype)});
    for (size_t i = 0; i < wanted.size(); ++i)
      expect_close(found[i], gradients[i], tolerance, what + ", gradient " + std::to_string(i));
  }
}

}  // namespace ingot
