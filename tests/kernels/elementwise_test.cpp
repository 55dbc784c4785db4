#include "kernels/elementwise.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "arrays.h"
#include "base/check.h"
#include "base/isa.h"

namespace ingot::kernels {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return x > 30 ? x : std::log1p(std::exp(x)); }
double clamp6(double x) { return std::isnan(x) ? x : std::min(std::max(x, 0.0), 6.0); }

struct UnaryRow {
  Unary op;
  double (*reference)(double);
  double low, high;
  bool integers = false;
};
const std::vector<UnaryRow> kUnaries{
    {Unary::neg, [](double x) { return -x; }, -10, 10, true},
    {Unary::abs, [](double x) { return std::abs(x); }, -10, 10, true},
    {Unary::sign, [](double x) { return double((x > 0) - (x < 0)); }, -2, 2, true},
    {Unary::square, [](double x) { return x * x; }, -10, 10, true},
    {Unary::sqrt, [](double x) { return std::sqrt(x); }, 0, 10},
    {Unary::rsqrt, [](double x) { return 1 / std::sqrt(x); }, 0.1, 10},
    {Unary::reciprocal, [](double x) { return 1 / x; }, 0.1, 10},
    {Unary::exp, [](double x) { return std::exp(x); }, -20, 20},
    {Unary::expm1, [](double x) { return std::expm1(x); }, -2, 5},
    {Unary::log, [](double x) { return std::log(x); }, 0.001, 100},
    {Unary::log1p, [](double x) { return std::log1p(x); }, -0.9, 5},
    {Unary::floor, [](double x) { return std::floor(x); }, -10, 10, true},
    {Unary::ceil, [](double x) { return std::ceil(x); }, -10, 10, true},
    {Unary::round, [](double x) { return std::nearbyint(x); }, -10, 10, true},
    {Unary::sin, [](double x) { return std::sin(x); }, -10, 10},
    {Unary::cos, [](double x) { return std::cos(x); }, -10, 10},
    {Unary::relu, [](double x) { return x <= 0 ? 0 : x; }, -2, 2, true},
    {Unary::sigmoid, sigmoid, -20, 20},
    {Unary::tanh, [](double x) { return std::tanh(x); }, -5, 5},
    {Unary::erf, [](double x) { return std::erf(x); }, -5, 5},
    {Unary::softplus, softplus, -20, 20},
};

struct BinaryRow {
  Binary op;
  double (*reference)(double, double);
};
double maximum(double a, double b) { return std::isnan(a) || std::isnan(b) ? kNaN : std::max(a, b); }
double minimum(double a, double b) { return std::isnan(a) || std::isnan(b) ? kNaN : std::min(a, b); }
const std::vector<BinaryRow> kBinaries{
    {Binary::add, [](double a, double b) { return a + b; }},
    {Binary::sub, [](double a, double b) { return a - b; }},
    {Binary::mul, [](double a, double b) { return a * b; }},
    {Binary::div, [](double a, double b) { return a / b; }},
    {Binary::maximum, maximum},
    {Binary::minimum, minimum},
    {Binary::pow, [](double a, double b) { return std::pow(a, b); }},
    {Binary::eq, [](double a, double b) { return double(a == b); }},
    {Binary::ne, [](double a, double b) { return double(a != b); }},
    {Binary::lt, [](double a, double b) { return double(a < b); }},
    {Binary::le, [](double a, double b) { return double(a <= b); }},
    {Binary::gt, [](double a, double b) { return double(a > b); }},
    {Binary::ge, [](double a, double b) { return double(a >= b); }},
};

struct ActivationRow {
  Activation activation;
  double (*reference)(double, double alpha);
};
const std::vector<ActivationRow> kActivations{
    {Activation::none, [](double x, double) { return x; }},
    {Activation::relu, [](double x, double) { return x <= 0 ? 0 : x; }},
    {Activation::relu6, [](double x, double) { return clamp6(x); }},
    {Activation::leaky_relu, [](double x, double a) { return x > 0 ? x : a * x; }},
    {Activation::elu, [](double x, double a) { return x > 0 ? x : a * std::expm1(x); }},
    {Activation::sigmoid, [](double x, double) { return sigmoid(x); }},
    {Activation::tanh, [](double x, double) { return std::tanh(x); }},
    {Activation::silu, [](double x, double) { return x * sigmoid(x); }},
    {Activation::gelu, [](double x, double) { return x * std::erfc(-x / std::sqrt(2)) / 2; }},
    {Activation::hardswish, [](double x, double) { return x * clamp6(x + 3) / 6; }},
    {Activation::hardsigmoid, [](double x, double) { return clamp6(x + 3) / 6; }},
    {Activation::mish, [](double x, double) { return x * std::tanh(softplus(x)); }},
};

