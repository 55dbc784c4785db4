#include <gmock/gmock.h>

#include <numeric>

#include "io/torch_files.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;

std::filesystem::path golden_file(const std::string& name) {
  return std::filesystem::path(INGOT_SOURCE_DIR) / "tests/golden" / (name + ".pth");
}

std::vector<float> range(int from, int to) {
  std::vector<float> out(static_cast<size_t>(to - from));
  std::iota(out.begin(), out.end(), static_cast<float>(from));
  return out;
}

const Storage* storage_of(const TensorMap& tensors, const char* name) { return tensors.at(name).impl()->storage.get(); }

/// What scripts/golden.py put into tests/golden/checkpoint*.pth.
class Golden : public testing::TestWithParam<const char*> {
 protected:
  TorchValue value_ = load_torch(golden_file(GetParam()), {.verify = true});
};

TEST_P(Golden, TensorsHaveTheirValuesShapesAndStrides) {
  const TensorMap t = state_dict_of(value_);
  ASSERT_EQ(t.size(), 18u);
  EXPECT_EQ(t.at("plain").to_vector<float>(), range(0, 24));
  EXPECT_EQ(t.at("plain").shape(), Shape({4, 6}));
  EXPECT_EQ(t.at("transposed").strides(), Strides({1, 6}));
  EXPECT_EQ(t.at("transposed").to_vector<float>()[1], 6);
  EXPECT_EQ(t.at("slice").to_vector<float>(), range(5, 9));
  EXPECT_EQ(t.at("expanded").shape(), Shape({2, 3}));
  EXPECT_THAT(t.at("expanded").to_vector<float>(), testing::Each(7));
  EXPECT_EQ(t.at("channels_last").layout(), Layout::channels_last);
  EXPECT_TRUE(t.at("channels_last").is_dense());
  EXPECT_EQ(t.at("channels_last").to_vector<float>(), range(0, 24));
  EXPECT_EQ(t.at("scalar").item<double>(), 2.5);
  EXPECT_EQ(t.at("empty").shape(), Shape({0, 3}));
  EXPECT_THAT(t.at("flags").to_vector<bool>(), ElementsAre(true, false, true));
  EXPECT_THAT(t.at("parameter").to_vector<float>(), ElementsAre(-1, -1));
  EXPECT_FALSE(t.at("parameter").requires_grad());
  for (const auto& [name, dtype] : {std::pair("float32", DType::f32),
                                    {"float64", DType::f64},
                                    {"bfloat16", DType::bf16},
                                    {"float16", DType::f16},
                                    {"int64", DType::i64},
                                    {"int32", DType::i32},
                                    {"uint8", DType::u8},
                                    {"int8", DType::i8}}) {
    EXPECT_EQ(t.at(name).dtype(), dtype) << name;
    EXPECT_EQ(t.at(name).to_vector<float>(), range(0, 5)) << name;
  }
}

TEST_P(Golden, TensorsThatSharedAStorageShareIt) {
  TensorMap t = state_dict_of(value_);
  EXPECT_TRUE(t.at("tied").same_as(t.at("plain")));
  for (const char* name : {"transposed", "slice"}) EXPECT_EQ(storage_of(t, name), storage_of(t, "plain")) << name;
  EXPECT_NE(storage_of(t, "channels_last"), storage_of(t, "plain"));
  t.at("plain").mutable_data<float>()[5] = -1;
  EXPECT_EQ(t.at("slice").data<float>()[0], -1);
}

TEST_P(Golden, OtherValuesAreKept) {
  EXPECT_EQ(*value_.find("epoch")->get_if<int64_t>(), 3);
  EXPECT_EQ(*value_.find("lr")->get_if<double>(), 0.1);
  EXPECT_EQ(*value_.find("done")->get_if<bool>(), false);
  EXPECT_TRUE(value_.find("none")->is_none());
  EXPECT_EQ(*value_.find("text")->get_if<std::string>(), "h\u00e9llo");
  EXPECT_EQ(*value_.find("dtype")->get_if<std::string>(), "torch.float32");
  std::vector<int64_t> numbers;
  for (const TorchValue& n : *value_.find("numbers")->get_if<TorchValue::List>())
    numbers.push_back(*n.get_if<int64_t>());
  EXPECT_THAT(numbers, ElementsAre(-1, 255, 65535, -70000, int64_t{1} << 40, -(int64_t{1} << 62)));
  const auto& pair = value_.find("pair")->get_if<TorchValue::Tuple>()->items;
  EXPECT_EQ(*pair.at(0).get_if<int64_t>(), 1);
  EXPECT_EQ(*pair.at(1).get_if<std::string>(), "two");
  EXPECT_EQ(value_.find("size")->get_if<TorchValue::Tuple>()->items.size(), 2u);
  EXPECT_EQ(value_.find(5)->kind(), "a dict");
  EXPECT_EQ(value_.find("missing"), nullptr);
  EXPECT_EQ(value_.find("lr")->find("lr"), nullptr);
}

