#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <numeric>

#include "base/file.h"
#include "error_of.h"
#include "ingot/io.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::filesystem::path scratch(const std::string& name) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "ingot_safetensors";
  std::filesystem::create_directories(folder);
  return folder / name;
}

std::string length_bytes(uint64_t length) {
  std::string out(8, '\0');
  for (int i = 0; i < 8; ++i) out[static_cast<size_t>(i)] = static_cast<char>(length >> (8 * i));
  return out;
}

std::string file_of(const std::string& header, const std::string& data) {
  return length_bytes(header.size()) + header + data;
}

std::string refusal(const std::string& content) {
  const auto path = scratch("bad.safetensors");
  write_file_atomic(path, content);
  const std::string error = error_of([&] { load_safetensors(path); });
  EXPECT_THAT(error, testing::StartsWith(path.string() + ": "));
  return error;
}

const TensorMap& every_dtype() {
  static const TensorMap map = [] {
    TensorMap out;
    for (const DType dtype :
         {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::i8, DType::bf16, DType::f16})
      out[std::string("t_") + std::string(name_of(dtype))] = full({2, 3}, 5, dtype);
    out["flags"] = from_vector<bool>({true, false, true}, {3});
    out["scalar"] = scalar(2.5);
    out["none"] = empty({0, 4});
    return out;
  }();
  return map;
}

TEST(Safetensors, RoundTripOfEveryDtypeShapeAndMetadata) {
  const auto path = scratch("all.safetensors");
  save_safetensors(path, every_dtype(), {{"step", "12"}, {"note", "\"quoted\" \n ü"}});
  const Safetensors file = load_safetensors(path);
  EXPECT_THAT(file.metadata, ElementsAre(testing::Pair("note", "\"quoted\" \n ü"), testing::Pair("step", "12")));
  ASSERT_EQ(file.tensors.size(), every_dtype().size());
  for (const auto& [name, x] : every_dtype()) {
    const Tensor& y = file.tensors.at(name);
    EXPECT_EQ(y.dtype(), x.dtype()) << name;
    EXPECT_EQ(y.shape(), x.shape()) << name;
    EXPECT_EQ(y.to_vector<double>(), x.to_vector<double>()) << name;
  }
}

TEST(Safetensors, AnyLayoutIsWrittenRowMajor) {
  std::vector<float> values(2 * 3 * 4 * 5);
  std::iota(values.begin(), values.end(), 0.f);
  const Tensor x = from_vector(values, {2, 3, 4, 5});
  ASSERT_EQ(x.layout(), Layout::channels_last);
  const Tensor broadcast = make_tensor(x.impl()->storage, 0, {2, 3}, {0, 1}, DType::f32);
  const auto path = scratch("layout.safetensors");
  save_safetensors(path, {{"x", x}, {"broadcast", broadcast}});
  const Safetensors file = load_safetensors(path);
  EXPECT_TRUE(is_dense(file.tensors.at("x").shape(), file.tensors.at("x").strides(), Layout::row_major));
  EXPECT_EQ(file.tensors.at("x").to_vector<float>(), values);
  EXPECT_EQ(file.tensors.at("broadcast").to_vector<float>(), broadcast.to_vector<float>());
  const std::string bytes = read_file(path);
  EXPECT_EQ(std::memcmp(bytes.data() + bytes.size() - values.size() * 4, values.data(), values.size() * 4), 0);
}

TEST(Safetensors, PiecesOfGatheredTensorsJoinUp) {  // more than one piece of 1 MiB
  const Tensor x = uniform({3, 5, 200, 101}, 0, 1, RandomKey{7});
  const auto path = scratch("large.safetensors");
  save_safetensors(path, {{"x", x}});
  EXPECT_EQ(load_safetensors(path).tensors.at("x").to_vector<float>(), x.to_vector<float>());
}

TEST(Safetensors, WritingToALoadedTensorLeavesTheFile) {
  const auto path = scratch("cow.safetensors");
  save_safetensors(path, {{"x", full({4}, 1)}});
  const std::string before = read_file(path);
  {
    Safetensors file = load_safetensors(path);
    file.tensors.at("x").mutable_data<float>()[0] = 9;
    EXPECT_EQ(file.tensors.at("x").data<float>()[0], 9);
  }
  EXPECT_EQ(read_file(path), before);
}