// Shapes of rank 1 for the odd sizes, and one of rank 4 for the layouts.
std::vector<std::vector<int64_t>> shapes() {
  std::vector<std::vector<int64_t>> all{{}, {0}, {2, 0, 3}, {2, 3, 5, 7}, {3, 17, 4, 5}};
  for (const int64_t n : kOddSizes) all.push_back({n});
  return all;
}

// A result may err by `ulps` of its own type, computed from inputs that are exact.
double allowed_ulps(DType dtype) { return dtype == DType::bf16 ? 0.51 : 4; }

TEST(Elementwise, UnaryMatchesTheReference) {
  for (const UnaryRow& row : kUnaries)
    for (const DType dtype : kFloats)
      for (const auto& shape : shapes())
        for (const Layout layout : kInputLayouts) {
          TestArray x(dtype, shape, layout);
          x.randomise(row.low, row.high, 1);
          for (const Layout out : {Layout::row_major, layout == Layout::broadcast ? Layout::sliced : layout}) {
            TestArray y(dtype, shape, out);
            unary(row.op, x, y);
            for (int64_t i = 0; i < x.numel(); ++i)
              ASSERT_TRUE(close_in_ulps(y[i], row.reference(x[i]), dtype, allowed_ulps(dtype)))
                  << name_of(row.op) << " of " << x[i];
            ASSERT_TRUE(y.guards_intact());
          }
        }
}

// Dense sweep of the f32 functions over their whole range.
TEST(Elementwise, F32FunctionsErrByAtMostFourUlp) {
  constexpr int64_t kCount = 200000;
  for (const auto& [op, low, high] : {std::tuple{Unary::exp, -104.0, 88.72},
                                      {Unary::expm1, -40.0, 88.7},
                                      {Unary::tanh, -12.0, 12.0},
                                      {Unary::sigmoid, -104.0, 104.0},
                                      {Unary::erf, -5.0, 5.0},
                                      {Unary::softplus, -100.0, 100.0},
                                      {Unary::log, 1e-6, 3.0},
                                      {Unary::log1p, -0.999, 3.0}}) {
    const auto reference =
        std::find_if(kUnaries.begin(), kUnaries.end(), [&](auto& r) { return r.op == op; })->reference;
    TestArray x(DType::f32, {kCount}), y(DType::f32, {kCount});
    x.fill_with([&](int64_t i) { return low + (high - low) * double(i) / kCount; });
    unary(op, x, y);
    for (int64_t i = 0; i < kCount; ++i)
      ASSERT_TRUE(close_in_ulps(y[i], reference(x[i]), DType::f32, 4)) << name_of(op) << " of " << x[i];
  }
}

// Phi errs by 6e-8, by 7e-8 where products are rounded before they are added, and rounding adds as much; below 0, where
// Phi is small, that holds relative to it.
TEST(Elementwise, GeluIsExactToTheLastDigits) {
  constexpr int64_t kCount = 400000;
  const double unit = active_isa() == Isa::baseline ? 7e-8 : 6e-8;
  TestArray x(DType::f32, {kCount}), one(DType::f32, {kCount}), y = x, slope = x;
  x.fill_with([](int64_t i) { return -14 + 28 * double(i) / kCount; });
  one.fill_with([](int64_t) { return 1; });
  activate(Activation::gelu, 0, 0, x, y);
  activation_grad(Activation::gelu, 0, x, one, slope);
  for (int64_t i = 0; i < kCount; ++i) {
    const double v = x[i], share = std::erfc(-v / std::sqrt(2)) / 2;
    const double relative = (4 + v * v) * unit;
    ASSERT_NEAR(y[i], v * share, std::min(2 * unit * std::abs(v), relative * std::abs(v * share)) + 1e-36) << v;
    const double density = std::exp(v * v / -2) / std::sqrt(8 * std::atan(1));
    ASSERT_NEAR(slope[i], share + v * density, 2.4e-7) << v;
  }
}

