#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include "base/isa.h"
#include "base/parallel.h"
#include "kernels/matmul_cases.h"

namespace ingot::kernels {
namespace {

void check(const Row& row, DType dtype, Form a_form, Form b_form, Form y_form, bool with_bias) {
  Operand a(dtype, row.a, a_form), b(dtype, row.b, b_form), y(dtype, row.y, y_form), expected(dtype, row.y, y_form);
  a.box().randomize(1);
  b.box().randomize(2);
  const Box bias = std::move(Box(dtype, {row.y.back()}).randomize(3));
  const Array bias_array = with_bias ? bias.array() : Array{};
  GuardedScratch scratch(matmul_scratch(a.array(), b.array(), bias_array, y.array()));
  matmul(a.array(), b.array(), bias_array, y.array(), scratch.data());
  EXPECT_TRUE(scratch.guard_holds());
  constexpr int64_t kLarge = 1000;  // products, above which oneDNN must take it
  if (dtype != DType::f64 && row.a.back() * expected.array().numel() > kLarge) {
    EXPECT_NE(matmul_implementation(a.array(), b.array(), bias_array, y.array()), "plain");
  }
  matmul_reference(a.array(), b.array(), bias_array, expected.array());
  expect_close(y.box(), expected.box(), static_cast<double>(row.a.back() + 1));
}

TEST(Matmul, MatchesThePlainKernel) {
  for (const Row& row : kRows)
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64})
      for (const Form a : kForms)
        for (const Form b : kForms)
          for (const Form y : kForms) {
            const int forms = static_cast<int>(a) + static_cast<int>(b) + static_cast<int>(y);
            SCOPED_TRACE(testing::Message() << text(row) << name_of(dtype) << " forms " << static_cast<int>(a)
                                            << static_cast<int>(b) << static_cast<int>(y));
            check(row, dtype, a, b, y, forms % 2 == 1);
          }
}

TEST(Matmul, ReferenceIsTheDefinition) {
  const Box a = std::move(Box(DType::f64, {2, 2}).assign({1, 2, 3, 4}));
  const Box b = std::move(Box(DType::f64, {2, 3}).assign({1, 10, 100, 5, 50, 500}));
  const Box bias = std::move(Box(DType::f64, {3}).assign({.25, .5, .75}));
  const Box y(DType::f64, {2, 3});
  matmul_reference(a, b, bias, y);
  EXPECT_EQ(y.values(), (std::vector<double>{11.25, 110.5, 1100.75, 23.25, 230.5, 2300.75}));
}

TEST(Matmul, BroadcastsByStrideZero) {
  Box a(DType::f32, {1, 33, 40}), b(DType::f32, {6, 40, 35}), y(DType::f32, {6, 33, 35}),
      expected(DType::f32, {6, 33, 35});
  a.randomize(1);
  b.randomize(2);
  Array repeated = a;
  repeated.shape[0] = 6;
  repeated.strides[0] = 0;
  GuardedScratch scratch(matmul_scratch(repeated, b, {}, y));
  matmul(repeated, b, {}, y, scratch.data());
  matmul_reference(a, b, {}, expected);
  expect_close(y, expected, 40);
}

TEST(Matmul, RepeatedRowsAndColumnsAreCopied) {
  Box a(DType::f32, {1, 40}), b(DType::f32, {40, 1}), y(DType::f32, {33, 35}), expected(DType::f32, {33, 35});
  a.randomize(1);
  b.randomize(2);
  Array tall = a, wide = b;
  tall.shape[0] = 33;
  wide.shape[1] = 35;
  tall.strides[0] = wide.strides[1] = 0;
  GuardedScratch scratch(matmul_scratch(tall, wide, {}, y));
  matmul(tall, wide, {}, y, scratch.data());
  matmul_reference(tall, wide, {}, expected);
  expect_close(y, expected, 40);
}

