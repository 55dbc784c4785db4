#include "io/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/check.h"

namespace ingot {
namespace {

constexpr std::array<std::string_view, 9> kNames{"F32", "F64", "BF16", "F16", "I64",
                                                 "I32", "U8",  "I8",   "BOOL"};  // as in DType

DType parse_safetensors_dtype(std::string_view name) {
  const auto it = std::find(kNames.begin(), kNames.end(), name);
  CHECK(it != kNames.end(), "dtype '{}' is not one of {}", name, fmt::join(kNames, ", "));
  return static_cast<DType>(it - kNames.begin());
}

/// Builds the header as the parser walks the JSON text. A document tree would hide keys that occur twice.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(const std::string& path) : path_(path) {}
  SafetensorsHeader header;

  bool start_object(size_t) override {
    if (depth_ == 0) return ++depth_, true;
    CHECK(depth_ == 1, "{}: {} holds an object where a value is expected", path_, place());
    ++depth_;
    entry_ = {};
    entry_.name = key_;
    has_dtype_ = has_shape_ = false;
    offsets_.reset();
    fields_.clear();
    return true;
  }
  bool end_object() override {
    if (--depth_ == 1 && !in_metadata()) finish_entry();
    return true;
  }
  bool key(std::string& name) override {
    std::string& current = depth_ == 1 ? key_ : field_;
    CHECK((depth_ == 1 ? names_ : fields_).insert(name).second, "{}: key '{}' occurs twice{}", path_, name,
          depth_ == 1 ? " in the header" : fmt::format(" in '{}'", key_));
    current = name;
    return true;
  }
  bool string(std::string& text) override {
    if (depth_ == 2 && in_metadata()) return header.metadata[field_] = text, true;
    CHECK(depth_ == 2 && field_ == "dtype" && !in_array_, "{}: {} is a string, which is not expected", path_, place());
    try {
      entry_.dtype = parse_safetensors_dtype(text);
    } catch (const Error& error) {
      fail("{}: tensor '{}': {}", path_, key_, error.what());
    }
    return has_dtype_ = true;
  }
  bool start_array(size_t) override {
    const bool known = depth_ == 2 && !in_metadata() && !in_array_ && (field_ == "shape" || field_ == "data_offsets");
    CHECK(known, "{}: {} is an array, which is not expected", path_, place());
    numbers_.clear();
    return in_array_ = true;
  }
  bool end_array() override {
    in_array_ = false;
    return field_ == "shape" ? take_shape() : take_offsets();
  }
  bool number_unsigned(uint64_t value) override {
    CHECK(in_array_, "{}: {} is a number, which is not expected", path_, place());
    numbers_.push_back(value);
    return true;
  }
  bool number_integer(int64_t value) override { fail("{}: {} holds {}, which is negative", path_, place(), value); }
  bool number_float(double, const std::string& text) override {
    fail("{}: {} holds {}, which is not a whole number below 2^64", path_, place(), text);
  }
  bool null() override { fail("{}: {} is null", path_, place()); }
  bool boolean(bool) override { fail("{}: {} is a truth value, which is not expected", path_, place()); }
  bool binary(nlohmann::json::binary_t&) override { return false; }
  bool parse_error(size_t at, const std::string&, const nlohmann::json::exception& error) override {
    // The text quotes what was read last, which in a hostile file is long.
    fail("{}: the header is not JSON at byte {}: {:.200}", path_, at, error.what());
  }

