#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "error_of.h"
#include "golden.h"
#include "ingot/init.h"
#include "ingot/ops.h"
#include "ingot/threads.h"
#include "nn/orthonormal.h"

namespace ingot {
namespace {

using testing::Pointwise;

/// The cases of golden values under `prefix`, without what follows the next "/" where `part` is given.
std::vector<std::string> cases(const std::string& prefix, const std::string& part) {
  std::vector<std::string> names;
  for (const auto& [name, x] : golden("init"))
    if (name.starts_with(prefix) && name.ends_with(part)) names.push_back(name.substr(0, name.size() - part.size()));
  return names;
}

double error_of_orthonormality(const Tensor& rows) {
  const Tensor product = matmul(rows, transpose(rows, 0, 1));
  const Tensor identity = eye_(empty(product.shape(), product.dtype()));
  return amax(abs(product - identity)).item<double>();
}

TEST(InitStructured, OrthogonalMatricesArePyTorchsFromTheSameNormalOnes) {
  const auto names = cases("orthogonal/", "/out");
  ASSERT_EQ(names.size(), 5u);
  for (const std::string& name : names) {
    const Tensor& drawn = golden("init").at(name + "/drawn");
    const double gain = golden("init").at(name + "/gain").item<double>();
    const int64_t rows = drawn.size(0).value(), columns = drawn.size(1).value();
    const bool tall = rows >= columns;
    auto vectors = (tall ? contiguous(transpose(drawn, 0, 1)) : drawn).to_vector<double>();
    orthonormalise(vectors, std::min(rows, columns), std::max(rows, columns));
    Tensor q = from_vector(vectors, tall ? Shape{columns, rows} : Shape{rows, columns});
    if (tall) q = transpose(q, 0, 1);
    const Tensor& out = golden("init").at(name + "/out");
    expect_close(q * gain, reshape(out, {rows, columns}), 1e-12, name);
  }
}

TEST(InitStructured, OrthogonalIsTheQOfANormalMatrix) {
  const RandomKey key{5};
  const Tensor x = orthogonal_(empty({70, 3, 5, 5}, DType::f64), 1, key);  // 70 rows of 75
  const Tensor rows = reshape(x, {70, 75}), drawn = normal({70, 75}, 0, 1, key, DType::f64);
  EXPECT_LT(error_of_orthonormality(rows), 1e-14);
  // A^T = QR, so A Q = R^T, lower triangular with a positive diagonal.
  const auto r = matmul(drawn, transpose(rows, 0, 1)).to_vector<double>();
  for (size_t i = 0; i < 70; ++i) {
    EXPECT_GT(r[i * 70 + i], 0);
    for (size_t j = i + 1; j < 70; ++j) EXPECT_NEAR(r[i * 70 + j], 0, 1e-12);
  }
}

TEST(InitStructured, OrthogonalColumnsWhereThereAreMoreRowsAndAGain) {
  const Tensor x = orthogonal_(empty({300, 40}), 3, RandomKey{1});
  EXPECT_LT(error_of_orthonormality(transpose(x, 0, 1) / 3), 1e-6);
  EXPECT_EQ(orthogonal_(empty({0, 4})).numel(), 0);
  EXPECT_EQ(error_of([] { orthogonal_(empty({4})); }), "orthogonal_ needs two dimensions or more, this tensor is [4]");
}

TEST(InitStructured, OrthogonalBitsDoNotDependOnThreads) {
  const int before = num_threads();
  const auto draw = [] { return orthogonal_(empty({200, 300}), 1, RandomKey{2}).to_vector<float>(); };
  set_num_threads(1);
  const auto one = draw();
  set_num_threads(2);
  EXPECT_EQ(draw(), one);
  set_num_threads(before);
}

TEST(InitStructured, DiracAndEyeArePyTorchs) {
  const auto names = cases("dirac/", "");
  ASSERT_EQ(names.size(), 5u);
  for (const std::string& name : names) {
    const Tensor& expected = golden("init").at(name);
    const Tensor x = dirac_(empty(expected.shape()), std::stoi(name.substr(name.rfind('/') + 1)));
    EXPECT_EQ(x.to_vector<float>(), expected.to_vector<float>()) << name;
  }
  for (const char* name : {"eye/3x5", "eye/4x2"}) {
    const Tensor& expected = golden("init").at(name);
    EXPECT_EQ(eye_(empty(expected.shape())).to_vector<float>(), expected.to_vector<float>()) << name;
  }
}

TEST(InitStructured, ADiracConvolutionHandsItsInputOn) {
  const Tensor x = normal({2, 4, 6, 5}, 0, 1, RandomKey{1});
  const Tensor y = conv2d(x, dirac_(empty({4, 4, 3, 3})), {}, {.padding = 1});
  EXPECT_EQ(y.to_vector<float>(), x.to_vector<float>());
  const Tensor grouped = conv2d(x, dirac_(empty({4, 2, 3, 3}), 2), {}, {.padding = 1, .groups = 2});
  EXPECT_EQ(grouped.to_vector<float>(), x.to_vector<float>());
}

TEST(InitStructured, SparseColumnsHaveTheirShareOfZeros) {
  const Tensor x = sparse_(empty({300, 100}), {.sparsity = 0.35, .std = 2}, RandomKey{1});
  const auto values = x.to_vector<float>();
  std::vector<int> zeros(100), by_row(300);
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] == 0) ++zeros[i % 100], ++by_row[i / 100];
  EXPECT_THAT(zeros, testing::Each(105));
  EXPECT_LT(*std::max_element(by_row.begin(), by_row.end()), 60);  // of 35 +- 5, were all drawn apart
  const auto expected = golden("init").at("sparse").to_vector<double>();
  EXPECT_NEAR(mean(x).item<double>(), 0, 0.04);
  EXPECT_NEAR(std::sqrt(var(x).item<double>()), expected[1], 0.02 * expected[1]);
  EXPECT_NEAR(mean(abs(x)).item<double>(), expected[2], 0.02 * expected[2]);
  EXPECT_EQ(amax(abs(sparse_(x, {.sparsity = 1}))).item<double>(), 0);
}

TEST(InitStructured, ShapesAreChecked) {
  EXPECT_EQ(error_of([] { eye_(empty({2, 2, 2})); }), "eye_ is for two dimensions, this tensor is [2, 2, 2]");
  EXPECT_EQ(error_of([] { sparse_(empty({4}), {.sparsity = 0.1}); }),
            "sparse_ is for two dimensions, this tensor is [4]");
  EXPECT_EQ(error_of([] { dirac_(empty({4, 4})); }), "dirac_ is for 3 to 5 dimensions, this tensor is [4, 4]");
  EXPECT_EQ(error_of([] { dirac_(empty({4, 4, 3}), 3); }), "dirac_: 4 outputs do not divide into 3 groups");
}

}  // namespace
}  // namespace ingot