TEST_P(Golden, AllTensorsHavePaths) {
  const TensorMap t = tensors_of(value_);
  EXPECT_EQ(t.size(), 19u);
  EXPECT_TRUE(t.contains("state_dict.plain"));
  EXPECT_EQ(t.at("5.nested.0").to_vector<float>(), std::vector<float>({1, 1}));
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, testing::Values("checkpoint", "checkpoint_protocol4", "checkpoint_legacy"),
                         [](const auto& info) { return std::string(info.param); });

TEST(TorchLoad, StoragesLieInTheMappedFileWhichWritingLeavesAlone) {
  const auto path = torch_scratch("mapped.pth");
  std::filesystem::copy_file(golden_file("checkpoint"), path, std::filesystem::copy_options::overwrite_existing);
  const std::string before = read_file(path);
  const size_t used = memory_use().used;
  TensorMap t = load_checkpoint_tensors(path);
  constexpr size_t kEmptyTensor = 64;
  EXPECT_LE(memory_use().used, used + kEmptyTensor);
  t.at("plain").mutable_data<float>()[0] = 9;
  EXPECT_EQ(read_file(path), before);
}

TEST(TorchLoad, MisalignedStoragesAreCopied) {
  const std::string pickle = py::pickle(py::dict({{"x", py::tensor(py::storage("0", 2), 0, {2}, {1})}}));
  for (size_t padding = 0; padding < 8; ++padding) {
    const std::string file = zip_of(
        {{.name = "a/data.pkl", .bytes = pickle}, {.name = "a/data/0", .bytes = floats({1, 2}), .padding = padding}});
    const Tensor x = tensors_of(load_bytes(file)).at("x");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(x.data<float>()) % sizeof(float), 0u);
    EXPECT_EQ(x.to_vector<float>(), std::vector<float>({1, 2}));
  }
}

TEST(TorchLoad, ArchivesMayHaveDescriptorsZip64FieldsAndAComment) {
  const std::string pickle = py::pickle(py::dict({{"x", py::tensor(py::storage("0", 2), 0, {2}, {1})}}));
  for (const Entry& storage : {Entry{.name = "a/data/0", .bytes = floats({1, 2}), .flags = 0x808},
                               Entry{.name = "a/data/0", .bytes = floats({1, 2}), .zip64 = true}}) {
    const std::string file = zip_of({{.name = "a/data.pkl", .bytes = pickle}, storage}, "written by hand");
    EXPECT_EQ(tensors_of(load_bytes(file, {.verify = true})).at("x").to_vector<float>()[1], 2);
  }
}

TEST(TorchLoad, OrderedDictsOfPython2AreListsOfPairs) {
  const auto old_text = [](const std::string& s) { return "U" + std::string(1, static_cast<char>(s.size())) + s; };
  const std::string pairs = "](](" + old_text("x") + py::tensor(py::storage("0", 1), 0, {1}, {1}) + "e](" +
                            old_text("caf\xe9") + py::number(3) + "ee";
  const std::string pickle = py::pickle(py::global("collections", "OrderedDict") + pairs + "\x85R");
  const TorchValue value = load_bytes(torch_zip(pickle, {floats({4})}));
  EXPECT_EQ(state_dict_of(value).at("x").item<float>(), 4);
  EXPECT_EQ(*value.find("caf\u00e9")->get_if<int64_t>(), 3);  // Latin-1
}