 private:
  bool in_metadata() const { return key_ == "__metadata__"; }
  std::string place() const {
    if (depth_ == 0) return "the header";
    return depth_ == 1 ? fmt::format("'{}'", key_) : fmt::format("'{}' of '{}'", field_, key_);
  }
  bool take_shape() {
    CHECK(numbers_.size() <= kMaxRank, "{}: tensor '{}' has {} dimensions, at most {} are supported", path_, key_,
          numbers_.size(), kMaxRank);
    for (const uint64_t size : numbers_) {
      CHECK(size <= uint64_t{1} << 62, "{}: tensor '{}' has a size of {}, which is too large", path_, key_, size);
      entry_.shape.push_back(static_cast<int64_t>(size));
    }
    return has_shape_ = true;
  }
  bool take_offsets() {
    CHECK(numbers_.size() == 2, "{}: tensor '{}' has {} data_offsets, 2 are expected", path_, key_, numbers_.size());
    offsets_ = {numbers_[0], numbers_[1]};
    return true;
  }
  void finish_entry() {
    for (const std::string& field : fields_)
      CHECK(field == "dtype" || field == "shape" || field == "data_offsets",
            "{}: tensor '{}' has an unknown field '{}'", path_, key_, field);
    CHECK(has_dtype_ && has_shape_ && offsets_, "{}: tensor '{}' has no {}", path_, key_,
          !has_dtype_  ? "dtype"
          : has_shape_ ? "data_offsets"
                       : "shape");
    std::tie(entry_.begin, entry_.end) = *offsets_;
    header.entries.push_back(std::move(entry_));
  }

  const std::string& path_;
  int depth_ = 0;
  std::string key_, field_;
  std::set<std::string, std::less<>> names_, fields_;
  SafetensorsEntry entry_;
  std::vector<uint64_t> numbers_;
  std::optional<std::pair<uint64_t, uint64_t>> offsets_;
  bool has_dtype_ = false, has_shape_ = false, in_array_ = false;
};

uint64_t bytes_of(const SafetensorsEntry& entry, const std::string& path) {
  uint64_t extent = size_of(entry.dtype);  // no size taken for 0: strides must be numbers in empty tensors too
  bool empty = false;
  for (const Dim size : entry.shape) {
    empty |= size == 0;
    const auto items = std::max<uint64_t>(static_cast<uint64_t>(size.value()), 1);
    CHECK(!__builtin_mul_overflow(extent, items, &extent) && extent <= uint64_t{1} << 62,
          "{}: tensor '{}' of shape {} is too large", path, entry.name, to_string(entry.shape));
  }
  return empty ? 0 : extent;
}

void check_tiling(std::vector<SafetensorsEntry>& entries, uint64_t data_bytes, const std::string& path) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  uint64_t at = 0;
  for (const SafetensorsEntry& e : entries) {
    CHECK(e.begin <= e.end, "{}: tensor '{}' has data_offsets [{}, {}], which run backwards", path, e.name, e.begin,
          e.end);
    CHECK(e.end <= data_bytes, "{}: tensor '{}' ends at byte {} of the data, the file holds {}: it is truncated", path,
          e.name, e.end, data_bytes);
    const uint64_t wanted = bytes_of(e, path);
    CHECK(e.end - e.begin == wanted, "{}: tensor '{}' {} {} needs {} bytes, its data_offsets give {}", path, e.name,
          safetensors_name(e.dtype), to_string(e.shape), wanted, e.end - e.begin);
    CHECK(e.begin >= at, "{}: tensor '{}' starts at byte {} of the data, inside the tensor before it", path, e.name,
          e.begin);
    CHECK(e.begin == at, "{}: bytes {} to {} of the data belong to no tensor", path, at, e.begin);
    at = e.end;
  }
  CHECK(at == data_bytes, "{}: {} bytes after the last tensor", path, data_bytes - at);
}

}  // namespace

std::string_view safetensors_name(DType dtype) { return kNames[static_cast<size_t>(dtype)]; }

SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes, const std::string& path) {
  CHECK(json.starts_with('{'), "{}: the header does not start with '{{'; is this a safetensors file?", path);
  // The JSON reader takes a zero byte for the end of its input and would not look at what follows.
  CHECK(json.find('\0') == std::string_view::npos, "{}: the header has a zero byte", path);
  Builder builder(path);
  nlohmann::json::sax_parse(json.begin(), json.end(), &builder);
  check_tiling(builder.header.entries, data_bytes, path);
  return std::move(builder.header);
}

}  // namespace ingot
