#include <gmock/gmock.h>

#include <numeric>

#include "io/torch_files.h"
#include "io/zip_reader.h"
#include "io/zip_writer.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

using namespace test;
using testing::HasSubstr;
using Dict = TorchValue::Dict;

std::string saved(const TorchValue& value) {
  const auto path = torch_scratch("saved.pth");
  save_torch(path, value);
  return read_file(path);
}

TorchValue round_trip(const TorchValue& value) { return load_bytes(saved(value), {.verify = true}); }

void expect_same(const TorchValue& a, const TorchValue& b);

void expect_same_items(const TorchValue::List& a, const TorchValue::List& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) expect_same(a[i], b[i]);
}

void expect_same(const TorchValue& a, const TorchValue& b) {
  ASSERT_EQ(a.kind(), b.kind());
  if (const auto* const x = a.get_if<Tensor>()) {
    const Tensor& y = *b.get_if<Tensor>();
    EXPECT_EQ(x->dtype(), y.dtype());
    EXPECT_EQ(x->shape(), y.shape());
    EXPECT_EQ(x->to_vector<double>(), y.to_vector<double>());
  } else if (const auto* const list = a.get_if<TorchValue::List>()) {
    expect_same_items(*list, *b.get_if<TorchValue::List>());
  } else if (const auto* const tuple = a.get_if<TorchValue::Tuple>()) {
    expect_same_items(tuple->items, b.get_if<TorchValue::Tuple>()->items);
  } else if (const auto* const dict = a.get_if<Dict>()) {
    const Dict& other = *b.get_if<Dict>();
    ASSERT_EQ(dict->entries.size(), other.entries.size());
    for (size_t i = 0; i < other.entries.size(); ++i) {
      EXPECT_EQ(dict->entries[i].first, other.entries[i].first);
      expect_same(dict->entries[i].second, other.entries[i].second);
    }
  } else {
    EXPECT_EQ(a.get_if<bool>() ? *a.get_if<bool>() : false, b.get_if<bool>() ? *b.get_if<bool>() : false);
    EXPECT_EQ(a.get_if<int64_t>() ? *a.get_if<int64_t>() : 0, b.get_if<int64_t>() ? *b.get_if<int64_t>() : 0);
    EXPECT_EQ(a.get_if<double>() ? *a.get_if<double>() : 0, b.get_if<double>() ? *b.get_if<double>() : 0);
    EXPECT_EQ(a.get_if<std::string>() ? *a.get_if<std::string>() : "",
              b.get_if<std::string>() ? *b.get_if<std::string>() : "");
  }
}

TEST(TorchSave, WhatPyTorchWroteComesBackTheSame) {
  const TorchValue value = load_torch(std::string(INGOT_SOURCE_DIR) + "/tests/golden/checkpoint.pth");
  const TorchValue back = round_trip(value);
  expect_same(value, back);
  const TensorMap t = state_dict_of(back);
  for (const char* name : {"tied", "transposed", "slice"})
    EXPECT_EQ(t.at(name).impl()->storage, t.at("plain").impl()->storage) << name;
  EXPECT_EQ(t.at("transposed").strides(), Strides({1, 6}));
}

TEST(TorchSave, NumbersOfEveryLengthComeBack) {
  TorchValue::List numbers;
  for (int shift = 0; shift < 63; ++shift)
    for (const int64_t near : {-1, 0, 1}) {
      numbers.emplace_back((int64_t{1} << shift) + near);
      numbers.emplace_back(-(int64_t{1} << shift) + near);
    }
  numbers.emplace_back(INT64_MAX);
  numbers.emplace_back(INT64_MIN);
  for (const double d : {0.0, -0.5, 1e300, 5e-324, 0.1}) numbers.emplace_back(d);
  TorchValue value(numbers);
  expect_same(round_trip(value), value);
}

