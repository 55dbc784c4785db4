#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "ingot/io.h"
#include "io/row_major.h"
#include "io/safetensors_header.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr size_t kDataAlignment = 64;  // the data starts on a cache line; the format itself asks for no alignment

uint64_t little_endian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = kLengthBytes; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[i]);
  return value;
}

std::string little_endian(uint64_t value) {
  std::string bytes(kLengthBytes, '\0');
  for (char& byte : bytes) byte = static_cast<char>(value & 0xff), value >>= 8;
  return bytes;
}

Tensor tensor_in_file(const SafetensorsEntry& entry, std::byte* data, const std::shared_ptr<const MappedFile>& file,
                      const std::string& path) {
  const size_t bytes = entry.end - entry.begin;
  if (entry.dtype == DType::boolean) {
    const auto* bad = std::find_if(data, data + bytes, [](std::byte b) { return b > std::byte{1}; });
    CHECK(bad == data + bytes, "{}: tensor '{}' is BOOL but its byte {} is {}", path, entry.name, bad - data,
          std::to_integer<int>(*bad));
  }
  const bool aligned = reinterpret_cast<uintptr_t>(data) % size_of(entry.dtype) == 0;
  auto storage = aligned && bytes > 0 ? std::make_shared<Storage>(data, bytes, file) : std::make_shared<Storage>(bytes);
  if (!aligned && bytes > 0) std::memcpy(storage->data(), data, bytes);
  return make_tensor(std::move(storage), 0, entry.shape, strides_for(entry.shape, Layout::row_major), entry.dtype);
}

size_t bytes_of(const Tensor& x) { return static_cast<size_t>(x.numel().value()) * size_of(x.dtype()); }

using Named = std::pair<const std::string, Tensor>;

/// Wide dtypes first: with sizes that are powers of two, every tensor then starts aligned.
std::vector<const Named*> in_file_order(const TensorMap& tensors) {
  std::vector<const Named*> order;
  for (const Named& named : tensors) order.push_back(&named);
  std::stable_sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return size_of(a->second.dtype()) > size_of(b->second.dtype());
  });
  return order;
}

std::string header_of(const std::vector<const Named*>& order, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t at = 0;
  for (const auto* named : order) {
    const auto& [name, x] = *named;
    CHECK(name != "__metadata__", "a tensor cannot be named '__metadata__'");
    std::vector<int64_t> shape;
    for (const Dim size : x.shape()) shape.push_back(size.value());
    header[name] = {{"dtype", safetensors_name(x.dtype())}, {"shape", shape}, {"data_offsets", {at, at + bytes_of(x)}}};
    at += bytes_of(x);
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception& error) {
    fail("names and metadata must be UTF-8: {}", error.what());
  }
  const size_t end = kLengthBytes + text.size();
  text.append((end + kDataAlignment - 1) / kDataAlignment * kDataAlignment - end, ' ');
  CHECK(text.size() <= kMaxHeaderBytes, "the header would have {} bytes, at most {} are allowed", text.size(),
        kMaxHeaderBytes);
  return text;
}

}  // namespace

Safetensors load_safetensors(const std::filesystem::path& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  const auto bytes = file->bytes();
  const std::string name = path.string();
  CHECK(bytes.size() >= kLengthBytes, "{}: {} bytes are too few for a safetensors file", name, bytes.size());
  const uint64_t length = little_endian(bytes.first(kLengthBytes));
  CHECK(length <= kMaxHeaderBytes,
        "{}: the header would have {} bytes, at most {} are allowed; is this a safetensors file?", name, length,
        kMaxHeaderBytes);
  CHECK(length <= bytes.size() - kLengthBytes, "{}: the header has {} bytes, the file only {}: it is truncated", name,
        length, bytes.size());
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  const auto data = bytes.subspan(kLengthBytes + length);
  SafetensorsHeader header = parse_safetensors_header(json, data.size(), name);

  Safetensors out;
  for (const SafetensorsEntry& entry : header.entries)
    out.tensors.emplace(entry.name, tensor_in_file(entry, data.data() + entry.begin, file, name));
  out.metadata = std::move(header.metadata);
  return out;
}

void save_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                      const std::map<std::string, std::string>& metadata) {
  for (const auto& [name, x] : tensors)
    CHECK(x.defined() && !x.is_abstract(), "{}: tensor '{}' has no data", path.string(), name);
  const auto order = in_file_order(tensors);
  const std::string header = header_of(order, metadata);
  write_file_atomic(path, [&](const ByteSink& sink) {
    const std::string length = little_endian(header.size());
    sink(std::as_bytes(std::span(length)));
    sink(std::as_bytes(std::span(header)));
    for (const auto* named : order) each_row_major_piece(named->second, sink);
  });
}

std::string hash_tensors(const TensorMap& tensors) {
  uint64_t hash = 0;
  for (const auto& [name, x] : tensors) {
    const std::string spec = fmt::format("{}\n{} {}\n", name, safetensors_name(x.dtype()), to_string(x.shape()));
    hash = hash_bytes(spec.data(), spec.size(), hash);
    each_row_major_piece(
        x, [&](std::span<const std::byte> piece) { hash = hash_bytes(piece.data(), piece.size(), hash); });
  }
  return fmt::format("{:016x}", hash);
}

void verify_content_hash(const Safetensors& file, const std::filesystem::path& path) {
  const auto it = file.metadata.find(kContentHash);
  CHECK(it != file.metadata.end(), "{}: has no {}", path.string(), kContentHash);
  const std::string actual = hash_tensors(file.tensors);
  CHECK(it->second == actual, "{}: the tensors' hash is {}, the file says {}: its content was damaged", path.string(),
        actual, it->second);
}

}  // namespace ingot
