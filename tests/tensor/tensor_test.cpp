#include <gmock/gmock.h>

#include <cmath>
#include <thread>

#include "error_of.h"
#include "ingot/tensor.h"
#include "tensor/impl.h"
#include "tensor/symbols.h"

namespace ingot {

void PrintTo(Dim d, std::ostream* out) { *out << d.str(); }

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(DimTest, NumbersBehaveAsNumbers) {
  const Dim a = 7, b = 2;
  EXPECT_EQ(a + b, 9);
  EXPECT_EQ(floor_div(a, b), 3);
  EXPECT_EQ(floor_div(Dim(-7), b), -4);
  int64_t n = a;
  EXPECT_EQ(n, 7);
  EXPECT_TRUE(a > b && a >= 7 && b < 3);
  static_assert(sizeof(Dim) == 8);
}

TEST(DimTest, ExpressionsHaveOneNormalForm) {
  const Dim n = Dim::symbol("n", 8), h = Dim::symbol("h", 28);
  EXPECT_EQ(2 * (n + 1), n + n + 2);
  EXPECT_EQ(n * h, h * n);
  EXPECT_EQ(n - n, 0);
  EXPECT_EQ(floor_div(4 * n * h, 2 * h), 2 * n);
  EXPECT_EQ(floor_div(n * 3136, n), 3136);
  EXPECT_EQ(floor_div(2 * n + 1, 2), n + floor_div(Dim(1), 2));
  EXPECT_FALSE(n == h);
  EXPECT_EQ((floor_div(h + 2, 2) * 64).str(), "64*(h//2)+64");
}

TEST(DimTest, PrintsWhatItParses) {
  const SymbolValues examples{{"n", 8}, {"h", 28}};
  const Dim n = Dim::symbol("n", 8), h = Dim::symbol("h", 28);
  for (const Dim d :
       {n, 2 * n + 1, n * h - 3, floor_div(h + 1, 2), floor_div(floor_div(h - 1, 2) + 3, n), -2 * n, Dim(5), Dim(-5)})
    EXPECT_EQ(parse_dim(d.str(), examples), d) << d.str();
  EXPECT_THAT(error_of([&] { parse_dim("2*q", examples); }), HasSubstr("unknown size 'q'"));
  for (const char* bad : {"", "2*", "n n", "(n", "n)", "99999999999999999999", "n//0", "+"})
    EXPECT_THROW(parse_dim(bad, examples), Error) << bad;
  EXPECT_THROW(parse_dim(std::string(1000, '(') + "n" + std::string(1000, ')'), examples), Error);
}

TEST(DimTest, SubstitutesAndDecides) {
  const Dim n = Dim::symbol("n", 8), h = Dim::symbol("h", 28);
  const Dim d = floor_div(h - 1, 2) * n + 1;
  EXPECT_EQ(substitute(d, {{"n", 3}, {"h", 28}}), 40);
  EXPECT_FALSE(substitute(d, {{"n", 3}}).is_number());
  EXPECT_THAT(symbols_in(d), ElementsAre("h", "n"));
  EXPECT_TRUE(equal_sizes(n + 1, 1 + n));
  EXPECT_FALSE(equal_sizes(n + 1, n + 2));
  EXPECT_THROW(equal_sizes(n, 5), UndecidedSize);
  EXPECT_THAT(error_of([&] {
                int64_t v = n;
                (void)v;
              }),
              HasSubstr("flatten(1)"));
}

TEST(ShapeTest, LayoutsAreStrides) {
  const Shape s{2, 3, 4, 5};
  EXPECT_EQ(strides_for(s, Layout::channels_last), (Strides{60, 1, 15, 3}));
  EXPECT_EQ(strides_for(s, Layout::row_major), (Strides{60, 20, 5, 1}));
  EXPECT_EQ(layout_of(s, strides_for(s, Layout::row_major)), Layout::row_major);
  EXPECT_EQ(layout_of({2, 1, 4, 5}, {20, 20, 5, 1}), Layout::channels_last) << "one channel fits both";
  EXPECT_EQ(layout_of({2, 3, 1, 1}, {3, 1, 1, 1}), Layout::channels_last);
  EXPECT_EQ(empty(s).strides(), strides_for(s, Layout::channels_last));
  EXPECT_THROW(numel({1ll << 40, 1ll << 40}), Error);
  EXPECT_THROW(empty({0, 1ll << 40, 1ll << 40}), Error) << "its strides are no numbers";
  EXPECT_THROW(empty({2, -1}), Error);
  EXPECT_THROW((Shape{1, 2, 3, 4, 5, 6, 7, 8, 9}), Error);
}

TEST(TensorTest, ValuesAreLogicalWhateverTheLayout) {
  std::vector<float> v(120);
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i);
  const Tensor x = from_vector(v, {2, 3, 4, 5});
  EXPECT_EQ(x.layout(), Layout::channels_last);
  EXPECT_EQ(x.to_vector<float>(), v);
  EXPECT_EQ(x.data<float>()[1], 20.f) << "the next channel lies beside";
  EXPECT_EQ(clone(x).to_vector<float>(), v);
  EXPECT_EQ(x.size(-1), 5);
  EXPECT_THROW(x.size(4), Error);
  EXPECT_THROW(x.data<double>(), Error);
  EXPECT_THROW(x.item<float>(), Error);
  EXPECT_THROW(from_vector<float>({1, 2, 3}, {2, 2}), Error);
  EXPECT_EQ(scalar(256, DType::u8).item<int>(), 255) << "numbers that do not fit saturate";
  EXPECT_EQ(scalar(-1e30, DType::i32).item<int64_t>(), INT32_MIN);
  EXPECT_EQ(scalar(std::nan(""), DType::i64).item<int64_t>(), 0);
}