TEST(TorchSave, EmptyAndNestedValuesComeBack) {
  const TorchValue value(Dict{{{"list", TorchValue::List{}},
                               {"tuple", TorchValue::Tuple{}},
                               {"dict", Dict{}},
                               {int64_t{7}, TorchValue::Tuple{{1, "two", TorchValue(), true}}},
                               {"", "h\u00e9llo \U0001f600"},
                               {"long text", std::string(100'000, 'x')}}});
  expect_same(round_trip(value), value);
  expect_same(round_trip(TorchValue()), TorchValue());
}

TEST(TorchSave, TensorsAloneAreRowMajor) {
  std::vector<float> values(2 * 3 * 4 * 5);
  std::iota(values.begin(), values.end(), 0.f);
  const Tensor x = from_vector(values, {2, 3, 4, 5});
  ASSERT_EQ(x.layout(), Layout::channels_last);
  const Tensor broadcast = make_tensor(ones({4}).impl()->storage, 1, {2, 3}, {0, 1}, DType::f32);
  const Tensor column = make_tensor(from_vector(values, {12, 10}).impl()->storage, 3, {12}, {10}, DType::f32);
  const std::string file = saved(TorchValue({{"x", x}, {"broadcast", broadcast}, {"column", column}}));
  const TensorMap t = tensors_of(load_bytes(file, {.verify = true}));
  EXPECT_TRUE(is_dense(t.at("x").shape(), t.at("x").strides(), Layout::row_major));
  EXPECT_EQ(t.at("x").to_vector<float>(), values);
  EXPECT_EQ(t.at("broadcast").strides(), Strides({3, 1}));
  EXPECT_EQ(t.at("column").strides(), Strides({1}));
  EXPECT_EQ(t.at("column").to_vector<float>()[2], 23);
  EXPECT_EQ(t.at("column").impl()->storage->bytes(), 12 * sizeof(float));
}

TEST(TorchSave, OnlyWhatTensorsCoverIsWritten) {
  const auto storage = full({100}, 1).impl()->storage;
  const auto view = [&](int64_t offset, const Shape& shape, const Strides& strides) {
    return make_tensor(storage, offset, shape, strides, DType::f32);
  };
  const TensorMap t = tensors_of(round_trip(TorchValue({{"a", view(10, {10}, {1})},
                                                        {"a_again", view(10, {10}, {1})},
                                                        {"b", view(30, {2, 5}, {5, 1})},
                                                        {"in_b", view(31, {2}, {5})},
                                                        {"over_b", view(38, {4}, {1})},
                                                        {"out_of_b", view(38, {3}, {4})}})));
  const auto count = [&](const char* name) { return t.at(name).impl()->storage->bytes() / sizeof(float); };
  EXPECT_EQ(count("a"), 10u);
  EXPECT_EQ(t.at("a_again").impl()->storage, t.at("a").impl()->storage);
  EXPECT_EQ(count("b"), 12u);
  EXPECT_EQ(t.at("in_b").impl()->storage, t.at("b").impl()->storage);
  EXPECT_EQ(t.at("in_b").impl()->offset, 1);
  EXPECT_EQ(t.at("in_b").strides(), Strides({5}));
  EXPECT_EQ(t.at("over_b").impl()->offset, 8);
  EXPECT_EQ(count("out_of_b"), 3u);
}

TEST(TorchSave, StoragesStartAtMultiplesOf64) {
  TensorMap tensors;
  for (int i = 0; i < 30; ++i) tensors["x" + std::to_string(i)] = full({i % 7 + 1}, i, i % 2 ? DType::u8 : DType::f64);
  const std::string bytes = saved(TorchValue(tensors));
  std::string copy = bytes;
  const ZipReader zip(std::as_writable_bytes(std::span(copy)), "file");
  for (const ZipEntry& e : zip.entries())
    EXPECT_EQ((reinterpret_cast<const char*>(e.bytes.data()) - copy.data()) % 64, 0) << e.name;
  EXPECT_EQ(zip.entries().size(), 33u);
}

TEST(TorchSave, EqualValuesGiveEqualBytes) {
  const TorchValue value = load_torch(std::string(INGOT_SOURCE_DIR) + "/tests/golden/checkpoint.pth");
  const std::string first = saved(value);
  EXPECT_EQ(saved(load_bytes(first)), first);
}

TEST(TorchSave, WhatCannotBeWrittenIsRefusedAndTheOldFileStays) {
  const auto path = torch_scratch("kept.pth");
  save_torch(path, 1);
  const auto refuses = [&](const TorchValue& value) {
    const std::string error = error_of([&] { save_torch(path, value); });
    EXPECT_THAT(error, testing::StartsWith(path.string() + ": "));
    return error;
  };
  EXPECT_THAT(refuses(Tensor()), HasSubstr("a tensor has no data"));
  EXPECT_THAT(refuses("\xff"), HasSubstr("is not UTF-8"));
  EXPECT_THAT(refuses(Dict{{{"\xff", 1}}}), HasSubstr("is not UTF-8"));
  EXPECT_THAT(refuses(Dict{{{"k", 1}, {"k", 2}}}), HasSubstr("a key occurs twice in a dict"));
  TorchValue deep = 1;
  for (int i = 0; i < 200; ++i) deep = TorchValue::List{deep};
  EXPECT_THAT(refuses(deep), HasSubstr("nested deeper than 100 levels"));
  EXPECT_EQ(*load_torch(path).get_if<int64_t>(), 1);
  EXPECT_THAT(error_of([] { save_torch("/nowhere/x.pth", 1); }), HasSubstr("/nowhere/x.pth: cannot write"));
}

/// A file of more than 4 GiB, of which the zeros are a hole.
TEST(ZipWriter, SizesAndPlacesAbove4GiBAreZip64) {
  constexpr uint64_t kLarge = (uint64_t{4} << 30) + 100;
  const std::vector<std::byte> zeros(size_t{1} << 24);
  const int fd = ::memfd_create("large", MFD_CLOEXEC);
  off_t size = 0;
  const ByteSink sink = [&](std::span<const std::byte> piece) {
    const bool hole = piece.data() == zeros.data();
    EXPECT_TRUE(hole || ::pwrite(fd, piece.data(), piece.size(), size) == static_cast<ssize_t>(piece.size()));
    size += static_cast<off_t>(piece.size());
  };
  ZipWriter writer(sink);
  writer.add("a/data.pkl", py::pickle("N"));
  writer.add("a/data/0", kLarge, [&](const ByteSink& entry) {
    for (uint64_t done = 0; done < kLarge; done += zeros.size())
      entry({zeros.data(), static_cast<size_t>(std::min<uint64_t>(zeros.size(), kLarge - done))});
  });
  writer.add("a/data/1", "after");
  writer.finish();
  {
    const MappedFile file("/proc/self/fd/" + std::to_string(fd));
    const ZipReader zip(file.bytes(), "file");
    EXPECT_EQ(zip.stored("a/data/0").bytes.size(), kLarge);
    const auto after = zip.stored("a/data/1").bytes;
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(after.data()), after.size()), "after");
    EXPECT_GT(after.data() - file.bytes().data(), static_cast<std::ptrdiff_t>(kLarge));
  }
  ::close(fd);
}

}  // namespace
}  // namespace ingot