TEST(Elementwise, F32FunctionsOverEveryMagnitude) {
  TestArray x(DType::f32, {4000}), y(DType::f32, {4000});
  x.fill_with([](int64_t i) { return (i % 2 ? -1 : 1) * std::exp2(-149 + double(i) * 277 / 4000); });
  for (const Unary op : {Unary::exp, Unary::expm1, Unary::tanh, Unary::sigmoid, Unary::erf, Unary::log, Unary::log1p}) {
    const auto reference =
        std::find_if(kUnaries.begin(), kUnaries.end(), [&](auto& r) { return r.op == op; })->reference;
    unary(op, x, y);
    for (int64_t i = 0; i < x.numel(); ++i)
      ASSERT_TRUE(close_in_ulps(y[i], double(float(reference(x[i]))), DType::f32, 4)) << name_of(op) << " of " << x[i];
  }
}

TEST(Elementwise, InfinitiesAndNaN) {
  TestArray x(DType::f32, {3}), y(DType::f32, {3});
  x.fill_with([](int64_t i) { return i == 0 ? kNaN : i == 1 ? kInfinity : -kInfinity; });
  for (const UnaryRow& row : kUnaries) {
    if (row.op == Unary::softplus) continue;  // its reference overflows
    unary(row.op, x, y);
    for (int64_t i = 0; i < 3; ++i)
      EXPECT_TRUE(close_in_ulps(y[i], row.reference(x[i]), DType::f32, 0)) << name_of(row.op) << " of " << x[i];
  }
  unary(Unary::softplus, x, y);
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], kInfinity);
  EXPECT_EQ(y[2], 0);
}

TEST(Elementwise, UnaryOfIntegers) {
  for (const UnaryRow& row : kUnaries)
    for (const DType dtype : kIntegers) {
      TestArray x(dtype, {5, 13}, Layout::sliced), y(dtype, {5, 13}, Layout::transposed);
      x.randomise(dtype == DType::u8 ? 0 : -11, 11, 2);
      if (!row.integers) {
        EXPECT_THROW(unary(row.op, x, y), Error) << name_of(row.op);
        continue;
      }
      unary(row.op, x, y);
      for (int64_t i = 0; i < x.numel(); ++i) {
        const double expected = row.reference(x[i]);
        EXPECT_EQ(y[i], dtype == DType::u8 && expected < 0 ? expected + 256 : expected) << name_of(row.op);
      }
      EXPECT_TRUE(y.guards_intact());
    }
}

bool is_comparison(Binary op) { return op >= Binary::eq; }

TEST(Elementwise, BinaryMatchesTheReference) {
  for (const BinaryRow& row : kBinaries)
    for (const DType dtype : kFloats)
      for (const auto& shape : shapes())
        for (const Layout la : kInputLayouts)
          for (const Layout lb : {Layout::row_major, Layout::broadcast}) {
            TestArray a(dtype, shape, la), b(dtype, shape, lb);
            a.randomise(0.5, 4, 3);
            b.randomise(0.5, 4, 4);
            if (a.numel() > 0) b.set(0, a[0]);  // equal somewhere
            const DType result = is_comparison(row.op) ? DType::boolean : dtype;
            TestArray y(result, shape, la == Layout::broadcast ? Layout::channels_last : la);
            binary(row.op, a, b, y);
            for (int64_t i = 0; i < a.numel(); ++i)
              ASSERT_TRUE(close_in_ulps(y[i], row.reference(a[i], b[i]), result, dtype == DType::bf16 ? 0.51 : 1))
                  << name_of(row.op) << " of " << a[i] << ", " << b[i];
            ASSERT_TRUE(y.guards_intact());
          }
}