TEST(Matmul, LinearMultipliesByTheTransposedWeight) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    const Box x = std::move(Box(dtype, {2, 14, 65}).randomize(1)),
              weight = std::move(Box(dtype, {13, 65}).randomize(2));
    const Box bias = std::move(Box(dtype, {13}).randomize(3));
    const Box y(dtype, {2, 14, 13}), expected(dtype, {2, 14, 13});
    GuardedScratch scratch(linear_scratch(x, weight, bias, y));
    linear(x, weight, bias, y, scratch.data());
    Array transposed = weight;
    std::swap(transposed.shape[0], transposed.shape[1]);
    std::swap(transposed.strides[0], transposed.strides[1]);
    matmul_reference(x, transposed, bias, expected);
    expect_close(y, expected, 66);
  }
}

TEST(Matmul, EmptyResultsAreNoWork) {
  const Box a(DType::f32, {0, 5}), b(DType::f32, {5, 3}), y(DType::f32, {0, 3});
  EXPECT_EQ(matmul_scratch(a, b, {}, y), 0u);
  matmul(a, b, {}, y, nullptr);
  EXPECT_TRUE(y.guards_hold());
}

TEST(Matmul, F64HasTheSameBitsForAnyThreadCountAndBatch) {
  const int threads = num_threads();
  const Box a = std::move(Box(DType::f64, {3, 77, 50}).randomize(1)),
            b = std::move(Box(DType::f64, {50, 29}).randomize(2));
  std::vector<std::vector<double>> results;
  for (const int count : {1, 2, 3}) {
    set_num_threads(count);
    const Box y(DType::f64, {3, 77, 29});
    matmul(a, b, {}, y, nullptr);
    results.push_back(y.values());
  }
  set_num_threads(threads);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
  Array first = a;
  first.shape[0] = 1;
  const Box y(DType::f64, {1, 77, 29});
  matmul(first, b, {}, y, nullptr);
  EXPECT_EQ(y.values(), std::vector<double>(results[0].begin(), results[0].begin() + 77 * 29));
}

TEST(Matmul, UsualShapesRunFastImplementations) {
  const Row usual[] = {{{64, 3136}, {3136, 128}, {64, 128}},
                       {{1, 2048}, {2048, 1000}, {1, 1000}},
                       {{12, 197, 64}, {12, 64, 197}, {12, 197, 197}},
                       {{512, 512}, {512, 512}, {512, 512}}};
  const auto is_fast = [](const std::string& name) { return name != "plain" && !name.starts_with("ref"); };
  for (const Row& row : usual)
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const Form b_form : kForms)
        for (const Form y_form : kForms) {
          SCOPED_TRACE(text(row));
          const Operand a(dtype, row.a, Form::rows), b(dtype, row.b, b_form), y(dtype, row.y, y_form);
          EXPECT_PRED1(is_fast, matmul_implementation(a.array(), b.array(), {}, y.array()));
        }
}

TEST(Matmul, OurProductsRunWhereOneDnnIsSlow) {
  const bool is_avx2 = active_isa() == Isa::avx2;
  for (const auto& [rows, by_rows] : {std::pair{127, true}, {128, true}, {256, true}, {257, true}, {128, false}}) {
    Operand a(DType::f32, {rows, 13}, Form::rows), b(DType::f32, {13, 2048}, by_rows ? Form::rows : Form::columns);
    const Box y(DType::f32, {rows, 2048}), expected(DType::f32, {rows, 2048});
    a.box().randomize(1), b.box().randomize(2);
    const bool ours = is_avx2 && by_rows && rows >= 128 && rows <= 256;
    EXPECT_EQ(matmul_implementation(a.array(), b.array(), {}, y) == "gemm", ours) << rows;
    GuardedScratch scratch(matmul_scratch(a.array(), b.array(), {}, y));
    matmul(a.array(), b.array(), {}, y, scratch.data());
    EXPECT_TRUE(scratch.guard_holds());
    matmul_reference(a.array(), b.array(), {}, expected);
    expect_close(y, expected, 14);
  }
}

}  // namespace
}  // namespace ingot::kernels
