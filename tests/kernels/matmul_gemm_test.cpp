#include "kernels/matmul_gemm.h"

#include <gtest/gtest.h>

#include "cases.h"
#include "ingot/threads.h"
#include "kernels/matmul.h"
#include "kernels/matmul_cases.h"

namespace ingot::kernels {
namespace {

/// With guard bytes around the scratch.
void run(const Array& a, const Array& b, const Array& bias, const Array& y) {
  ASSERT_TRUE(matmul_gemm_supports(a, b, bias, y));
  GuardedScratch scratch(matmul_gemm_scratch(a, b, bias, y));
  matmul_gemm(a, b, bias, y, scratch.data());
  EXPECT_TRUE(scratch.guard_holds());
}

enum class Bias { none, dense, strided };

void check(const Row& row, Form a_form, Form b_form, Form y_form, Bias bias_form) {
  SCOPED_TRACE(testing::Message() << text(row) << "forms " << static_cast<int>(a_form) << static_cast<int>(b_form)
                                  << static_cast<int>(y_form) << " bias " << static_cast<int>(bias_form));
  Operand a(DType::f32, row.a, a_form), b(DType::f32, row.b, b_form), y(DType::f32, row.y, y_form),
      expected(DType::f32, row.y, y_form);
  a.box().randomize(1);
  b.box().randomize(2);
  const Box values = std::move(Box(DType::f32, {row.y.back(), 3}).randomize(3));
  Array bias;
  if (bias_form != Bias::none)
    bias = {.data = values.array().data,
            .rank = 1,
            .shape = {row.y.back()},
            .strides = {bias_form == Bias::strided ? 3 : 1}};
  run(a.array(), b.array(), bias, y.array());
  matmul_reference(a.array(), b.array(), bias, expected.array());
  expect_close(y.box(), expected.box(), static_cast<double>(row.a.back() + 1));
}

TEST(MatmulGemm, MatchesThePlainKernel) {
  for (const Row& row : kRows)
    for (const Form a : kForms)
      for (const Form b : kForms)
        for (const Form y : kForms)
          check(row, a, b, y, static_cast<Bias>((static_cast<int>(a) + static_cast<int>(b) + static_cast<int>(y)) % 3));
}

// Sums in several pieces, several blocks of rows, columns that are packed ahead.
TEST(MatmulGemm, LargeShapes) {
  const Row rows[] = {{{61, 850}, {850, 45}, {61, 45}},
                      {{2, 131, 1601}, {2, 1601, 23}, {2, 131, 23}},
                      {{497, 70}, {70, 509}, {497, 509}},
                      {{13, 2050}, {2050, 1}, {13, 1}}};
  for (const Row& row : rows)
    for (const Form a : {Form::rows, Form::columns})
      for (const Form b : {Form::rows, Form::columns})
        for (const Form y : kForms) check(row, a, b, y, y == Form::leading ? Bias::dense : Bias::none);
}

TEST(MatmulGemm, RandomShapes) {
  std::mt19937 random(4);
  const auto pick = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<unsigned>(high - low + 1));
  };
  const auto form = [&] { return kForms[random() % std::size(kForms)]; };
  for (int i = 0; i < test::cases(100); ++i) {
    const int64_t batch = pick(1, 3), m = pick(1, 70), k = pick(1, 70), n = pick(1, 70);
    SCOPED_TRACE(testing::Message() << "case " << i);
    const Row row{{random() % 2 == 0 ? batch : 1, m, k}, {random() % 2 == 0 ? batch : 1, k, n}, {batch, m, n}};
    check(row, form(), form(), form(), static_cast<Bias>(random() % 3));
    if (HasFailure()) return;
  }
}

TEST(MatmulGemm, BroadcastsByStrideZero) {
  const Box a = std::move(Box(DType::f32, {1, 40}).randomize(1)), b = std::move(Box(DType::f32, {40, 1}).randomize(2));
  Array tall = a, wide = b;
  tall.shape[0] = 33, tall.strides[0] = 0;
  wide.shape[1] = 35, wide.strides[1] = 0;
  const Box y(DType::f32, {33, 35}), expected(DType::f32, {33, 35});
  run(tall, wide, {}, y);
  matmul_reference(tall, wide, {}, expected);
  expect_close(y, expected, 40);
}

