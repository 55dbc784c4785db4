#include <array>

#include "base/check.h"
#include "base/file.h"
#include "data/copy.h"
#include "data/file_content.h"
#include "ingot/file_datasets.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr int64_t kSide = 32, kChannels = 3, kImageBytes = kChannels * kSide * kSide;

/// A record's labels, one byte each before the image; the data set takes one of them.
struct Labels {
  std::vector<int64_t> classes;  // how many each can name
  size_t taken = 0;
};

/// The folder of the files: `root`, or the one in it that their archive makes.
std::filesystem::path find_folder(const std::filesystem::path& root, const char* archive, const std::string& file) {
  std::error_code refused;  // a name too long, a folder closed to us
  for (const auto& folder : {root, root / archive})
    if (std::filesystem::exists(folder / file, refused)) return folder;
  fail("{}: neither {} nor {}/{} is there", root.string(), file, archive, file);
}

int64_t records_in(const MappedFile& file, const Labels& labels, const std::string& name) {
  const auto bytes = static_cast<int64_t>(file.bytes().size());
  const int64_t record = static_cast<int64_t>(labels.classes.size()) + kImageBytes;
  CHECK(bytes > 0, "{}: is empty", name);
  CHECK(bytes % record == 0, "{}: truncated in record {}: {} of {} bytes", name, bytes / record, bytes % record,
        record);
  return bytes / record;
}

/// The label that is taken; none where one is out of range.
std::optional<int64_t> label_of(const uint8_t* record, int64_t number, const Labels& labels, const std::string& name,
                                BadSamples& bad) {
  for (size_t k = 0; k < labels.classes.size(); ++k)
    if (record[k] >= labels.classes[k]) {
      bad.add(fmt::format("{}: label {} of record {} is outside [0, {})", name, record[k], number, labels.classes[k]));
      return std::nullopt;
    }
  return record[labels.taken];
}

FileContent read_records(const std::filesystem::path& folder, const std::vector<std::string>& names,
                         const Labels& labels, OnError on_error) {
  std::vector<std::unique_ptr<const MappedFile>> files;
  int64_t total = 0;
  for (const std::string& name : names) {
    files.push_back(std::make_unique<const MappedFile>(folder / name));
    total += records_in(*files.back(), labels, (folder / name).string());
  }
  const Tensor images = empty({total, kChannels, kSide, kSide}, DType::u8);
  Tensor targets = empty({total}, DType::i64);
  auto* const target = targets.mutable_data<int64_t>();
  BadSamples bad(on_error);
  std::vector<int64_t> kept;
  int64_t row = 0;
  for (size_t f = 0; f < files.size(); ++f) {
    const auto bytes = files[f]->bytes();
    const size_t record = labels.classes.size() + kImageBytes;
    for (size_t at = 0; at < bytes.size(); at += record, ++row) {
      auto* const start = reinterpret_cast<uint8_t*>(bytes.data() + at);
      const auto label = label_of(start, static_cast<int64_t>(at / record), labels, (folder / names[f]).string(), bad);
      if (!label) continue;
      copy_elements(row_major(start + labels.classes.size(), DType::u8, {kChannels, kSide, kSide}),
                    row_array(images, row));
      target[row] = *label;
      kept.push_back(row);
    }
  }
  return without_bad(images, targets, kept, bad);
}

FileContent read_cifar10(const std::filesystem::path& root, bool train, OnError on_error) {
  std::vector<std::string> names{"test_batch.bin"};
  if (train)
    names = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
  return read_records(find_folder(root, "cifar-10-batches-bin", names[0]), names, {{10}}, on_error);
}

FileContent read_cifar100(const std::filesystem::path& root, bool train, CifarLabels labels, OnError on_error) {
  const std::string name = train ? "train.bin" : "test.bin";
  const size_t taken = labels == CifarLabels::coarse ? 0 : 1;
  return read_records(find_folder(root, "cifar-100-binary", name), {name}, {{20, 100}, taken}, on_error);
}

constexpr std::array<std::string_view, 10> kTen{"airplane", "automobile", "bird",  "cat",  "deer",
                                                "dog",      "frog",       "horse", "ship", "truck"};
constexpr std::array<std::string_view, 20> kCoarse{"aquatic_mammals",
                                                   "fish",
                                                   "flowers",
                                                   "food_containers",
                                                   "fruit_and_vegetables",
                                                   "household_electrical_devices",
                                                   "household_furniture",
                                                   "insects",
                                                   "large_carnivores",
                                                   "large_man-made_outdoor_things",
                                                   "large_natural_outdoor_scenes",
                                                   "large_omnivores_and_herbivores",
                                                   "medium_mammals",
                                                   "non-insect_invertebrates",
                                                   "people",
                                                   "reptiles",
                                                   "small_mammals",
                                                   "trees",
                                                   "vehicles_1",
                                                   "vehicles_2"};
constexpr std::array<std::string_view, 100> kFine{
    "apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
    "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
    "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
    "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
    "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
    "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
    "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
    "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
    "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
    "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
    "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
    "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
    "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
    "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
    "woman",      "worm"};

}  // namespace

Cifar10::Cifar10(const std::filesystem::path& root, bool train, OnError on_error)
    : FileDataset(read_cifar10(root, train, on_error)) {}
std::span<const std::string_view> Cifar10::class_names() { return kTen; }

Cifar100::Cifar100(const std::filesystem::path& root, bool train, OnError on_error, CifarLabels labels)
    : FileDataset(read_cifar100(root, train, labels, on_error)) {}
std::span<const std::string_view> Cifar100::class_names(CifarLabels labels) {
  if (labels == CifarLabels::coarse) return kCoarse;
  return kFine;
}

}  // namespace ingot