TEST(Elementwise, BinaryOfIntegersAndBool) {
  for (const BinaryRow& row : kBinaries)
    for (const DType dtype : kIntegers) {
      TestArray a(dtype, {3, 65}, Layout::transposed), b(dtype, {3, 65}, Layout::broadcast);
      a.randomise(0, 11, 5);
      b.randomise(1, 11, 6);
      TestArray y(is_comparison(row.op) ? DType::boolean : dtype, {3, 65});
      if (row.op == Binary::pow) {
        EXPECT_THROW(binary(row.op, a, b, y), Error);
        continue;
      }
      binary(row.op, a, b, y);
      for (int64_t i = 0; i < a.numel(); ++i) {
        const double expected = std::trunc(row.reference(a[i], b[i]));
        EXPECT_EQ(y[i], dtype == DType::u8 && expected < 0 ? expected + 256 : expected) << name_of(row.op);
      }
    }
  TestArray a(DType::boolean, {4}), b(DType::boolean, {4}), y(DType::boolean, {4});
  a.fill_with([](int64_t i) { return double(i / 2); });
  b.fill_with([](int64_t i) { return double(i % 2); });
  binary(Binary::add, a, b, y);
  EXPECT_THAT(y.values(), testing::ElementsAre(0, 1, 1, 1));
  binary(Binary::mul, a, b, y);
  EXPECT_THAT(y.values(), testing::ElementsAre(0, 0, 0, 1));
  binary(Binary::eq, a, b, y);
  EXPECT_THAT(y.values(), testing::ElementsAre(1, 0, 0, 1));
}

TEST(Elementwise, IntegerEdgesAreDefined) {
  int32_t lowest = std::numeric_limits<int32_t>::min(), minus_one = -1, zero = 0, y = 7;
  const Array a = row_major(&lowest, DType::i32, {1}), out = row_major(&y, DType::i32, {1});
  binary(Binary::div, a, row_major(&minus_one, DType::i32, {1}), out);
  EXPECT_EQ(y, lowest);
  binary(Binary::div, a, row_major(&zero, DType::i32, {1}), out);
  EXPECT_EQ(y, 0);
  binary(Binary::add, a, row_major(&minus_one, DType::i32, {1}), out);
  EXPECT_EQ(y, std::numeric_limits<int32_t>::max());
  unary(Unary::neg, a, out);
  EXPECT_EQ(y, lowest);
}

TEST(Elementwise, NaNThroughMaximumMinimumAndComparisons) {
  for (const DType dtype : kFloats) {
    TestArray a(dtype, {3}), b(dtype, {3}), y(dtype, {3}), truth(DType::boolean, {3});
    a.fill_with([](int64_t i) { return i == 1 ? 1 : kNaN; });
    b.fill_with([](int64_t i) { return i == 0 ? 1 : kNaN; });
    for (const Binary op : {Binary::maximum, Binary::minimum}) {
      binary(op, a, b, y);
      for (int64_t i = 0; i < 3; ++i) EXPECT_TRUE(std::isnan(y[i])) << name_of(op);
    }
    for (const Binary op : {Binary::eq, Binary::lt, Binary::le, Binary::gt, Binary::ge}) {
      binary(op, a, b, truth);
      EXPECT_THAT(truth.values(), testing::Each(0)) << name_of(op);
    }
    binary(Binary::ne, a, b, truth);
    EXPECT_THAT(truth.values(), testing::Each(1));
  }
}

TEST(Elementwise, ActivationsMatchTheReference) {
  for (const ActivationRow& row : kActivations)
    for (const DType dtype : kFloats)
      for (const auto& shape : shapes())
        for (const Layout layout : kInputLayouts) {
          constexpr double kAlpha = 0.25;
          TestArray x(dtype, shape, layout), y(dtype, shape, Layout::sliced);
          x.randomise(-7, 7, 7);
          activate(row.activation, kAlpha, 0, x, y);
          for (int64_t i = 0; i < x.numel(); ++i) {
            // x + 3 and 1 + erf cancel: the error is of the sum's terms, not of the result
            const double expected = row.reference(x[i], kAlpha);
            const double slack = 8 * ulp(dtype == DType::f64 ? DType::f64 : DType::f32, std::max(1.0, std::abs(x[i])));
            ASSERT_NEAR(y[i], expected, slack + (dtype == DType::bf16 ? ulp(dtype, expected) / 2 : 0))
                << static_cast<int>(row.activation) << " of " << x[i];
          }
          ASSERT_TRUE(y.guards_intact());
        }
}