TEST(Safetensors, TensorsOutliveTheMapOfTheFileAndItsReplacement) {
  const auto path = scratch("outlive.safetensors");
  save_safetensors(path, {{"x", full({4}, 3)}});
  const Tensor x = load_safetensors(path).tensors.at("x");
  save_safetensors(path, {{"x", full({4}, 8)}});
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(3, 3, 3, 3));
}

TEST(Safetensors, EqualContentGivesEqualBytes) {
  const auto a = scratch("a.safetensors"), b = scratch("b.safetensors");
  save_safetensors(a, every_dtype(), {{"k", "v"}});
  save_safetensors(b, load_safetensors(a).tensors, {{"k", "v"}});
  EXPECT_EQ(read_file(a), read_file(b));
}

TEST(Safetensors, MisalignedTensorsAreCopied) {
  const std::string header =
      R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  const float value = 1.5f;
  const auto path = scratch("misaligned.safetensors");
  write_file_atomic(path,
                    file_of(header, std::string("\x07", 1) + std::string(reinterpret_cast<const char*>(&value), 4)));
  const Safetensors file = load_safetensors(path);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.tensors.at("x").data<float>()) % 4, 0u);
  EXPECT_EQ(file.tensors.at("x").item<float>(), 1.5f);
  EXPECT_EQ(file.tensors.at("b").item<int>(), 7);
}

TEST(Safetensors, ForeignFilesWithoutMetadataOrWithPaddingAreRead) {
  const auto path = scratch("foreign.safetensors");
  write_file_atomic(path, file_of("{}", ""));
  EXPECT_TRUE(load_safetensors(path).tensors.empty());
  write_file_atomic(path, file_of("{\"e\":{\"shape\":[0,3],\"data_offsets\":[0,0],\"dtype\":\"I64\"}}   ", ""));
  EXPECT_EQ(load_safetensors(path).tensors.at("e").shape(), Shape({0, 3}));
}

TEST(Safetensors, TruncatedAtEveryLengthIsRefused) {
  const auto path = scratch("whole.safetensors");
  save_safetensors(path, {{"x", full({2, 3}, 1)}, {"y", full({3}, 1, DType::u8)}}, {{"k", "v"}});
  const std::string whole = read_file(path);
  for (size_t length = 0; length < whole.size(); ++length) refusal(whole.substr(0, length));
  EXPECT_THAT(refusal(whole.substr(0, 4)), HasSubstr("4 bytes are too few"));
  EXPECT_THAT(refusal(whole.substr(0, 40)), HasSubstr("truncated"));
  EXPECT_THAT(refusal(whole.substr(0, whole.size() - 1)),
              HasSubstr("tensor 'y' ends at byte 27 of the data, the file holds 26: it is truncated"));
  EXPECT_THAT(refusal(whole + "!"), HasSubstr("1 bytes after the last tensor"));
}

