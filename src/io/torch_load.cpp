#include <algorithm>
#include <cstring>
#include <set>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "ingot/io.h"
#include "io/byte_reader.h"
#include "io/pickle.h"
#include "io/torch_format.h"
#include "io/zip_reader.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

using pickle::Pickle;
using pickle::Ref;
using Storages = std::vector<std::shared_ptr<Storage>>;  // as Pickle::storages

constexpr int kMaxDepth = 100;

/// The values of a pickle as a tree of their own, in which what occurs twice stands twice: but for tensors, which are
/// handles.
class Tree {
 public:
  Tree(const Pickle& pickle, const Storages& storages, const std::string& path)
      : pickle_(pickle), storages_(storages), path_(path), tensors_(pickle.tensors.size()) {}

  TorchValue grow(Ref ref, int depth = 0) {
    CHECK(depth <= kMaxDepth, "{}: it is nested deeper than {} levels, or in itself", path_, kMaxDepth);
    charge(1);
    return std::visit([&](const auto& value) { return grown(value, depth); }, pickle_.values[ref]);
  }

 private:
  void charge(size_t values) {
    grown_ += values;
    CHECK(grown_ <= pickle::kMaxValues, "{}: what it says over and over makes more than {} values", path_,
          pickle::kMaxValues);
  }
  TorchValue grown(std::monostate, int) { return {}; }
  TorchValue grown(bool value, int) { return value; }
  TorchValue grown(int64_t value, int) { return value; }
  TorchValue grown(double value, int) { return value; }
  TorchValue grown(const std::string& text, int) {
    constexpr size_t kBytesOfValue = 64;
    charge(text.size() / kBytesOfValue);
    return text;
  }
  TorchValue grown(const pickle::List& list, int depth) { return items(list.items, depth); }
  TorchValue grown(const pickle::Tuple& tuple, int depth) { return TorchValue::Tuple{items(tuple.items, depth)}; }
  TorchValue grown(const pickle::Dict& dict, int depth) {
    TorchValue::Dict out;
    std::set<TorchValue::Key> keys;
    for (const auto& [key, value] : dict.entries) {
      const TorchValue k = grow(key, depth + 1);
      const auto* const text = k.get_if<std::string>();
      const TorchValue::Key own = text != nullptr ? TorchValue::Key(*text) : TorchValue::Key(*k.get_if<int64_t>());
      CHECK(keys.insert(own).second, "{}: {} occurs twice in a dict", path_, describe(pickle_.values[key]));
      out.entries.emplace_back(own, grow(value, depth + 1));
    }
    return out;
  }
  TorchValue grown(const pickle::StorageAt& at, int) {
    return make_tensor(storages_[at.index], at.offset, {at.count}, {1}, pickle_.storages[at.index].dtype);
  }
  TorchValue grown(const pickle::TensorAt& at, int) {
    Tensor& tensor = tensors_[at.index];
    const pickle::TensorSpec& t = pickle_.tensors[at.index];
    if (!tensor.defined())
      tensor = make_tensor(storages_[t.storage], t.offset, t.shape, t.strides, pickle_.storages[t.storage].dtype);
    return tensor;
  }
  TorchValue grown(const pickle::Global* global, int) { return pickle::describe(global); }

  TorchValue::List items(const std::vector<Ref>& refs, int depth) {
    TorchValue::List out;
    out.reserve(std::min(refs.size(), pickle::kMaxValues));
    for (const Ref ref : refs) out.push_back(grow(ref, depth + 1));
    return out;
  }

  const Pickle& pickle_;
  const Storages& storages_;
  const std::string& path_;
  Tensors tensors_;
  size_t grown_ = 0;
};

uint64_t bytes_of(const pickle::StorageSpec& spec) {
  uint64_t bytes = 0;
  const bool wraps = __builtin_mul_overflow(static_cast<uint64_t>(spec.count), size_of(spec.dtype), &bytes);
  return wraps ? ~uint64_t{0} : bytes;
}

