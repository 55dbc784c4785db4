#include "train/checkpoint.h"

#include <charconv>
#include <limits>

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/hash.h"

namespace ingot {
namespace {

using Json = nlohmann::ordered_json;
using Metadata = std::map<std::string, std::string>;

constexpr std::string_view kLive = "live.", kOptimizer = "optimizer.";
constexpr const char* kVersion = "1";
constexpr const char* kMetadataHash = "metadata_hash";

// ---- Parts as JSON

Json to_json(const LoopState& s) {
  return {{"epoch", s.epoch},
          {"step", s.step},
          {"averaged", s.averaged},
          {"loader",
           {{"seed", s.loader.seed},
            {"epoch", s.loader.epoch},
            {"position", s.loader.position},
            {"sampler", s.loader.sampler},
            {"dataset", s.loader.dataset}}},
          {"plateau",
           {{"best", s.plateau.best},  // null unless finite
            {"num_bad_epochs", s.plateau.num_bad_epochs},
            {"cooldown_counter", s.plateau.cooldown_counter},
            {"last_epoch", s.plateau.last_epoch}}},
          {"loss_sum", s.loss_sum},
          {"right", s.right},
          {"samples", s.samples},
          {"best_epoch", s.best_epoch},
          {"best_accuracy", s.best_accuracy}};
}

ReduceLROnPlateau::State plateau_of(const Json& json) {
  const Json& best = json.at("best");
  return {.best = best.is_null() ? std::numeric_limits<double>::quiet_NaN() : best.get<double>(),
          .num_bad_epochs = json.at("num_bad_epochs"),
          .cooldown_counter = json.at("cooldown_counter"),
          .last_epoch = json.at("last_epoch")};
}

LoopState loop_of(const Json& json) {
  const Json& loader = json.at("loader");
  return {.epoch = json.at("epoch"),
          .step = json.at("step"),
          .averaged = json.value("averaged", int64_t{0}),
          .loader = {.seed = loader.at("seed"),
                     .epoch = loader.at("epoch"),
                     .position = loader.at("position"),
                     .sampler = loader.at("sampler"),
                     .dataset = loader.at("dataset")},
          .plateau = plateau_of(json.at("plateau")),
          .loss_sum = json.at("loss_sum"),
          .right = json.at("right"),
          .samples = json.at("samples"),
          .best_epoch = json.at("best_epoch"),
          .best_accuracy = json.at("best_accuracy")};
}

Json to_json(const Task& task) {
  std::vector<int64_t> input;
  for (const Dim size : task.input) input.push_back(size.value());
  return {{"input", input}, {"mean", task.mean}, {"std", task.std}, {"class_names", task.class_names}};
}

Task task_of(const Json& json) {
  Task task{.mean = json.at("mean"), .std = json.at("std"), .class_names = json.at("class_names")};
  for (const int64_t size : json.at("input")) task.input.push_back(size);
  return task;
}

Json to_json(const std::vector<OptimizerState::Group>& groups) {
  Json out = Json::array();
  for (const auto& group : groups) {
    Json json;
    for (const auto& [name, option] : group.options)
      std::visit([&json, &key = name](const auto& value) { json[key] = value; }, option);
    json["params"] = group.params;
    out.push_back(std::move(json));
  }
  return out;
}

OptimizerState::Option option_of(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_array()) return json.get<std::vector<double>>();
  return json.get<double>();
}

std::vector<OptimizerState::Group> groups_of(const Json& json) {
  std::vector<OptimizerState::Group> out;
  for (const Json& group : json) {
    out.emplace_back();
    for (const auto& [name, value] : group.items()) {
      if (name == "params")
        out.back().params = value.get<std::vector<int64_t>>();
      else
        out.back().options[name] = option_of(value);
    }
  }
  return out;
}

// ---- Tensors

TensorMap tensors_of(const Checkpoint& checkpoint) {
  TensorMap out;
  for (const auto& [name, tensor] : checkpoint.model) out.emplace(fmt::format("{}{}", kModelPrefix, name), tensor);
  for (const auto& [name, tensor] : checkpoint.live) out.emplace(fmt::format("{}{}", kLive, name), tensor);
  for (const auto& [index, state] : checkpoint.optimizer.state)
    for (const auto& [name, tensor] : state) out.emplace(fmt::format("{}{}.{}", kOptimizer, index, name), tensor);
  return out;
}

void take_tensor(std::string_view name, const Tensor& tensor, Checkpoint& out) {
  if (name.starts_with(kModelPrefix)) {
    out.model.emplace_back(name.substr(kModelPrefix.size()), tensor);
    return;
  }
  if (name.starts_with(kLive)) {
    out.live.emplace_back(name.substr(kLive.size()), tensor);
    return;
  }
  CHECK(name.starts_with(kOptimizer), "tensor '{}' belongs neither to the model nor to the optimizer", name);
  name.remove_prefix(kOptimizer.size());
  int64_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  const auto digits = static_cast<size_t>(end - name.data());
  CHECK(error == std::errc{} && digits < name.size() && name[digits] == '.', "tensor 'optimizer.{}' has no index",
        name);
  out.optimizer.state[index].emplace(name.substr(digits + 1), tensor);
}

/// Over all entries but the two hashes.
std::string hash_metadata(const Metadata& metadata) {
  uint64_t hash = 0;
  for (const auto& [key, value] : metadata) {
    if (key == kContentHash || key == kMetadataHash) continue;
    hash = hash_bytes(key.data(), key.size() + 1, hash);
    hash = hash_bytes(value.data(), value.size() + 1, hash);
  }
  return fmt::format("{:016x}", hash);
}

void verify(const Safetensors& file, const std::filesystem::path& path) {
  const auto format = file.metadata.find(kRunCheckpoint);
  CHECK(format != file.metadata.end(), "{}: is not a checkpoint of a training run", path.string());
  CHECK(format->second == kVersion, "{}: is a checkpoint of version '{}', this program reads {}", path.string(),
        format->second, kVersion);
  verify_content_hash(file, path);
  const auto hash = file.metadata.find(kMetadataHash);
  CHECK(hash != file.metadata.end() && hash->second == hash_metadata(file.metadata),
        "{}: the metadata is not what was written: the file was damaged", path.string());
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  const TensorMap tensors = tensors_of(checkpoint);
  Metadata metadata{{kRunCheckpoint, kVersion},
                    {"loop", to_json(checkpoint.loop).dump()},
                    {"task", to_json(checkpoint.task).dump()},
                    {"optimizer", to_json(checkpoint.optimizer.param_groups).dump()},
                    {"data_hash", checkpoint.data_hash},
                    {kContentHash, hash_tensors(tensors)}};
  metadata[kMetadataHash] = hash_metadata(metadata);
  save_safetensors(path, tensors, metadata);
}

Checkpoint load_checkpoint(const std::filesystem::path& path) {
  const Safetensors file = load_safetensors(path);
  verify(file, path);
  Checkpoint out;
  try {
    for (const auto& [name, tensor] : file.tensors) take_tensor(name, tensor, out);
    out.loop = loop_of(Json::parse(file.metadata.at("loop")));
    out.task = task_of(Json::parse(file.metadata.at("task")));
    out.optimizer.param_groups = groups_of(Json::parse(file.metadata.at("optimizer")));
    out.data_hash = file.metadata.at("data_hash");
  } catch (const std::exception& error) {
    fail("{}: is not a sound checkpoint: {}", path.string(), error.what());
  }
  return out;
}

}  // namespace ingot