TEST(Elementwise, ActivationsKeepNaN) {
  for (const ActivationRow& row : kActivations)
    for (const DType dtype : kFloats) {
      TestArray x(dtype, {1}), y(dtype, {1});
      x.set(0, kNaN);
      activate(row.activation, 0.5f, 0, x, y);
      EXPECT_TRUE(std::isnan(y[0])) << static_cast<int>(row.activation);
    }
}

TEST(Elementwise, WhereOnEveryDtypeAndLayout) {
  const std::vector<DType> all{DType::f32, DType::f64, DType::bf16, DType::f16,    DType::i64,
                               DType::i32, DType::u8,  DType::i8,   DType::boolean};
  for (const DType dtype : all)
    for (const auto& shape : shapes())
      for (const Layout layout : kInputLayouts) {
        TestArray cond(DType::boolean, shape, layout), a(dtype, shape, Layout::broadcast), b(dtype, shape, layout);
        TestArray y(dtype, shape, Layout::transposed);
        cond.fill_with([](int64_t i) { return double(i % 3 == 0); });
        a.randomise(0, 9, 8);
        b.randomise(0, 9, 9);
        where(cond, a, b, y);
        for (int64_t i = 0; i < y.numel(); ++i) ASSERT_EQ(y[i], cond[i] != 0 ? a[i] : b[i]);
        ASSERT_TRUE(y.guards_intact());
      }
}

TEST(Elementwise, CopyConvertsBetweenAllDtypes) {
  const std::vector<DType> all{DType::f32, DType::f64, DType::bf16, DType::f16,    DType::i64,
                               DType::i32, DType::u8,  DType::i8,   DType::boolean};
  for (const DType from : all)
    for (const DType to : all)
      for (const auto& shape : shapes())
        for (const Layout lx : kInputLayouts)
          for (const Layout ly : kLayouts) {
            TestArray x(from, shape, lx), y(to, shape, ly);
            x.randomise(0, 100, 10);
            copy(x, y);
            for (int64_t i = 0; i < y.numel(); ++i) {
              TestArray expected(to, {});
              expected.set(0, x[i]);
              ASSERT_EQ(y[i], expected[0]) << name_of(from) << " to " << name_of(to);
            }
            ASSERT_TRUE(y.guards_intact());
          }
}

TEST(Elementwise, CopyKeepsEveryBitOfWideIntegers) {
  std::vector<int64_t> x{std::numeric_limits<int64_t>::max(), (int64_t(1) << 53) + 1, -1}, y(3);
  copy(row_major(x.data(), DType::i64, {3}), row_major(y.data(), DType::i64, {3}));
  EXPECT_EQ(x, y);
}

TEST(Elementwise, CopyToIntegersSaturatesAndRoundsBf16ToEven) {
  std::vector<float> x{kNaN, 1e20f, -1e20f, -3.9f};
  std::vector<int32_t> y(4);
  copy(row_major(x.data(), DType::f32, {4}), row_major(y.data(), DType::i32, {4}));
  EXPECT_THAT(y, testing::ElementsAre(0, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min(), -3));

  TestArray wide(DType::f32, {4000}), narrow(DType::bf16, {4000});
  wide.fill_with([](int64_t i) { return 1 + double(i) / 512; });  // ties among them
  wide.set(0, kNaN);
  copy(wide, narrow);
  EXPECT_TRUE(std::isnan(narrow[0]));
  for (int64_t i = 1; i < 4000; ++i) ASSERT_EQ(narrow[i], float(bf16(float(wide[i]))));
}

TEST(Elementwise, TransposesOfOddSizes) {
  for (const DType dtype : {DType::u8, DType::bf16, DType::f32, DType::f64})
    for (const int64_t rows : kOddSizes)
      for (const int64_t columns : {1, 3, 16, 33, 65}) {
        TestArray x(dtype, {rows, columns}), y(dtype, {rows, columns}, Layout::transposed);
        x.fill_with([](int64_t i) { return double(i % 251); });
        copy(x, y);
        for (int64_t i = 0; i < x.numel(); ++i) ASSERT_EQ(x[i], y[i]);
        ASSERT_TRUE(y.guards_intact());
      }
}