/// The bytes where they lie, or a copy where their address is unfit for their dtype.
std::shared_ptr<Storage> storage_of(const pickle::StorageSpec& spec, std::span<std::byte> bytes,
                                    const std::shared_ptr<const MappedFile>& file, const std::string& path) {
  if (spec.dtype == DType::boolean) {
    const auto bad = std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; });
    CHECK(bad == bytes.end(), "{}: storage '{}' is of truth values but its byte {} is {}", path, shown(spec.key),
          bad - bytes.begin(), std::to_integer<int>(*bad));
  }
  if (bytes.empty()) return std::make_shared<Storage>(0);
  if (reinterpret_cast<uintptr_t>(bytes.data()) % size_of(spec.dtype) == 0)
    return std::make_shared<Storage>(bytes.data(), bytes.size(), file);
  auto copy = std::make_shared<Storage>(bytes.size());
  std::memcpy(copy->data(), bytes.data(), bytes.size());
  return copy;
}

// ---- The zip archive: data.pkl, and data/KEY for each storage, in a folder of any name

std::string archive_folder(const ZipReader& zip, const std::string& path) {
  CHECK(!zip.entries().empty(), "{}: the archive is empty", path);
  const std::string& first = zip.entries()[0].name;
  std::string folder = first.substr(0, first.find('/')) + "/";
  CHECK(!zip.contains(folder + "constants.pkl"), "{}: is a TorchScript program, not what torch.save wrote", path);
  CHECK(zip.contains(folder + "data.pkl"), "{}: is a zip archive without '{}data.pkl', not what torch.save wrote", path,
        shown(folder));
  return folder;
}

void check_crcs(const std::vector<const ZipEntry*>& entries, const TorchOptions& options, const std::string& path) {
  const auto bad = damaged(entries);
  if (bad.empty()) return;
  const std::string message =
      fmt::format("{}: entry '{}'{} does not have the checksum that the archive notes", path, bad[0]->name,
                  bad.size() > 1 ? fmt::format(" and {} more", bad.size() - 1) : "");
  CHECK(!options.verify, "{}: it was damaged", message);
  log_warning("{}: it was damaged, or PyTorch was told to write none", message);
}

TorchValue load_zip(const std::shared_ptr<const MappedFile>& file, const TorchOptions& options,
                    const std::string& path) {
  const ZipReader zip(file->bytes(), path);
  const std::string folder = archive_folder(zip, path);
  if (zip.contains(folder + "byteorder")) {
    const auto order = zip.stored(folder + "byteorder").bytes;
    const std::string_view text(reinterpret_cast<const char*>(order.data()), order.size());
    CHECK(text == "little", "{}: its numbers are of byte order '{}', only little is supported", path, shown(text));
  }
  const ZipEntry& pickled = zip.stored(folder + "data.pkl");
  const Pickle pickle = pickle::read_pickle(pickled.bytes, path);
  CHECK(pickle.bytes == pickled.bytes.size(), "{}: {} bytes after the pickle", path,
        pickled.bytes.size() - pickle.bytes);
  std::vector<const ZipEntry*> used{&pickled};
  Storages storages;
  for (const pickle::StorageSpec& spec : pickle.storages) {
    const ZipEntry& entry = zip.stored(fmt::format("{}data/{}", folder, spec.key));
    CHECK(entry.bytes.size() == bytes_of(spec), "{}: storage '{}' of {} {} elements has {} bytes in the archive", path,
          shown(spec.key), spec.count, name_of(spec.dtype), entry.bytes.size());
    storages.push_back(storage_of(spec, entry.bytes, file, path));
    used.push_back(&entry);
  }
  check_crcs(used, options, path);
  return Tree(pickle, storages, path).grow(pickle.root);
}

// ---- The older form: pickles of a magic number, a version, the machine, the value, the storages' keys; then storages