TEST(TorchLoad, TypesOfPythonAndPyTorchBecomeTheNearestKind) {
  const auto call = [](const std::string& module, const std::string& name, const std::vector<std::string>& args) {
    return py::global(module, name) + py::tuple(args) + "R";
  };
  const std::string list = "](" + py::number(1) + py::number(2) + "e";
  const std::string tensor_args =
      py::tuple({py::storage("0", 2), py::number(0), py::numbers({2}), py::numbers({1}), "\x89", "N"});
  const TorchValue v = load_bytes(torch_zip(
      py::pickle(py::dict({
          {"set", call("__builtin__", "set", {list})},
          {"counter", call("collections", "Counter", {py::dict({{"a", py::number(1)}})})},
          {"bytes", call("_codecs", "encode", {py::text("\u00e9"), py::text("latin1")})},
          {"device", call("torch", "device", {py::text("cuda"), py::number(1)})},
          {"cpu", call("torch", "device", {py::text("cpu")})},
          {"attributes",
           py::global("collections", "OrderedDict") + ")R" + py::dict({{"version", py::number(1)}}) + "b"},
          {"storage", py::storage("0", 2)},
          {"typed",
           call("torch._tensor", "_rebuild_from_type_v2",
                {py::global("torch._utils", "_rebuild_tensor_v2"), py::global("torch", "Tensor"), tensor_args, "}"})},
          {"parameter", call("torch._utils", "_rebuild_parameter_with_state",
                             {py::tensor(py::storage("0", 2), 1, {1}, {1}), "\x88", "}", "}"})},
          {"long", std::string("\x8a\x0a\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12)},
          {"wide", std::string("\x8b\x02\x00\x00\x00\xfe\xff", 7)},
      })),
      {floats({4, 5})}));
  EXPECT_EQ(v.find("set")->get_if<TorchValue::List>()->size(), 2u);
  EXPECT_EQ(*v.find("counter")->find("a")->get_if<int64_t>(), 1);
  EXPECT_EQ(*v.find("bytes")->get_if<std::string>(), "\u00e9");
  EXPECT_EQ(*v.find("device")->get_if<std::string>(), "cuda:1");
  EXPECT_EQ(*v.find("cpu")->get_if<std::string>(), "cpu");
  EXPECT_TRUE(v.find("attributes")->get_if<TorchValue::Dict>()->entries.empty());
  EXPECT_THAT(v.find("storage")->get_if<Tensor>()->to_vector<float>(), ElementsAre(4, 5));
  EXPECT_THAT(v.find("typed")->get_if<Tensor>()->to_vector<float>(), ElementsAre(4, 5));
  EXPECT_THAT(v.find("parameter")->get_if<Tensor>()->to_vector<float>(), ElementsAre(5));
  EXPECT_EQ(*v.find("long")->get_if<int64_t>(), 1);
  EXPECT_EQ(*v.find("wide")->get_if<int64_t>(), -2);
}

TEST(TorchLoad, AWrongChecksumWarnsAndIsRefusedWhenVerifying) {
  const std::string pickle = py::pickle(py::dict({{"x", py::tensor(py::storage("0", 1), 0, {1}, {1})}}));
  const std::string file =
      zip_of({{.name = "a/data.pkl", .bytes = pickle}, {.name = "a/data/0", .bytes = floats({1}), .wrong_crc = 1}});
  testing::internal::CaptureStderr();
  EXPECT_EQ(tensors_of(load_bytes(file)).size(), 1u);
  EXPECT_THAT(
      testing::internal::GetCapturedStderr(),
      HasSubstr("entry 'a/data/0' does not have the checksum that the archive notes: it was damaged, or PyTorch "
                "was told to write none"));
  EXPECT_EQ(refusal(file, {.verify = true}),
            "entry 'a/data/0' does not have the checksum that the archive notes: it was damaged");
}

TEST(TorchLoad, ChecksumsOfLargeEntriesAreThoseOfTheirPieces) {
  std::vector<float> values(3'000'000);
  std::iota(values.begin(), values.end(), 0.f);
  const std::string pickle = py::pickle(py::dict({{"x", py::tensor(py::storage("0", 3'000'000), 0, {2}, {1})}}));
  const std::string file = torch_zip(pickle, {floats(values)});
  EXPECT_EQ(tensors_of(load_bytes(file, {.verify = true})).size(), 1u);
  std::string damaged = file;
  damaged[damaged.size() / 2] ^= 4;
  EXPECT_THAT(refusal(damaged, {.verify = true}), HasSubstr("entry 'a/data/0'"));
}

TEST(TorchLoad, AStateDictIsFoundWhereScriptsPutIt) {
  const auto file = [](const std::string& body) { return torch_zip(py::pickle(body), {floats({1})}); };
  const std::string state = py::dict({{"w", py::tensor(py::storage("0", 1), 0, {1}, {1})}});
  for (const std::string& body :
       {state, py::dict({{"state_dict", state}, {"epoch", py::number(1)}}), py::dict({{"model", state}}),
        py::dict({{"model_state_dict", state}}), py::dict({{"model", py::dict({{"state_dict", state}})}})})
    EXPECT_THAT(state_dict_of(load_bytes(file(body))), ElementsAre(Key("w")));
  EXPECT_TRUE(state_dict_of(load_bytes(file("}"))).empty());
  const MemoryFile other(file(py::dict({{"weights", state}, {"epoch", py::number(1)}}))), number(file(py::number(3)));
  EXPECT_EQ(error_of([&] { load_checkpoint_tensors(other.path()); }),
            other.path().string() +
                ": it holds no state_dict: there is no tensor in it, nor an entry state_dict, model or "
                "model_state_dict, but weights, epoch");
  EXPECT_EQ(error_of([&] { load_checkpoint_tensors(number.path()); }),
            number.path().string() + ": it holds a whole number, not a state_dict");
}

TEST(TorchLoad, PathsThatAreNotUniqueAreRefused) {
  const std::string x = py::tensor(py::storage("0", 1), 0, {1}, {1});
  const TorchValue value =
      load_bytes(torch_zip(py::pickle(py::dict({{"a.b", x}, {"a", py::dict({{"b", x}})}})), {floats({1})}));
  EXPECT_EQ(error_of([&] { tensors_of(value); }), "two tensors have the path 'a.b'");
}

}  // namespace
}  // namespace ingot