TEST(Safetensors, EveryOtherDamageHasItsOwnError) {
  const std::string four(4, '\0');
  const auto entry = [](const std::string& fields) { return R"({"x":{)" + fields + "}}"; };
  const std::string good = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  const std::pair<std::string, const char*> cases[] = {
      {length_bytes(100'000'001) + "{", "at most 100000000 are allowed"},
      {length_bytes(uint64_t(-1)) + "{}", "at most 100000000 are allowed"},
      {file_of("[1]", ""), "does not start with '{'"},
      {file_of("{\"x\":", ""), "the header is not JSON at byte"},
      {file_of("{} x", ""), "the header is not JSON at byte"},
      {file_of(std::string("{\"\xff\":{}}"), ""), "the header is not JSON at byte"},
      {file_of("{\"x\":{" + good + "},\"x\":{" + good + "}}", four), "key 'x' occurs twice in the header"},
      {file_of(entry(good + R"(,"shape":[1])"), four), "key 'shape' occurs twice in 'x'"},
      {file_of(R"({"__metadata__":{"a":"1","a":"2"}})", ""), "key 'a' occurs twice in '__metadata__'"},
      {file_of(R"({"__metadata__":{"a":1}})", ""), "'a' of '__metadata__' is a number"},
      {file_of(R"({"__metadata__":{"a":{}}})", ""), "holds an object"},
      {file_of(entry(R"("dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1])"), "x"),
       "dtype 'F8_E4M3' is not one of F32, F64"},
      {file_of(entry(R"("dtype":"F32","shape":[1])"), four), "tensor 'x' has no data_offsets"},
      {file_of(entry(R"("dtype":"F32","data_offsets":[0,4])"), four), "tensor 'x' has no shape"},
      {file_of(entry(R"("shape":[1],"data_offsets":[0,4])"), four), "tensor 'x' has no dtype"},
      {file_of(entry(good + R"(,"extra":[1])"), four), "'extra' of 'x' is an array"},
      {file_of(entry(R"("dtype":"F32","shape":[[1]],"data_offsets":[0,4])"), four),
       "is an array, which is not expected"},
      {file_of(entry(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), four), "holds -1, which is negative"},
      {file_of(entry(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), four), "is not a whole number"},
      {file_of(entry(R"("dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4])"), four),
       "is not a whole number"},
      {file_of(entry(R"("dtype":"F32","shape":null,"data_offsets":[0,4])"), four), "is null"},
      {file_of(entry(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])"), four), "9 dimensions"},
      {file_of(entry(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4])"), four),
       "which is too large"},
      {file_of(entry(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4])"), four), "is too large"},
      {file_of(entry(R"("dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0])"), ""), "is too large"},
      {file_of(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), four),
       "F32 [2] needs 8 bytes, its data_offsets give 4"},
      {file_of(entry(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), four), "has 1 data_offsets"},
      {file_of(entry(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), four), "run backwards"},
      {file_of(entry(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), four + four),
       "bytes 0 to 4 of the data belong to no tensor"},
      {file_of("{\"x\":{" + good + "},\"y\":{" + good + "}}", four), "inside the tensor before it"},
      {file_of(entry(R"("dtype":"BOOL","shape":[2],"data_offsets":[0,2])"), std::string("\x01\x02")),
       "BOOL but its byte 1 is 2"},
      {file_of(R"({"x":)" + std::string(100000, '[') + "}", ""), "is an array"},
  };
  for (const auto& [content, message] : cases) EXPECT_THAT(refusal(content), HasSubstr(message));
}

TEST(Safetensors, SavingRefusesWhatCannotBeWritten) {
  const auto path = scratch("refused.safetensors");
  EXPECT_THAT(error_of([&] { save_safetensors(path, {{"__metadata__", scalar(1)}}); }), HasSubstr("cannot be named"));
  EXPECT_THAT(error_of([&] { save_safetensors(path, {{"x", Tensor()}}); }), HasSubstr("tensor 'x' has no data"));
  EXPECT_THAT(error_of([&] { save_safetensors(path, {{"\xff", scalar(1)}}); }), HasSubstr("UTF-8"));
  EXPECT_THAT(error_of([&] { save_safetensors("/no/such/folder/x", {}); }),
              HasSubstr("/no/such/folder/x: cannot write"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ContentHash, DependsOnNamesSpecsAndBytesButNotOnLayout) {
  const Tensor x = uniform({2, 3, 4, 5}, 0, 1, RandomKey{1});
  const std::string hash = hash_tensors({{"x", x}});
  const auto path = scratch("hash.safetensors");
  save_safetensors(path, {{"x", x}}, {{kContentHash, hash}});
  const Safetensors file = load_safetensors(path);
  ASSERT_NE(file.tensors.at("x").strides(), x.strides());
  EXPECT_EQ(hash_tensors(file.tensors), hash);
  verify_content_hash(file, path);
  EXPECT_NE(hash_tensors({{"y", x}}), hash);
  EXPECT_NE(hash_tensors({{"x", full({2, 3, 4, 5}, 0)}}), hash_tensors({{"x", full({2, 3, 20}, 0)}}));
  EXPECT_NE(hash_tensors({{"x", full({2}, 0)}}), hash_tensors({{"x", full({2}, 0, DType::i32)}}));
}

TEST(ContentHash, DamageIsFound) {
  const auto path = scratch("damaged.safetensors");
  save_safetensors(path, {{"x", full({8}, 1)}}, {{kContentHash, hash_tensors({{"x", full({8}, 1)}})}});
  std::string bytes = read_file(path);
  bytes.back() ^= 1;
  write_file_atomic(path, bytes);
  EXPECT_THAT(error_of([&] { verify_content_hash(load_safetensors(path), path); }),
              AllOf(HasSubstr(path.string()), HasSubstr("damaged")));
  EXPECT_THAT(error_of([&] { verify_content_hash({}, path); }), HasSubstr("has no content_hash"));
}

}  // namespace
}  // namespace ingot