class LegacyReader {
 public:
  LegacyReader(std::span<std::byte> bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  Pickle next() {
    Pickle pickle = pickle::read_pickle(bytes_.subspan(at_), path_);
    at_ += pickle.bytes;
    return pickle;
  }
  void skip(size_t bytes) { at_ += bytes; }
  std::span<std::byte> rest() const { return bytes_.subspan(at_); }

 private:
  std::span<std::byte> bytes_;
  const std::string& path_;
  size_t at_ = 0;
};

constexpr int64_t kLegacyProtocol = 1001;

void check_machine(const TorchValue& machine, const std::string& path) {
  const TorchValue* const little = machine.find("little_endian");
  CHECK(little != nullptr && little->get_if<bool>() != nullptr, "{}: does not say the byte order of its numbers", path);
  CHECK(*little->get_if<bool>(), "{}: its numbers are big-endian, which is not supported", path);
}

/// Each storage as a count of elements and their bytes, in the order of the keys.
Storages legacy_storages(const Pickle& pickle, const TorchValue& keys, std::span<std::byte> bytes,
                         const std::shared_ptr<const MappedFile>& file, const std::string& path) {
  const auto* const list = keys.get_if<TorchValue::List>();
  CHECK(list != nullptr && list->size() == pickle.storages.size(),
        "{}: the list of its storages does not name the {} that it uses", path, pickle.storages.size());
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < pickle.storages.size(); ++i) places.emplace(pickle.storages[i].key, i);
  Storages out(places.size());
  ByteReader in(bytes, path);
  for (const TorchValue& key : *list) {
    const auto* const text = key.get_if<std::string>();
    const auto place = text != nullptr ? places.find(*text) : places.end();
    CHECK(place != places.end(), "{}: the list of its storages names one that it does not use, or one twice", path);
    const pickle::StorageSpec& spec = pickle.storages[place->second];
    const auto count = in.number<int64_t>();
    CHECK(count == spec.count, "{}: storage '{}' has {} elements, the pickle says {}", path, shown(spec.key), count,
          spec.count);
    out[place->second] = storage_of(spec, in.take(bytes_of(spec)), file, path);
    places.erase(place);
  }
  CHECK(in.left() == 0, "{}: {} bytes after the last storage", path, in.left());
  return out;
}

TorchValue load_legacy(const std::shared_ptr<const MappedFile>& file, size_t magic, const std::string& path) {
  LegacyReader in(file->bytes(), path);
  in.skip(magic);
  const auto value_of = [&](const Pickle& p) {
    CHECK(p.storages.empty(), "{}: a storage is used where none can be", path);
    return Tree(p, {}, path).grow(p.root);
  };
  const TorchValue version = value_of(in.next());
  const auto* const number = version.get_if<int64_t>();
  CHECK(number != nullptr && *number == kLegacyProtocol, "{}: is of another version than {}", path, kLegacyProtocol);
  check_machine(value_of(in.next()), path);
  const Pickle pickle = in.next();
  const TorchValue keys = value_of(in.next());
  const Storages storages = legacy_storages(pickle, keys, in.rest(), file, path);
  return Tree(pickle, storages, path).grow(pickle.root);
}

}  // namespace

FileKind file_kind(std::span<const std::byte> bytes) {
  constexpr size_t kHeaderStart = 8;  // of a safetensors file, after the header's length
  constexpr std::array<unsigned char, 4> kZip{'P', 'K', 3, 4};
  if (bytes.size() > kHeaderStart && bytes[kHeaderStart] == std::byte{'{'}) return FileKind::safetensors;
  if (bytes.size() >= kZip.size() && std::memcmp(bytes.data(), kZip.data(), kZip.size()) == 0) return FileKind::zip;
  return legacy_magic_bytes(bytes) > 0 ? FileKind::legacy : FileKind::other;
}

size_t legacy_magic_bytes(std::span<const std::byte> bytes) {
  // PROTO n, a FRAME since protocol 4, LONG1 of ten bytes, STOP.
  constexpr std::string_view kMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 13);
  constexpr size_t kProtocol = 2, kFrame = 9;
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min(bytes.size(), kProtocol + kFrame + kMagic.size()));
  if (!start.starts_with('\x80') || start.size() < kProtocol) return 0;
  const size_t at = start.substr(kProtocol).starts_with('\x95') ? kProtocol + kFrame : kProtocol;
  return at < start.size() && start.substr(at).starts_with(kMagic) ? at + kMagic.size() : 0;
}

TorchValue load_torch(const std::filesystem::path& path, const TorchOptions& options) {
  const auto file = std::make_shared<const MappedFile>(path);
  switch (file_kind(file->bytes())) {
    case FileKind::zip:
      return load_zip(file, options, path.string());
    case FileKind::legacy:
      return load_legacy(file, legacy_magic_bytes(file->bytes()), path.string());
    default:
      fail("{}: is not what torch.save wrote", path.string());
  }
}

}  // namespace ingot
