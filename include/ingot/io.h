#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ingot/tensor.h"

namespace ingot {

/// Tensors by name, in the order of their names.
using TensorMap = std::map<std::string, Tensor, std::less<>>;

/// What a safetensors file holds. `metadata` is the file's "__metadata__".
struct Safetensors {
  TensorMap tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads a safetensors file (https://github.com/huggingface/safetensors, format section of its README).
/// Tensors are row-major and lie in the mapped file, copy-on-write: loading costs no reading, writing to a tensor never
/// changes the file. Only those that start at an address unfit for their dtype are copied. The file must not be
/// shortened while they live; replacing it, as save_safetensors does, is harmless.
/// dtypes F32 F64 BF16 F16 I64 I32 U8 I8 BOOL; f16 stays f16.
/// Throws Error with the path where the file is truncated or has bytes too many, the header is above 100 MB, is not
/// JSON or names a key twice, an entry is malformed, or the tensors' offsets do not tile the data exactly.
Safetensors load_safetensors(const std::filesystem::path& path);

/// Writes tensors of any layout in row-major order, those of wide dtypes first so that all are aligned for reading.
/// Streams: needs no second copy in memory. A reader sees the old file or the new one, never a part. Equal arguments
/// give equal bytes.
void save_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                      const std::map<std::string, std::string>& metadata = {});

/// 16 hexadecimal digits: XXH3 over names, dtypes, shapes and row-major bytes in the order of the names. The same for
/// every layout.
std::string hash_tensors(const TensorMap& tensors);

/// The metadata key under which checkpoints keep hash_tensors() of their tensors.
inline constexpr const char* kContentHash = "content_hash";

/// Throws Error naming `path` when the file's content_hash is missing or is not that of its tensors.
void verify_content_hash(const Safetensors& file, const std::filesystem::path& path);

/// What torch.save stores: None, bool, int, float, str, a tensor, or a list, tuple or dict of these.
class TorchValue {
 public:
  using List = std::vector<TorchValue>;
  struct Tuple {
    List items;
  };
  using Key = std::variant<std::string, int64_t>;
  /// In the order of insertion.
  struct Dict {
    std::vector<std::pair<Key, TorchValue>> entries;
  };
  using Data = std::variant<std::monostate, bool, int64_t, double, std::string, Tensor, List, Tuple, Dict>;

  TorchValue() = default;  // None
  TorchValue(bool value);
  TorchValue(int value);
  TorchValue(int64_t value);
  TorchValue(double value);
  TorchValue(const char* text);
  TorchValue(std::string text);
  TorchValue(Tensor tensor);
  TorchValue(List items);
  TorchValue(Tuple tuple);
  TorchValue(Dict dict);
  /// A dict of tensors.
  explicit TorchValue(const TensorMap& tensors);

  const Data& data() const { return data_; }
  /// Null where the value is of another kind: value.get_if<double>().
  template <class T>
  const T* get_if() const {
    return std::get_if<T>(&data_);
  }
  bool is_none() const { return data_.index() == 0; }
  /// The value of a key; null where there is none, or this is no dict.
  const TorchValue* find(std::string_view key) const;
  const TorchValue* find(int64_t key) const;
  /// "a dict", "a tensor", for messages.
  std::string_view kind() const;

 private:
  Data data_;
};

struct TorchOptions {
  bool verify = false;  // a wrong checksum is an Error, else a warning: PyTorch can be told to write none
};

/// Reads what torch.save wrote: a zip archive or the older file that starts with a magic number, both by a pickle. No
/// code of a pickle runs: it is data for a machine that knows the opcodes of data, and, of all that a pickle may name,
/// a list of PyTorch's and Python's types whose values it makes itself: what torch.load(weights_only=True) takes.
/// Parameters are tensors; sets are lists; bytes, dtypes and devices are text. Tensors keep their strides, and those
/// that share a storage share it here. Storages lie in the mapped file as load_safetensors' do, where they are aligned.
/// Throws Error with the path where the pickle names anything else, is malformed, or is deeper, larger or more
/// entangled than any checkpoint; a storage is not of the size that the file has for it; a tensor reaches outside its
/// storage or its dtype is not one of Ingot's; the archive is truncated, or its entries overlap, are compressed, occur
/// twice or name a place outside it.
TorchValue load_torch(const std::filesystem::path& path, const TorchOptions& options = {});

/// Writes a file that torch.load reads, with weights_only=True too: a zip archive of a pickle of protocol 2 and of
/// storages that can be mapped. (PyTorch 1.13 lacks floats with weights_only; tensors it reads.) Tensors are row-major;
/// those that are one, or overlap with dense ones, share their storage in the file, the latter with the strides that
/// they have. A reader sees the old file or the new one, never a part. Equal values give equal bytes.
void save_torch(const std::filesystem::path& path, const TorchValue& value);

/// All tensors in a value, by their dotted paths: "state.0.exp_avg".
TensorMap tensors_of(const TorchValue& value);
/// The tensors of a network's state_dict: of the dict itself where it has any, else of its entry "state_dict", "model"
/// or "model_state_dict". Throws Error where there is none.
TensorMap state_dict_of(const TorchValue& value);

/// The metadata key that marks a checkpoint of a training run, whose weights are the tensors under kModelPrefix.
inline constexpr const char* kRunCheckpoint = "ingot_checkpoint";
inline constexpr std::string_view kModelPrefix = "model.";

/// The weights that a file holds, by the names of the network's state_dict, whatever wrote it: its content decides,
/// not its name. All tensors of a safetensors file; of a checkpoint of a training run, which is verified, those of the
/// model without their prefix; state_dict_of() what torch.save wrote.
/// Throws Error with the path where the file is of no such kind, or is not sound.
TensorMap load_checkpoint_tensors(const std::filesystem::path& path);

}  // namespace ingot
