#include "io/pickle_globals.h"

#include <algorithm>

#include "base/check.h"
#include "io/byte_reader.h"

namespace ingot::pickle {
namespace {

// What torch.load(weights_only=True) takes (torch/_weights_only_unpickler.py of PyTorch 1.13 to 2.15), by the names of
// Python 2 and 3. What of it has no counterpart here is refused for that reason, and not as unknown.
constexpr Global kGlobals[] = {
    {"collections.OrderedDict", Kind::dict, {}},
    {"collections.Counter", Kind::dict, {}},
    {"builtins.set", Kind::set, {}},
    {"__builtin__.set", Kind::set, {}},
    {"_codecs.encode", Kind::text, {}},  // how protocol 2 writes bytes
    {"builtins.bytearray", Kind::text, {}},
    {"__builtin__.bytearray", Kind::text, {}},
    {"torch.device", Kind::text, {}},
    {"torch.serialization._get_layout", Kind::text, {}},
    {"torch.Size", Kind::size, {}},
    {"torch.Tensor", Kind::type, {}},
    {"torch._utils._rebuild_tensor", Kind::tensor, {}},
    {"torch._utils._rebuild_tensor_v2", Kind::tensor, {}},
    {"torch._utils._rebuild_tensor_v3", Kind::typed_tensor, {}},
    {"torch._utils._rebuild_parameter", Kind::parameter, {}},
    {"torch._utils._rebuild_parameter_with_state", Kind::parameter, {}},
    {"torch.nn.parameter.Parameter", Kind::parameter, {}},
    {"torch._tensor._rebuild_from_type_v2", Kind::from_type, {}},

    {"torch.FloatStorage", Kind::storage, DType::f32},
    {"torch.DoubleStorage", Kind::storage, DType::f64},
    {"torch.BFloat16Storage", Kind::storage, DType::bf16},
    {"torch.HalfStorage", Kind::storage, DType::f16},
    {"torch.LongStorage", Kind::storage, DType::i64},
    {"torch.IntStorage", Kind::storage, DType::i32},
    {"torch.ByteStorage", Kind::storage, DType::u8},
    {"torch.CharStorage", Kind::storage, DType::i8},
    {"torch.BoolStorage", Kind::storage, DType::boolean},
    {"torch.storage.UntypedStorage", Kind::storage, DType::u8},
    {"torch.cuda.FloatStorage", Kind::storage, DType::f32},
    {"torch.cuda.DoubleStorage", Kind::storage, DType::f64},
    {"torch.cuda.BFloat16Storage", Kind::storage, DType::bf16},
    {"torch.cuda.HalfStorage", Kind::storage, DType::f16},
    {"torch.cuda.LongStorage", Kind::storage, DType::i64},
    {"torch.cuda.IntStorage", Kind::storage, DType::i32},
    {"torch.cuda.ByteStorage", Kind::storage, DType::u8},
    {"torch.cuda.CharStorage", Kind::storage, DType::i8},
    {"torch.cuda.BoolStorage", Kind::storage, DType::boolean},
    {"torch.ShortStorage", Kind::unsupported, {}, "16-bit integers"},
    {"torch.cuda.ShortStorage", Kind::unsupported, {}, "16-bit integers"},
    {"torch.ComplexFloatStorage", Kind::unsupported, {}, "complex numbers"},
    {"torch.ComplexDoubleStorage", Kind::unsupported, {}, "complex numbers"},
    {"torch.QInt8Storage", Kind::unsupported, {}, "quantised tensors"},
    {"torch.QUInt8Storage", Kind::unsupported, {}, "quantised tensors"},
    {"torch.QInt32Storage", Kind::unsupported, {}, "quantised tensors"},
    {"torch.QUInt4x2Storage", Kind::unsupported, {}, "quantised tensors"},
    {"torch.QUInt2x4Storage", Kind::unsupported, {}, "quantised tensors"},

    {"torch.float32", Kind::dtype, DType::f32},
    {"torch.float64", Kind::dtype, DType::f64},
    {"torch.bfloat16", Kind::dtype, DType::bf16},
    {"torch.float16", Kind::dtype, DType::f16},
    {"torch.int64", Kind::dtype, DType::i64},
    {"torch.int32", Kind::dtype, DType::i32},
    {"torch.uint8", Kind::dtype, DType::u8},
    {"torch.int8", Kind::dtype, DType::i8},
    {"torch.bool", Kind::dtype, DType::boolean},
    {"torch.int16", Kind::dtype, {}},
    {"torch.uint16", Kind::dtype, {}},
    {"torch.uint32", Kind::dtype, {}},
    {"torch.uint64", Kind::dtype, {}},
    {"torch.complex32", Kind::dtype, {}},
    {"torch.complex64", Kind::dtype, {}},
    {"torch.complex128", Kind::dtype, {}},
    {"torch.float8_e4m3fn", Kind::dtype, {}},
    {"torch.float8_e4m3fnuz", Kind::dtype, {}},
    {"torch.float8_e5m2", Kind::dtype, {}},
    {"torch.float8_e5m2fnuz", Kind::dtype, {}},
    {"torch.float8_e8m0fnu", Kind::dtype, {}},

    {"builtins.complex", Kind::unsupported, {}, "complex numbers"},
    {"__builtin__.complex", Kind::unsupported, {}, "complex numbers"},
    {"torch._utils._rebuild_qtensor", Kind::unsupported, {}, "quantised tensors"},
    {"torch._utils._rebuild_sparse_tensor", Kind::unsupported, {}, "sparse tensors"},
    {"torch._utils._rebuild_sparse_csr_tensor", Kind::unsupported, {}, "sparse tensors"},
    {"torch._utils._rebuild_meta_tensor_no_storage", Kind::unsupported, {}, "tensors without data"},
    {"torch._utils._rebuild_wrapper_subclass", Kind::unsupported, {}, "subclasses of tensors"},
    {"torch._utils._rebuild_device_tensor_from_numpy", Kind::unsupported, {}, "tensors of other devices"},
    {"torch._utils._rebuild_device_tensor_from_cpu_tensor", Kind::unsupported, {}, "tensors of other devices"},
};

constexpr int64_t kMaxElements = int64_t{1} << 60;  // two of them can be added

/// The product, or the limit above which there is none.
int64_t product(int64_t a, int64_t b) {
  int64_t out = 0;
  return __builtin_mul_overflow(a, b, &out) ? kMaxElements : std::min(out, kMaxElements);
}

void check_supported(const Global& global) {
  CHECK(global.kind != Kind::unsupported, "it uses {}: {} are not supported", global.name, global.what);
}

bool count_is(size_t count, size_t least, size_t most) { return count >= least && count <= most; }

}  // namespace

const Global* find_global(std::string_view name) {
  const auto* const it =
      std::find_if(std::begin(kGlobals), std::end(kGlobals), [&](const Global& g) { return g.name == name; });
  return it == std::end(kGlobals) ? nullptr : it;
}

std::string describe(const Value& value) {
  struct Words {
    std::string operator()(std::monostate) const { return "None"; }
    std::string operator()(bool b) const { return b ? "True" : "False"; }
    std::string operator()(int64_t number) const { return fmt::format("the number {}", number); }
    std::string operator()(double number) const { return fmt::format("the number {}", number); }
    std::string operator()(const std::string& text) const { return fmt::format("the text '{}'", shown(text)); }
    std::string operator()(const List&) const { return "a list"; }
    std::string operator()(const Tuple&) const { return "a tuple"; }
    std::string operator()(const Dict&) const { return "a dict"; }
    std::string operator()(StorageAt) const { return "a storage"; }
    std::string operator()(TensorAt) const { return "a tensor"; }
    std::string operator()(const Global* global) const { return std::string(global->name); }
  };
  return std::visit(Words(), value);
}

namespace {

template <class T>
constexpr std::string_view kExpected = "";
template <>
constexpr std::string_view kExpected<std::string> = "text";
template <>
constexpr std::string_view kExpected<int64_t> = "a whole number";
template <>
constexpr std::string_view kExpected<List> = "a list";
template <>
constexpr std::string_view kExpected<Tuple> = "a tuple";
template <>
constexpr std::string_view kExpected<Dict> = "a dict";
template <>
constexpr std::string_view kExpected<StorageAt> = "a storage";
template <>
constexpr std::string_view kExpected<TensorAt> = "a tensor";
template <>
constexpr std::string_view kExpected<const Global*> = "a name";

}  // namespace

template <class T>
const T& Builder::get(Ref ref, std::string_view what) const {
  const T* const value = get_if<T>(ref);
  CHECK(value != nullptr, "{} is {}, it must be {}", what, describe(at(ref)), kExpected<T>);
  return *value;
}
template const std::string& Builder::get<std::string>(Ref, std::string_view) const;
template const List& Builder::get<List>(Ref, std::string_view) const;
template const Tuple& Builder::get<Tuple>(Ref, std::string_view) const;
template const Dict& Builder::get<Dict>(Ref, std::string_view) const;
template const Global* const& Builder::get<const Global*>(Ref, std::string_view) const;

int64_t Builder::count(Ref ref, std::string_view what) const {
  const int64_t number = get<int64_t>(ref, what);
  CHECK(number >= 0, "{} is {}, it must not be negative", what, number);
  return number;
}

std::span<const Ref> Builder::items(Ref ref, std::string_view what) const {
  if (const List* const list = get_if<List>(ref)) return list->items;
  return get<Tuple>(ref, what).items;
}

void Builder::charge(size_t values) {
  charged_ += values;
  CHECK(charged_ <= kMaxValues, "it makes more than {} values", kMaxValues);
}

Ref Builder::add(Value value) {
  charge(1);
  out.values.push_back(std::move(value));
  return static_cast<Ref>(out.values.size() - 1);
}

Ref Builder::storage(Ref id) {
  const auto& parts = get<Tuple>(id, "a persistent id").items;
  CHECK(count_is(parts.size(), 5, 6), "a persistent id has {} parts, a storage's has 5 or 6", parts.size());
  const std::string& type = get<std::string>(parts[0], "the type of a persistent id");
  CHECK(type == "storage", "a persistent id is of a '{}'; only storages are supported", shown(type));
  const Global& global = *get<const Global*>(parts[1], "the type of a storage");
  check_supported(global);
  CHECK(global.kind == Kind::storage, "the type of a storage is {}", global.name);
  const std::string& key = get<std::string>(parts[2], "the key of a storage");
  CHECK(key.size() <= kMaxKeyBytes, "the key of a storage has {} bytes", key.size());
  get<std::string>(parts[3], "the device of a storage");
  StorageSpec spec{.key = key, .dtype = *global.dtype, .count = count(parts[4], "the size of a storage")};
  StorageAt at{.count = spec.count};
  if (parts.size() == 6 && get_if<std::monostate>(parts[5]) == nullptr) {
    const auto& view = get<Tuple>(parts[5], "the view of a storage").items;
    CHECK(view.size() == 3, "the view of a storage has {} parts, 3 are expected", view.size());
    at.offset = count(view[1], "the offset of a view"), at.count = count(view[2], "the size of a view");
    CHECK(at.offset <= spec.count && at.count <= spec.count - at.offset,
          "a view of {} elements from {} on reaches outside storage '{}', which has {}", at.count, at.offset,
          shown(key), spec.count);
  }
  const auto known = storages_.find(key);
  at.index = static_cast<uint32_t>(known != storages_.end() ? known->second : out.storages.size());
  if (known == storages_.end()) {
    storages_.emplace(key, out.storages.size());
    out.storages.push_back(std::move(spec));
  } else {
    const StorageSpec& same = out.storages[at.index];
    CHECK(same.dtype == spec.dtype && same.count == spec.count, "storage '{}' is both {} of {} and {} of {}",
          shown(key), same.count, name_of(same.dtype), spec.count, name_of(spec.dtype));
  }
  return add(at);
}

Ref Builder::call(const Global& global, std::span<const Ref> args) {
  check_supported(global);
  switch (global.kind) {
    case Kind::dict:
      return call_dict(global, args);
    case Kind::text:
      return call_text(global, args);
    case Kind::tensor:
      return call_tensor(global, args);
    case Kind::from_type:
      return call_from_type(args);
    case Kind::typed_tensor: {
      CHECK(args.size() >= 7, "{} is called with {} arguments", global.name, args.size());
      fail("a tensor of {} is not supported", describe(at(args[6])));
    }
    case Kind::set: {
      CHECK(args.size() == 1, "{} is called with {} arguments", global.name, args.size());
      items(args[0], "the content of a set");
      return args[0];
    }
    case Kind::size: {
      CHECK(args.size() == 1, "{} is called with {} arguments", global.name, args.size());
      items(args[0], "a torch.Size");
      return args[0];
    }
    case Kind::parameter: {
      CHECK(!args.empty(), "{} is called without arguments", global.name);
      get<TensorAt>(args[0], "the data of a parameter");
      return args[0];
    }
    default:
      fail("{} cannot be called", global.name);
  }
}

/// Of nothing, of a dict, or, as Python 2 wrote it, of a list of pairs.
Ref Builder::call_dict(const Global& global, std::span<const Ref> args) {
  CHECK(args.size() <= 1, "{} is called with {} arguments", global.name, args.size());
  if (args.empty()) return add(Dict());
  if (get_if<Dict>(args[0]) != nullptr) return args[0];
  Dict dict;
  const auto pairs = items(args[0], "the content of a dict");
  charge(pairs.size());
  for (const Ref pair : pairs) {
    const auto entry = items(pair, "an entry of a dict");
    CHECK(entry.size() == 2, "an entry of a dict has {} parts, 2 are expected", entry.size());
    check_key(entry[0]);
    dict.entries.emplace_back(entry[0], entry[1]);
  }
  return add(std::move(dict));
}

void Builder::check_key(Ref key) const {
  CHECK(get_if<std::string>(key) != nullptr || get_if<int64_t>(key) != nullptr,
        "a key is {}; only text and whole numbers are supported", describe(at(key)));
}

/// The first argument says all; torch.device has the device's number beside it.
Ref Builder::call_text(const Global& global, std::span<const Ref> args) {
  if (args.empty()) return add(std::string());
  const std::string& text = get<std::string>(args[0], global.name);
  if (global.name != "torch.device" || args.size() < 2) return args[0];
  return add(fmt::format("{}:{}", text.substr(0, kMaxKeyBytes), count(args[1], "the number of a device")));
}

Ref Builder::call_from_type(std::span<const Ref> args) {
  CHECK(args.size() >= 3, "_rebuild_from_type_v2 is called with {} arguments", args.size());
  const Global& function = *get<const Global*>(args[0], "the function of _rebuild_from_type_v2");
  CHECK(function.kind == Kind::tensor, "_rebuild_from_type_v2 is given {}, not what makes a tensor", function.name);
  const std::vector<Ref> inner = get<Tuple>(args[2], "the arguments of _rebuild_from_type_v2").items;
  return call_tensor(function, inner);
}

/// (storage, offset, size, stride, requires_grad, hooks, metadata), the first four at least.
Ref Builder::call_tensor(const Global& global, std::span<const Ref> args) {
  CHECK(count_is(args.size(), 4, 7), "{} is called with {} arguments", global.name, args.size());
  const StorageAt storage = get<StorageAt>(args[0], "the storage of a tensor");
  TensorSpec tensor{.storage = storage.index, .offset = count(args[1], "the offset of a tensor")};
  const auto sizes = items(args[2], "the shape of a tensor"), strides = items(args[3], "the strides of a tensor");
  CHECK(sizes.size() == strides.size(), "a tensor has {} sizes and {} strides", sizes.size(), strides.size());
  CHECK(sizes.size() <= kMaxRank, "a tensor has {} dimensions, at most {} are supported", sizes.size(), kMaxRank);
  for (size_t i = 0; i < sizes.size(); ++i) {
    tensor.shape.push_back(count(sizes[i], "a size of a tensor"));
    tensor.strides.push_back(count(strides[i], "a stride of a tensor"));
  }
  if (args.size() == 7) {
    const Dict* const metadata = get_if<Dict>(args[6]);
    const bool plain = get_if<std::monostate>(args[6]) != nullptr || (metadata != nullptr && metadata->entries.empty());
    CHECK(plain, "a tensor is kept negated or conjugated, which is not supported");
  }
  check_inside(tensor, storage);
  tensor.offset += storage.offset;
  out.tensors.push_back(tensor);
  return add(TensorAt{static_cast<uint32_t>(out.tensors.size() - 1)});
}

void Builder::check_inside(TensorSpec& tensor, const StorageAt& storage) {
  int64_t last = std::min(tensor.offset, kMaxElements), extent = 1;  // no size is taken for 0
  bool empty = false;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const int64_t size = tensor.shape[i].value();
    empty |= size == 0;
    extent = product(extent, std::max<int64_t>(size, 1));
    if (size > 1) last = std::min(last + product(size - 1, tensor.strides[i]), kMaxElements);
    if (size == 1 && tensor.strides[i] > storage.count) tensor.strides[i] = 1;  // nobody takes that step
  }
  const StorageSpec& whole = out.storages[storage.index];
  CHECK(extent < kMaxElements / 8, "a tensor of shape {} is too large", to_string(tensor.shape));
  if (empty) {
    tensor.offset = 0;
    tensor.strides = strides_for(tensor.shape, Layout::row_major);
    return;
  }
  CHECK(last < storage.count, "a tensor of shape {} reaches element {} of storage '{}', which has {}",
        to_string(tensor.shape), last, shown(whole.key), storage.count);
  if (extent <= storage.count) return;
  spread_ += std::min(static_cast<uint64_t>(extent) * size_of(whole.dtype), kMaxSpread + 1);
  CHECK(spread_ <= kMaxSpread, "a tensor of shape {} repeats the elements of its storage, which has {}, beyond measure",
        to_string(tensor.shape), storage.count);
}

}  // namespace ingot::pickle