TEST(MatmulGemm, EmptyResultsAreNoWorkAndEmptySumsTheBias) {
  for (const Row& row : {Row{{0, 5}, {5, 3}, {0, 3}}, Row{{3, 0, 5}, {5, 3}, {3, 0, 3}},
                         Row{{0, 2, 5}, {5, 3}, {0, 2, 3}}, Row{{2, 5}, {5, 0}, {2, 0}}}) {
    const Box a(DType::f32, row.a), b(DType::f32, row.b), y(DType::f32, row.y);
    EXPECT_EQ(matmul_gemm_scratch(a, b, {}, y), 0u);
    matmul_gemm(a, b, {}, y, nullptr);
    EXPECT_TRUE(y.guards_hold());
  }
  const Box a(DType::f32, {2, 0}), b(DType::f32, {0, 3}), y(DType::f32, {2, 3});
  const Box bias = std::move(Box(DType::f32, {3}).assign({1, 2, 3}));
  matmul_gemm(a, b, bias, y, nullptr);
  EXPECT_EQ(y.values(), (std::vector<double>{1, 2, 3, 1, 2, 3}));
}

TEST(MatmulGemm, RefusesOtherTypes) {
  const Box a(DType::bf16, {2, 3}), b(DType::bf16, {3, 4}), y(DType::bf16, {2, 4});
  EXPECT_FALSE(matmul_gemm_supports(a, b, {}, y));
}

/// Matrix `n` of a batch, and of it the rows [first, first + rows).
Array part(Array array, int64_t n, int64_t first, int64_t rows) {
  array.data = array.as<float>() + n * array.strides[0] + first * array.strides[1];
  array.shape[0] = 1, array.shape[1] = rows;
  return array;
}

TEST(MatmulGemm, BitsDependOnTheRowAndTheColumnAlone) {
  const int threads = num_threads();
  for (const auto& [m, k, n] : {std::array<int64_t, 3>{197, 64, 197}, {131, 1601, 53}, {497, 70, 509}, {7, 900, 20}}) {
    SCOPED_TRACE(testing::Message() << m << " x " << k << " x " << n);
    const Box a = std::move(Box(DType::f32, {3, m, k}).randomize(1));
    const Box b = std::move(Box(DType::f32, {3, k, n}).randomize(2));
    const Box bias = std::move(Box(DType::f32, {n}).randomize(3));
    const Box y(DType::f32, {3, m, n});
    set_num_threads(1);
    run(a, b, bias, y);
    for (const int count : {2, 4}) {
      set_num_threads(count);
      const Box other(DType::f32, {3, m, n});
      run(a, b, bias, other);
      EXPECT_EQ(other.values(), y.values()) << count << " threads";
    }
    // Alone, of an `a` and into a `y` that lie by columns.
    for (const auto& [first, rows] : {std::pair<int64_t, int64_t>{0, 1}, {3, 1}, {2, 5}}) {
      Operand turned(DType::f32, {1, rows, k}, Form::columns), result(DType::f32, {1, rows, n}, Form::columns);
      const Array from = part(a, 1, first, rows), expected = part(y, 1, first, rows), to = turned.array();
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < k; ++i)
          to.as<float>()[r * to.strides[1] + i * to.strides[2]] = from.as<float>()[r * from.strides[1] + i];
      run(to, part(b, 1, 0, k), bias, result.array());
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < n; ++i)
          ASSERT_EQ(result.array().as<float>()[r * result.array().strides[1] + i * result.array().strides[2]],
                    expected.as<float>()[r * expected.strides[1] + i])
              << "row " << first + r << ", column " << i;
    }
  }
  set_num_threads(threads);
}

}  // namespace
}  // namespace ingot::kernels
