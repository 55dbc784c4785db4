#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

#include "cases.h"
#include "io/torch_files.h"

// What a stranger may have written. Each refusal says what is wrong, and where.
namespace ingot {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::StartsWith;

std::string refused(const std::string& body, const std::vector<std::string>& storages = {floats({1, 2, 3, 4})}) {
  return refusal(torch_zip(py::pickle(body), storages));
}

std::string le32(uint32_t value) { return bytes_of(value); }
std::string le64(uint64_t value) { return bytes_of(value); }

// ---- Names

TEST(TorchRefusals, AGlobalOutsideTheListIsNamedAndNotRun) {
  const auto marker = torch_scratch("ran");
  std::filesystem::remove(marker);
  for (const auto& [module, name] : {std::pair("os", "system"),
                                     {"posix", "system"},
                                     {"builtins", "eval"},
                                     {"__builtin__", "exec"},
                                     {"subprocess", "Popen"},
                                     {"torch.hub", "load"},
                                     {"numpy.core.multiarray", "scalar"},
                                     {"torch", "load"}}) {
    const std::string what = fmt::format(
        "the pickle, byte 2: it names '{}.{}', which is not one of the types of a checkpoint; nothing of it was run",
        module, name);
    const std::string arguments = py::tuple({py::text("touch " + marker.string())});
    EXPECT_EQ(refused(py::global(module, name) + arguments + "R"), what);
    EXPECT_THAT(refused(py::text(module) + py::text(name) + "\x93" + arguments + "R"),
                HasSubstr(fmt::format("it names '{}.{}'", module, name)));
  }
  EXPECT_FALSE(std::filesystem::exists(marker));
  EXPECT_THAT(refused(py::global("a\x1b[2J", std::string(5000, 'x'))), HasSubstr("it names 'a?[2J.xxxx"));
  EXPECT_LT(refused(py::global("a", std::string(5000, 'x'))).size(), 400u);
}

TEST(TorchRefusals, OpcodesThatRunCodeByAnotherRoadAreUnknown) {
  for (const std::string op : {"i", "o", "\x82", "\x83", "\x84", "P", "\x92", "I", "S", "0", "1", "2", "p", "g", "l"})
    EXPECT_THAT(refused("(" + op + "os\nsystem\n"), HasSubstr("is not one of a checkpoint")) << op;
}

TEST(TorchRefusals, WhatHasNoCounterpartIsNamed) {
  const auto call = [](const std::string& module, const std::string& name, const std::vector<std::string>& args) {
    return py::global(module, name) + py::tuple(args) + "R";
  };
  const std::string storage = py::storage("0", 4);
  EXPECT_THAT(refused(call("torch._utils", "_rebuild_sparse_tensor", {"N"})),
              HasSubstr("it uses torch._utils._rebuild_sparse_tensor: sparse tensors are not supported"));
  EXPECT_THAT(refused(call("torch._utils", "_rebuild_qtensor", {"N"})), HasSubstr("quantised tensors"));
  EXPECT_THAT(refused(call("__builtin__", "complex", {"N"})), HasSubstr("complex numbers are not supported"));
  EXPECT_THAT(refused(py::storage("0", 4, "ShortStorage")),
              HasSubstr("it uses torch.ShortStorage: 16-bit integers are not supported"));
  EXPECT_THAT(refused(call("torch._utils", "_rebuild_tensor_v3",
                           {storage, py::number(0), py::numbers({1}), py::numbers({1}), "\x89", "N",
                            py::global("torch", "uint16")})),
              HasSubstr("a tensor of torch.uint16 is not supported"));
  EXPECT_THAT(refused(call("torch._utils", "_rebuild_tensor_v2",
                           {storage, py::number(0), py::numbers({1}), py::numbers({1}), "\x89", "N",
                            py::dict({{"neg", "\x88"}})})),
              HasSubstr("a tensor is kept negated or conjugated"));
  EXPECT_THAT(refused(call("torch", "Tensor", {})), HasSubstr("torch.Tensor cannot be called"));
  EXPECT_THAT(refused(py::tuple({py::text("module"), "N", "N", "N", "N"}) + "Q"),
              HasSubstr("a persistent id is of a 'module'; only storages are supported"));
}

// ---- Types

TEST(TorchRefusals, EveryOpcodeChecksTheTypesOfWhatItTakes) {
  const std::pair<std::string, const char*> cases[] = {
      {"}N"
       "a",
       "what is appended to is a dict, it must be a list"},
      {py::text("x") + "(Ne", "what is appended to is the text 'x', it must be a list"},
      {"]" + py::text("k") + "Ns", "what an item is set of is a list, it must be a dict"},
      {"N(u", "what an item is set of is None, it must be a dict"},
      {"})Ns", "a key is a tuple; only text and whole numbers are supported"},
      {"}(" + py::text("k") + "u", "1 keys and values are set, one is missing"},
      {"}NNs", "a key is None"},
      {"NN\x93", "the module of a global is None, it must be text"},
      {"N)R", "what is called is None, it must be a name"},
      {py::global("torch", "Size") + "NR", "the arguments of a call is None, it must be a tuple"},
      {py::global("torch", "Size") + ")R", "torch.Size is called with 0 arguments"},
      {py::global("torch", "Size") + "(NNNNNNNNNtR", "torch.Size is called with 9 arguments"},
      {py::global("torch", "Size") + "N\x85R", "a torch.Size is None, it must be a tuple"},
      {py::global("collections", "OrderedDict") + "](]e\x85R", "an entry of a dict has 0 parts, 2 are expected"},
      {py::global("torch._utils", "_rebuild_parameter") + "N\x85R", "the data of a parameter is None"},
      {py::tuple({}) + "NR", "what is called is a tuple"},
      {"NNb", "what attributes are set of is None, it must be a dict"},
      {"NQ", "a persistent id is None, it must be a tuple"},
      {")Q", "a persistent id has 0 parts"},
      {py::tuple({py::text("storage"), "N", "N", "N", "N"}) + "Q", "the type of a storage is None, it must be a name"},
      {py::tuple({py::text("storage"), py::global("torch", "Size"), "N", "N", "N"}) + "Q",
       "the type of a storage is torch.Size"},
      {py::storage(std::string(2000, 'k'), 1), "the key of a storage has 2000 bytes"},
      {py::storage("0", -1), "the size of a storage is -1, it must not be negative"},
      {py::tensor("N", 0, {1}, {1}), "the storage of a tensor is None, it must be a storage"},
      {"a", "1 values are wanted from the stack, it has 0"},
      {"N(a", "1 values are wanted from the stack, it has 0"},
      {"N(\x85", "1 values are wanted from the stack, it has 0"},
      {"Nt", "there is no mark on the stack"},
      {"NN", "it ends with 2 values and 0 marks on the stack, not one value"},
      {"N(", "it ends with 1 values and 1 marks on the stack, not one value"},
      {"", "it ends with 0 values and 0 marks on the stack, not one value"},
      {"\x80\x09N", "it is of protocol 9, 5 is the newest"},
      {"X" + le32(2) + "\xff\xfe", "text is not UTF-8"},
      {py::dict({{"k", "N"}, {"k", "N"}}), "the text 'k' occurs twice in a dict"},
  };
  for (const auto& [body, what] : cases) EXPECT_THAT(refused(body), HasSubstr(what)) << what;
}

// ---- Sizes out of all proportion

TEST(TorchRefusals, HugeLengthsAreRefusedBeforeAnythingIsAllocated) {
  const std::pair<std::string, const char*> cases[] = {
      {"X" + le32(~0U), "4294967295 bytes are wanted at byte 7, 1 are left: it is truncated"},
      {"\x8d" + le64(~uint64_t{0}), "18446744073709551615 bytes are wanted"},
      {"B" + le32(~0U), "4294967295 bytes are wanted"},
      {"\x8e" + le64(uint64_t{1} << 63), "9223372036854775808 bytes are wanted"},
      {"\x96" + le64(uint64_t{1} << 63), "9223372036854775808 bytes are wanted"},
      {"\x8a\xff", "255 bytes are wanted"},
      {"\x8b" + le32(~0U), "4294967295 bytes are wanted"},
      {"\x95" + le64(uint64_t{1} << 63), "a frame has 9223372036854775808 bytes"},
      {"\x8a\x09" + std::string(8, '\0') + "\x01", "a whole number has 9 bytes, at most 8 are supported"},
      {"Nr" + le32(~0U), "place 4294967295 of the memo is too high, at most 4194304 are supported"},
      {"j" + le32(~0U), "place 4294967295 of the memo is empty"},
      {"h\x05", "place 5 of the memo is empty"},
      {"Nq\x07h\x05", "place 5 of the memo is empty"},
      {"cos", "a line begins at byte 3 and does not end"},
  };
  for (const auto& [body, what] : cases) EXPECT_THAT(refused(body), HasSubstr(what)) << what;
}

TEST(TorchRefusals, BombsOfFewBytesGoOffEarly) {
  const std::string deep_lists = [] {
    std::string lists, closing;
    for (int i = 0; i < 200; ++i) lists += "](", closing += "e";
    return lists + closing;
  }();
  EXPECT_THAT(refused(deep_lists), HasSubstr("it is nested deeper than 100 levels, or in itself"));
  EXPECT_THAT(refused(std::string(2000, '(')), HasSubstr("it is nested deeper than 1000 levels"));
  EXPECT_THAT(refused("]q\x01h\x01"
                      "a"),
              HasSubstr("nested deeper than 100 levels, or in itself"));
  std::string doubling = "]q\x01";  // each list holds the one before it twice
  for (char i = 1; i < 60; ++i) doubling += std::string("](h") + i + "h" + i + "eq" + static_cast<char>(i + 1);
  EXPECT_THAT(refused("(" + doubling + "t"), HasSubstr("what it says over and over makes more than 4194304 values"));
  std::string text = "](" + py::text(std::string(1 << 20, 'x')) + "q\x01";
  for (int i = 0; i < 1000; ++i) text += "h\x01";
  EXPECT_THAT(refused(text + "e"), HasSubstr("what it says over and over makes more than 4194304 values"));
  EXPECT_THAT(refused("]" + std::string(5'000'000, ']')), HasSubstr("it makes more than 4194304 values"));
  std::string copies = py::global("collections", "OrderedDict") + "q\x01" + "](";
  for (int i = 0; i < 10'000; ++i) copies += py::number(i) + "N\x86";
  copies += "e\x85q\x02R";
  for (int i = 0; i < 1000; ++i) copies += "h\x01h\x02R\x86";
  EXPECT_THAT(refused(copies), HasSubstr("it makes more than 4194304 values"));
}

TEST(TorchRefusals, TensorsOfRepeatedElementsMayNotFillMemory) {
  const auto expanded = [](int32_t rows) {
    return torch_zip(py::pickle(py::tensor(py::storage("0", 4), 0, {rows, 4}, {0, 1})), {floats({1, 2, 3, 4})});
  };
  EXPECT_EQ(load_bytes(expanded(1000)).get_if<Tensor>()->numel(), 4000);
  EXPECT_EQ(refusal(expanded(1 << 30)),
            "the pickle, byte 148: a tensor of shape [1073741824, 4] repeats the elements of its storage, which has 4, "
            "beyond measure");
}

// ---- Tensors and storages

TEST(TorchRefusals, TensorsOutsideTheirStorage) {
  const auto tensor = [](int32_t offset, const std::vector<int32_t>& shape, const std::vector<int32_t>& strides) {
    return refused(py::tensor(py::storage("0", 4), offset, shape, strides));
  };
  EXPECT_THAT(tensor(0, {5}, {1}), HasSubstr("a tensor of shape [5] reaches element 4 of storage '0', which has 4"));
  EXPECT_THAT(tensor(1, {4}, {1}), HasSubstr("reaches element 4"));
  EXPECT_THAT(tensor(4, {}, {}), HasSubstr("a tensor of shape [] reaches element 4"));
  EXPECT_THAT(tensor(0, {2, 2}, {3, 1}), HasSubstr("reaches element 4"));
  EXPECT_THAT(tensor(0, {2}, {2147483647}), HasSubstr("reaches element 2147483647"));
  EXPECT_THAT(tensor(2147483647, {1}, {1}), HasSubstr("reaches element 2147483647"));
  EXPECT_THAT(tensor(-1, {1}, {1}), HasSubstr("the offset of a tensor is -1, it must not be negative"));
  EXPECT_THAT(tensor(0, {-1}, {1}), HasSubstr("a size of a tensor is -1, it must not be negative"));
  EXPECT_THAT(tensor(0, {1}, {-1}), HasSubstr("a stride of a tensor is -1, it must not be negative"));
  EXPECT_THAT(tensor(0, {1, 1}, {1}), HasSubstr("a tensor has 2 sizes and 1 strides"));
  EXPECT_THAT(tensor(0, std::vector<int32_t>(9, 1), std::vector<int32_t>(9, 1)),
              HasSubstr("a tensor has 9 dimensions, at most 8 are supported"));
  const int32_t huge = 2147483647;
  EXPECT_THAT(tensor(0, {huge, huge, huge}, {0, 0, 0}), HasSubstr("is too large"));
  EXPECT_THAT(tensor(0, {0, huge, huge, huge}, {1, 1, 1, 1}), HasSubstr("is too large"));
  EXPECT_THAT(refused(py::global("torch._utils", "_rebuild_tensor_v2") +
                      py::tuple({py::storage("0", 4), "\x8a\x08" + le64(uint64_t(INT64_MAX)), py::numbers({2}),
                                 py::tuple({"\x8a\x08" + le64(uint64_t(INT64_MAX))}), "\x89", "N"}) +
                      "R"),
              HasSubstr("a tensor of shape [2] reaches element"));
}

TEST(TorchRefusals, StoragesThatAreNotWhatTheFileHas) {
  const std::string x = py::storage("0", 4);
  EXPECT_EQ(refused(x, {floats({1, 2, 3})}), "storage '0' of 4 f32 elements has 12 bytes in the archive");
  EXPECT_EQ(refused(x, {floats({1, 2, 3, 4, 5})}), "storage '0' of 4 f32 elements has 20 bytes in the archive");
  EXPECT_EQ(refused(x, {}), "has no entry 'a/data/0'");
  EXPECT_EQ(refused(py::storage("../data.pkl", 4)), "has no entry 'a/data/../data.pkl'");
  EXPECT_THAT(refused(py::tuple({x, py::storage("0", 2, "DoubleStorage")})),
              HasSubstr("storage '0' is both 4 of f32 and 2 of f64"));
  EXPECT_THAT(refused(py::tuple({x, py::storage("0", 3)})), HasSubstr("storage '0' is both 4 of f32 and 3 of f32"));
  EXPECT_EQ(refused(py::storage("0", 4, "BoolStorage"), {std::string("\0\1\2\0", 4)}),
            "storage '0' is of truth values but its byte 2 is 2");
  const std::string count = "\x8a\x08" + le64(uint64_t{1} << 62);  // times 4 bytes it wraps to 0
  const std::string wraps =
      py::tuple({py::text("storage"), py::global("torch", "FloatStorage"), py::text("0"), py::text("cpu"), count}) +
      "Q";
  EXPECT_THAT(refused(wraps, {""}), HasSubstr("storage '0' of 4611686018427387904 f32 elements has 0 bytes"));
  const auto view = [](const std::string& parts) {
    return py::tuple({py::text("storage"), py::global("torch", "FloatStorage"), py::text("0"), py::text("cpu"),
                      py::number(4), parts}) +
           "Q";
  };
  EXPECT_THAT(refused(view(py::tuple({py::text("v"), py::number(2), py::number(3)}))),
              HasSubstr("a view of 3 elements from 2 on reaches outside storage '0', which has 4"));
  EXPECT_THAT(refused(view(py::tuple({py::text("v")}))), HasSubstr("the view of a storage has 1 parts"));
}

// ---- Archives

TEST(TorchRefusals, ArchivesThatAreNotSound) {
  const std::string pickle = py::pickle(py::storage("0", 1));
  const Entry data{.name = "a/data.pkl", .bytes = pickle}, storage{.name = "a/data/0", .bytes = floats({1})};
  const auto with = [&](auto change) {
    Entry changed = storage;
    change(changed);
    return refusal(zip_of({data, changed}));
  };
  EXPECT_EQ(refusal(zip_of({{.name = "a/data.pkl", .bytes = "", .method = 8}})),
            "entry 'a/data.pkl' is compressed; torch.save stores entries as they are");
  EXPECT_EQ(with([](Entry& e) { e.method = 8; }),
            "entry 'a/data/0' is compressed; torch.save stores entries as they are");
  EXPECT_EQ(with([](Entry& e) { e.flags = 1; }), "entry 'a/data/0' is encrypted");
  for (const char* name : {"../evil", "/etc/passwd", "a/../../evil", "a/..", "a\\..\\evil", "C:evil"})
    EXPECT_EQ(with([&](Entry& e) { e.name = name; }),
              fmt::format("entry '{}' has a name that leads out of the archive or is none", name));
  EXPECT_EQ(with([](Entry& e) { e.name = "a\nb"; }), "entry 'a?b' has a name that leads out of the archive or is none");
  EXPECT_EQ(with([](Entry& e) { e.name = "a/data.pkl"; }), "entry 'a/data.pkl' occurs twice");
  EXPECT_EQ(with([](Entry& e) { e.directory_name = "a/data/1"; }),
            "entry 'a/data/1' is not what the archive's directory says of it");
  EXPECT_EQ(with([](Entry& e) { e.moved = -3; }), "entry 'a/data/0' is not what the archive's directory says of it");
  EXPECT_THAT(with([](Entry& e) { e.moved = 1 << 20; }), HasSubstr("entry 'a/data/0' begins at byte"));
  EXPECT_EQ(refusal(zip_of({{.name = "b/x", .bytes = ""}, data, storage})),
            "is a zip archive without 'b/data.pkl', not what torch.save wrote");
  EXPECT_EQ(refusal(zip_of({data, storage, {.name = "a/constants.pkl", .bytes = ""}})),
            "is a TorchScript program, not what torch.save wrote");
  EXPECT_EQ(refusal(zip_of({data, storage, {.name = "a/byteorder", .bytes = "big"}})),
            "its numbers are of byte order 'big', only little is supported");
  EXPECT_EQ(refusal(zip_of({{.name = "a/data.pkl", .bytes = pickle + "!!"}, storage})), "2 bytes after the pickle");
}

TEST(TorchRefusals, EntriesThatOverlap) {
  // The second entry's header and bytes lie inside the first entry's bytes.
  const std::string inner = zip_of({{.name = "a/data/1", .bytes = floats({1})}});
  const size_t inner_bytes = 30 + 8 + 4;
  std::string file = zip_of({{.name = "a/data/0", .bytes = inner.substr(0, inner_bytes)},
                             {.name = "a/data/1", .bytes = floats({1}), .moved = -static_cast<int64_t>(inner_bytes)}});
  EXPECT_EQ(refusal(file), "two entries of the archive overlap at byte 38");
}

TEST(TorchRefusals, DirectoriesThatAreDamaged) {
  const std::string good = torch_zip(py::pickle(py::storage("0", 1)), {floats({1})});
  const size_t end = good.size() - 22;
  const auto with = [&](size_t at, const std::string& bytes) {
    std::string bad = good;
    bad.replace(at, bytes.size(), bytes);
    return refusal(bad);
  };
  EXPECT_EQ(load_bytes(good).get_if<Tensor>()->numel(), 1);
  EXPECT_THAT(with(end, "XX"), HasSubstr("the zip archive has no end record: it is truncated"));
  EXPECT_THAT(with(end + 4, "\x01"), HasSubstr("the zip archive spans several files"));
  EXPECT_THAT(with(end + 8, "\x01"), HasSubstr("the zip archive spans several files"));
  EXPECT_THAT(with(end + 8, std::string("\x01\x00\x01", 3)),
              HasSubstr("the archive's directory has 54 bytes after its last entry"));
  EXPECT_THAT(with(end + 8, std::string("\x03\x00\x03", 3)), HasSubstr("bytes are wanted at byte"));
  EXPECT_THAT(with(end + 12, "\x01"), HasSubstr("the archive's directory has"));
  EXPECT_THAT(with(end + 16, "\xff\xff\xff\xff"), HasSubstr("from byte 4294967295 on"));
  EXPECT_THAT(with(good.find("PK\x01\x02"), "XX"), HasSubstr("the archive's directory is damaged at its byte 0"));
}

TEST(TorchRefusals, Zip64RecordsThatAreDamaged) {
  const std::string good = read_file(std::string(INGOT_SOURCE_DIR) + "/tests/golden/checkpoint.pth");
  const size_t locator = good.size() - 22 - 20, record = locator - 56;
  const auto with = [&](size_t at, const std::string& bytes) {
    std::string bad = good;
    bad.replace(at, bytes.size(), bytes);
    return refusal(bad);
  };
  ASSERT_EQ(good.substr(record, 4), "PK\x06\x06");
  EXPECT_THAT(with(record, "XX"), HasSubstr("the zip64 end record is not where the archive says"));
  EXPECT_THAT(with(record + 4, "\x01"), HasSubstr("the zip64 end record is not where the archive says"));
  EXPECT_THAT(with(locator + 8, "\xff\xff\xff\xff\xff\xff\xff\x7f"), HasSubstr("the zip64 end record is not where"));
  EXPECT_THAT(with(locator + 8, "\x01"), HasSubstr("the zip64 end record is not where"));
  EXPECT_THAT(with(record + 16, "\x01"), HasSubstr("the zip archive spans several files"));
  EXPECT_THAT(with(record + 32, "\x63"), HasSubstr("the archive's two end records differ"));
}

// ---- The older form

std::string legacy(const std::string& body, const std::string& keys, const std::string& data) {
  const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  return magic + py::pickle(py::number(1001)) + py::pickle(py::dict({{"little_endian", "\x88"}})) + py::pickle(body) +
         py::pickle(keys) + data;
}

TEST(TorchRefusals, OlderFilesThatAreNotSound) {
  const std::string x = py::tensor(py::storage("7", 2), 0, {2}, {1}), keys = "](" + py::text("7") + "e";
  const std::string data = le64(2) + floats({1, 2});
  EXPECT_THAT(load_bytes(legacy(x, keys, data)).get_if<Tensor>()->to_vector<float>(), testing::ElementsAre(1, 2));
  EXPECT_EQ(refusal(legacy(x, keys, le64(3) + floats({1, 2, 3}))), "storage '7' has 3 elements, the pickle says 2");
  EXPECT_EQ(refusal(legacy(x, keys, data + "!")), "1 bytes after the last storage");
  EXPECT_THAT(refusal(legacy(x, keys, data.substr(0, 12))), HasSubstr("8 bytes are wanted at byte 8, 4 are left"));
  EXPECT_EQ(refusal(legacy(x, "]", data)), "the list of its storages does not name the 1 that it uses");
  EXPECT_EQ(refusal(legacy(x, "N", data)), "the list of its storages does not name the 1 that it uses");
  EXPECT_EQ(refusal(legacy(x, "](" + py::text("8") + "e", data)),
            "the list of its storages names one that it does not use, or one twice");
  EXPECT_EQ(refusal(legacy(x, "](Ne", data)), "the list of its storages names one that it does not use, or one twice");
  EXPECT_EQ(refusal(legacy(x, py::storage("7", 2), data)), "a storage is used where none can be");
  std::string other = legacy(x, keys, data);
  other.replace(other.find(py::number(1001)), 5, py::number(1002));
  EXPECT_EQ(refusal(other), "is of another version than 1001");
  other = legacy(x, keys, data);
  other.replace(other.find('\x88'), 1, "\x89");
  EXPECT_EQ(refusal(other), "its numbers are big-endian, which is not supported");
  other.replace(other.find('\x89'), 1, "N");
  EXPECT_EQ(refusal(other), "does not say the byte order of its numbers");
  for (const char* bytes : {"", "\x80\x02", "\x80\x02.", "PK\x05\x06", "hello world"})
    EXPECT_EQ(refusal(bytes), "is not what torch.save wrote");
}

TEST(TorchRefusals, ViewsOfStoragesInOlderFiles) {
  const std::string view =
      py::tuple({py::text("storage"), py::global("torch", "FloatStorage"), py::text("7"), py::text("cpu"),
                 py::number(4), py::tuple({py::text("view"), py::number(1), py::number(2)})}) +
      "Q";
  const std::string keys = "](" + py::text("7") + "e", data = le64(4) + floats({1, 2, 3, 4});
  EXPECT_THAT(load_bytes(legacy(py::tensor(view, 0, {2}, {1}), keys, data)).get_if<Tensor>()->to_vector<float>(),
              testing::ElementsAre(2, 3));
  EXPECT_THAT(refusal(legacy(py::tensor(view, 1, {2}, {1}), keys, data)),
              HasSubstr("reaches element 2 of storage '7'"));
}

// ---- Damage anywhere

class Damaged : public testing::TestWithParam<const char*> {
 protected:
  std::string whole_ = read_file(std::string(INGOT_SOURCE_DIR) + "/tests/golden/" + GetParam());
};

TEST_P(Damaged, TruncatedAtEveryLengthIsRefused) {
  for (size_t length = 0; length < whole_.size(); ++length) EXPECT_NE(refusal(whole_.substr(0, length)), "") << length;
}

/// Every loaded element is read: with the sanitizers on, one outside its storage ends the test.
void read_all(const TorchValue& value) {
  for (const auto& [name, tensor] : tensors_of(value))
    if (tensor.numel().value() < 1'000'000) tensor.to_vector<double>();
}

TEST_P(Damaged, FlippedBitsAreRefusedOrHarmless) {
  std::mt19937 random(1);
  int refusals = 0;
  const int rounds = cases(3000);
  testing::internal::CaptureStderr();  // warnings of wrong checksums
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = whole_;
    for (int flips = 1 + round % 3; flips > 0; --flips)
      bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    try {
      read_all(load_bytes(bytes));
    } catch (const Error&) {
      ++refusals;
    }
  }
  testing::internal::GetCapturedStderr();
  EXPECT_GT(refusals, rounds / 10);
}

std::string file_name(const testing::TestParamInfo<const char*>& info) {
  const std::string name = info.param;
  return name.substr(0, name.find('.'));
}
INSTANTIATE_TEST_SUITE_P(Files, Damaged,
                         testing::Values("checkpoint.pth", "checkpoint_protocol4.pth", "checkpoint_legacy.pth"),
                         file_name);

class DamagedArchive : public Damaged {};

TEST_P(DamagedArchive, EveryDamageOfTheContentIsFoundWhenVerifying) {
  const std::string good = hash_tensors(tensors_of(load_bytes(whole_)));
  std::mt19937 random(1);
  for (int round = 0; round < cases(1000); ++round) {
    std::string bytes = whole_;
    bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    try {
      EXPECT_EQ(hash_tensors(tensors_of(load_bytes(bytes, {.verify = true}))), good);
    } catch (const Error&) {
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, DamagedArchive, testing::Values("checkpoint.pth", "checkpoint_protocol4.pth"),
                         file_name);

}  // namespace
}  // namespace ingot
