#include <array>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "fuzz/fuzz.h"
#include "ingot/tensor.h"
#include "train/checkpoint.h"

// Checkpoints whose hashes are right: what stands between a stranger's words and a resumed run.
namespace ingot::fuzz {
namespace {

using Metadata = std::map<std::string, std::string>;

/// As train/checkpoint.cpp has it.
std::string hash_of(const Metadata& metadata) {
  uint64_t hash = 0;
  for (const auto& [key, value] : metadata) {
    hash = hash_bytes(key.data(), key.size() + 1, hash);
    hash = hash_bytes(value.data(), value.size() + 1, hash);
  }
  return fmt::format("{:016x}", hash);
}

/// A checkpoint of two scalars: a weight and one whose name the input chooses.
std::string file_of(Metadata metadata, const std::string& name) {
  const TensorMap tensors{{"model.weight", ones({})}, {name, ones({})}};
  metadata["ingot_checkpoint"] = "1";
  metadata["metadata_hash"] = hash_of(metadata);
  metadata[kContentHash] = hash_tensors(tensors);
  nlohmann::json header{{"__metadata__", metadata}};
  std::string data;
  for (const auto& [key, tensor] : tensors) {
    header[key] = {
        {"dtype", "F32"}, {"shape", nlohmann::json::array()}, {"data_offsets", {data.size(), data.size() + 4}}};
    data += bytes_of(1.0f);
  }
  const std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return bytes_of(uint64_t{text.size()}) + text + data;
}

}  // namespace

std::vector<std::string> seeds() {
  return {R"(optimizer.0.momentum_buffer
|{"epoch":1,"step":2,"loader":{"seed":7,"epoch":0,"position":5,"sampler":"ab","dataset":"cd"},
  "loss_sum":0.5,"right":1,"samples":2,"best_epoch":0,"best_accuracy":0.25}
|{"input":[1,28,28],"mean":[0.5],"std":[0.25],"class_names":["cat","dog"]}
|[{"lr":0.1,"nesterov":false,"betas":[0.9,0.99],"params":[0]}])"};
}

/// Four parts: a tensor's name and three parts of the metadata.
void read(std::string_view input) {
  std::array<std::string, 4> parts;
  for (std::string& part : parts) {
    const size_t end = std::min(input.find('|'), input.size());
    part = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  const std::string file =
      file_of({{"loop", parts[1]}, {"task", parts[2]}, {"optimizer", parts[3]}, {"data_hash", ""}}, parts[0]);
  load_checkpoint(MemoryFile(file).path());
}

}  // namespace ingot::fuzz