TEST(Elementwise, FillOnEveryDtype) {
  for (const DType dtype :
       {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i64, DType::i32, DType::u8, DType::i8, DType::boolean})
    for (const auto& shape : shapes())
      for (const Layout layout : kLayouts) {
        TestArray y(dtype, shape, layout);
        fill(y, 1);
        EXPECT_THAT(y.values(), testing::Each(1));
        EXPECT_TRUE(y.guards_intact());
      }
}

TEST(Elementwise, WorksInPlace) {
  TestArray x(DType::bf16, {5, 65}, Layout::sliced);
  x.randomise(-3, 3, 11);
  const TestArray before = x;
  unary(Unary::relu, x, x);
  for (int64_t i = 0; i < x.numel(); ++i) EXPECT_EQ(x[i], std::max(0.0, before[i]));
}

TEST(Elementwise, SameBitsForAnyThreadCount) {
  const std::vector<int64_t> shape{3, 5, 101, 103};
  for (const DType dtype : kFloats)
    for (const Layout layout : kInputLayouts) {
      TestArray x(dtype, shape, layout), b(dtype, shape, Layout::broadcast);
      x.randomise(-3, 3, 12);
      b.randomise(-3, 3, 13);
      TestArray one(dtype, shape, Layout::channels_last), two = one;
      for (const Unary op : {Unary::exp, Unary::tanh, Unary::erf}) {
        with_threads(1, [&] { unary(op, x, one); });
        with_threads(2, [&] { unary(op, x, two); });
        EXPECT_EQ(one.bytes(), two.bytes());
      }
      with_threads(1, [&] { binary(Binary::div, x, b, one); });
      with_threads(2, [&] { binary(Binary::div, x, b, two); });
      EXPECT_EQ(one.bytes(), two.bytes());
      with_threads(1, [&] { copy(x, one); });
      with_threads(2, [&] { copy(x, two); });
      EXPECT_EQ(one.bytes(), two.bytes());
    }
}

TEST(ActivationGrad, MatchesDifferencesInEveryTypeAndLayout) {
  const double eps = 1e-6, alpha = 0.5;
  for (int kind = static_cast<int>(Activation::relu); kind <= static_cast<int>(Activation::mish); ++kind)
    for (const DType dtype : kFloats)
      for (const Layout layout : kLayouts)
        for (const int64_t n : {1, 15, 16, 257}) {
          const auto activation = static_cast<Activation>(kind);
          const bool by_result =
              activation == Activation::relu || activation == Activation::sigmoid || activation == Activation::tanh;
          TestArray x(dtype, {3, n}, layout), g(dtype, {3, n}), dx(dtype, {3, n}, Layout::sliced);
          x.randomise(-7, 7, 5);
          g.randomise(-1, 1, 6);
          TestArray at(DType::f64, {3, n}), up = at, down = at, y = at;
          at.fill_with([&](int64_t i) { return x[i]; });
          up.fill_with([&](int64_t i) { return x[i] + eps; });
          down.fill_with([&](int64_t i) { return x[i] - eps; });
          for (TestArray* each : {&up, &down}) activate(activation, alpha, 0, *each, *each);
          if (by_result) {
            activate(activation, alpha, 0, at, y);
            x.fill_with([&](int64_t i) { return y[i]; });
          }
          activation_grad(activation, alpha, x, g, dx);
          // A rounded result is all that sigmoid and tanh know: their gradient errs by as much.
          const double rounding = dtype == DType::f64 ? 1e-8 : dtype == DType::f32 ? 1e-6 : by_result ? 1e-2 : 4e-3;
          for (int64_t i = 0; i < x.numel(); ++i) {
            const auto is_at = [&](double kink) { return std::abs(at[i] - kink) < 1e-3; };
            if (is_at(-3) || is_at(0) || is_at(3) || is_at(6)) continue;
            const double expected = g[i] * (up[i] - down[i]) / (2 * eps);
            ASSERT_NEAR(dx[i], expected, 1e-8 + rounding * (1 + std::abs(expected)))
                << "activation " << kind << " " << name_of(dtype) << " at " << at[i];
          }
          ASSERT_TRUE(dx.guards_intact());
        }
}

}  // namespace
}  // namespace ingot::kernels
