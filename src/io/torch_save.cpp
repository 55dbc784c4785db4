#include <bit>
#include <set>

#include "base/check.h"
#include "base/file.h"
#include "ingot/io.h"
#include "io/byte_reader.h"
#include "io/storage_plan.h"
#include "io/utf8.h"
#include "io/zip_writer.h"

namespace ingot {
namespace {

constexpr int kMaxDepth = 100;  // as load_torch

std::string_view storage_type(DType dtype) {
  constexpr std::array<std::string_view, 9> kTypes{"FloatStorage", "DoubleStorage", "BFloat16Storage",
                                                   "HalfStorage",  "LongStorage",   "IntStorage",
                                                   "ByteStorage",  "CharStorage",   "BoolStorage"};  // as in DType
  return kTypes[static_cast<size_t>(dtype)];
}

/// All tensors in a value, in the order in which they stand. Checks what can be written on the way.
class Collector {
 public:
  explicit Collector(std::string path) : path_(std::move(path)) {}
  Tensors tensors;

  void collect(const TorchValue& value, int depth = 0) {
    CHECK(depth <= kMaxDepth, "{}: the value is nested deeper than {} levels", path_, kMaxDepth);
    if (const auto* const x = value.get_if<Tensor>()) {
      CHECK(x->defined() && !x->is_abstract(), "{}: a tensor has no data", path_);
      tensors.push_back(*x);
    } else if (const auto* const text = value.get_if<std::string>()) {
      check_text(*text);
    } else if (const auto* const list = value.get_if<TorchValue::List>()) {
      for (const TorchValue& item : *list) collect(item, depth + 1);
    } else if (const auto* const tuple = value.get_if<TorchValue::Tuple>()) {
      for (const TorchValue& item : tuple->items) collect(item, depth + 1);
    } else if (const auto* const dict = value.get_if<TorchValue::Dict>()) {
      std::set<TorchValue::Key> keys;
      for (const auto& [key, item] : dict->entries) {
        if (const auto* const name = std::get_if<std::string>(&key)) check_text(*name);
        CHECK(keys.insert(key).second, "{}: a key occurs twice in a dict", path_);
        collect(item, depth + 1);
      }
    }
  }

 private:
  void check_text(const std::string& text) const {
    CHECK(is_utf8(text), "{}: the text '{}' is not UTF-8", path_, shown(text));
  }
  std::string path_;
};

/// A pickle of protocol 2, which is PyTorch's: no opcode that torch.load(weights_only=True) lacks.
class PickleWriter {
 public:
  explicit PickleWriter(const StoragePlan& plan) : plan_(plan) {}

  std::string pickle(const TorchValue& value) {
    out_ = "\x80\x02";
    std::visit([&](const auto& v) { put(v); }, value.data());
    return std::move(out_) + ".";
  }

 private:
  void put(std::monostate) { out_ += 'N'; }
  void put(bool value) { out_ += value ? '\x88' : '\x89'; }
  void put(int64_t value) {
    if (value >= 0 && value <= 0xff) {
      out_ += 'K', number(static_cast<uint8_t>(value));
    } else if (value >= 0 && value <= 0xffff) {
      out_ += 'M', number(static_cast<uint16_t>(value));
    } else if (value == static_cast<int32_t>(value)) {
      out_ += 'J', number(static_cast<int32_t>(value));
    } else {
      out_ += "\x8a\x08", number(value);
    }
  }
  void put(double value) { out_ += 'G', number(__builtin_bswap64(std::bit_cast<uint64_t>(value))); }
  void put(const std::string& text) {
    out_ += 'X', number(static_cast<uint32_t>(text.size()));
    out_ += text;
  }
  void put(const TorchValue::List& list) {
    out_ += ']';
    if (list.empty()) return;
    out_ += '(', put_all(list), out_ += 'e';
  }
  void put(const TorchValue::Tuple& tuple) {
    if (tuple.items.empty()) {
      out_ += ')';
      return;
    }
    out_ += '(', put_all(tuple.items), out_ += 't';
  }
  void put(const TorchValue::Dict& dict) {
    out_ += '}';
    if (dict.entries.empty()) return;
    out_ += '(';
    for (const auto& [key, value] : dict.entries) {
      std::visit([&](const auto& k) { put(k); }, key);
      std::visit([&](const auto& v) { put(v); }, value.data());
    }
    out_ += 'u';
  }
  void put_all(const TorchValue::List& items) {
    for (const TorchValue& item : items) std::visit([&](const auto& v) { put(v); }, item.data());
  }

  /// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)
  void put(const Tensor& x) {
    const StoragePlan::Place& place = plan_.place(x);
    global("torch._utils", "_rebuild_tensor_v2");
    out_ += "((";
    remembered("storage", [&] { put(std::string("storage")); });
    global("torch", storage_type(x.dtype()));
    put(std::to_string(place.storage));
    remembered("cpu", [&] { put(std::string("cpu")); });
    put(plan_.storages()[place.storage].count);
    out_ += "tQ";
    put(place.offset);
    std::vector<int64_t> sizes;
    for (const Dim d : x.shape()) sizes.push_back(d.value());
    put_numbers(sizes), put_numbers(place.strides);
    put(false);
    global("collections", "OrderedDict");
    out_ += ")RtR";
  }
  void put_numbers(std::span<const int64_t> numbers) {
    out_ += '(';
    for (const int64_t n : numbers) put(n);
    out_ += 't';
  }

  void global(std::string_view module, std::string_view name) {
    remembered(name, [&] { out_ += fmt::format("c{}\n{}\n", module, name); });
  }
  /// Written once, and fetched from the memo afterwards.
  template <class Write>
  void remembered(std::string_view what, const Write& write) {
    const auto [at, is_new] = memo_.try_emplace(std::string(what), static_cast<uint8_t>(memo_.size()));
    if (is_new) write();
    out_ += is_new ? 'q' : 'h', number(at->second);
  }
  template <class T>
  void number(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  const StoragePlan& plan_;
  std::map<std::string, uint8_t> memo_;
  std::string out_;
};

}  // namespace

void save_torch(const std::filesystem::path& path, const TorchValue& value) {
  Collector collector(path.string());
  collector.collect(value);
  const StoragePlan plan(collector.tensors);
  const std::string pickle = PickleWriter(plan).pickle(value);
  write_file_atomic(path, [&](const ByteSink& sink) {
    ZipWriter zip(sink);
    zip.add("archive/data.pkl", pickle);
    zip.add("archive/byteorder", "little");
    for (size_t i = 0; i < plan.storages().size(); ++i) {
      const StoragePlan::Storage& storage = plan.storages()[i];
      zip.add(fmt::format("archive/data/{}", i), static_cast<uint64_t>(storage.count) * size_of(storage.tensor.dtype()),
              [&](const ByteSink& entry) { plan.write(storage, entry); });
    }
    zip.add("archive/version", "3\n");
    zip.finish();
  });
}

}  // namespace ingot