TEST(TensorTest, RandomValuesAreAFunctionOfKeyAndPlace) {
  const Tensor row = normal({2, 3, 4, 5}, 1, 2, RandomKey{5});
  EXPECT_EQ(normal({120}, 1, 2, RandomKey{5}).to_vector<float>(), row.to_vector<float>());
  const auto many = normal({100000}, 1, 2, RandomKey{6}, DType::f64).to_vector<double>();
  double mean = 0, var = 0;
  for (const double v : many) mean += v / 1e5;
  for (const double v : many) var += (v - mean) * (v - mean) / 1e5;
  EXPECT_NEAR(mean, 1, 0.03);
  EXPECT_NEAR(var, 4, 0.08);
  for (const double v : uniform({1000}, -1, 3, RandomKey{7}, DType::f64).to_vector<double>()) {
    EXPECT_GE(v, -1);
    EXPECT_LT(v, 3);
  }
}

TEST(TensorTest, AbstractTensorsHaveShapesOnly) {
  const Tensor x = make_abstract({Dim::symbol("n", 8), 3}, DType::f32, Layout::row_major);
  EXPECT_TRUE(x.is_abstract());
  EXPECT_EQ(x.size(1), 3);
  EXPECT_THAT(error_of([&] { x.data<float>(); }), HasSubstr("while tracing"));
  EXPECT_THAT(error_of([&] { x.item<float>(); }), HasSubstr("while tracing"));
}

TEST(TensorTest, LeavesTakeGradientsOfTheirShape) {
  Tensor x = zeros({2, 3});
  x.set_requires_grad();
  EXPECT_TRUE(x.requires_grad() && x.is_leaf());
  EXPECT_FALSE(x.grad().defined());
  EXPECT_THROW(x.set_grad(zeros({3, 2})), Error);
  x.set_grad(ones({2, 3}));
  EXPECT_EQ(x.grad().to_vector<float>(), std::vector<float>(6, 1.f));
  EXPECT_THROW(zeros({2}, DType::i64).set_requires_grad(), Error);
}

TEST(AllocatorTest, IsAlignedAndGivesMemoryBack) {
  release_cached_memory();
  const size_t before = memory_use().used;
  {
    const Tensor x = empty({1000, 1000});
    EXPECT_EQ(reinterpret_cast<uintptr_t>(x.data<float>()) % 64, 0u);
    EXPECT_GE(memory_use().used, before + 4000000);
  }
  EXPECT_EQ(memory_use().used, before);
  release_cached_memory();
  EXPECT_EQ(memory_use().cached, 0u);
  EXPECT_THAT(error_of([] { empty({int64_t{1} << 50}); }), HasSubstr("out of memory"));
}

TEST(AllocatorTest, ServesManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 1; i < 300; ++i) {
        Tensor x = full({i % 37 + 1, 50}, i);
        ASSERT_EQ(x.data<float>()[i % 37 * 50], static_cast<float>(i));
      }
    });
  for (auto& thread : threads) thread.join();
}

// The texts are PyTorch's.
TEST(PrintTest, ReadsAsPyTorchPrints) {
  EXPECT_EQ(to_string(from_vector<float>({1, 2, 3, 4}, {2, 2})), "tensor([[1., 2.],\n        [3., 4.]])");
  EXPECT_EQ(to_string(from_vector<float>({0.5f, -1.25f}, {2})), "tensor([ 0.5000, -1.2500])");
  EXPECT_EQ(to_string(from_vector<int64_t>({1, 20, -3}, {3})), "tensor([ 1, 20, -3])");
  EXPECT_EQ(to_string(scalar(2.5)), "tensor(2.5000)");
  EXPECT_EQ(to_string(from_vector<bool>({true, false}, {2})), "tensor([ True, False])");
  EXPECT_EQ(to_string(from_vector<float>({1e-6f, 1.f}, {2})), "tensor([1.0000e-06, 1.0000e+00])");
  EXPECT_EQ(to_string(from_vector<float>({NAN, INFINITY, 1.f}, {3})), "tensor([nan, inf, 1.])");
  EXPECT_EQ(to_string(zeros({2}, DType::f64)), "tensor([0., 0.], dtype=f64)");
  EXPECT_EQ(to_string(arange(2000)), "tensor([   0,    1,    2, ..., 1997, 1998, 1999])");
}

}  // namespace
}  // namespace ingot
