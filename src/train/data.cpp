#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include "base/check.h"
#include "ingot/data_loader.h"
#include "ingot/io.h"
#include "ingot/train.h"
#include "io/utf8.h"
#include "tensor/impl.h"
#include "train/build.h"

namespace ingot {
namespace {

constexpr double kMaxPixel = 255;
constexpr int64_t kMostMeasured = 10'000;  // images of a folder: each has to be decoded

// ---- Opening

/// The images for training or testing.
struct Part {
  std::shared_ptr<const Dataset> images;
  const TensorDataset* memory = nullptr;      // none: they are decoded when they are asked for
  Shape image = {};                           // [C,H,W]; [C,0,0] where sizes differ
  std::vector<std::string> class_names = {};  // empty: numbers
  bool in_any_order = false;                  // the last ones are like the others
};
struct Wanted {
  bool train = true;
  std::vector<std::string> class_names = {};  // of the training images, where those were opened first
  OnError on_error = OnError::raise;

  std::optional<int64_t> classes() const {
    if (class_names.empty()) return std::nullopt;
    return static_cast<int64_t>(class_names.size());
  }
};

template <class Names>
std::vector<std::string> strings(const Names& names) {
  return {names.begin(), names.end()};
}

template <class Set>
Part in_memory(Set set, std::vector<std::string> class_names) {
  const auto images = std::make_shared<const Set>(std::move(set));
  const Shape& shape = images->inputs().shape();
  return {.images = images,
          .memory = images.get(),
          .image = {shape[1], shape[2], shape[3]},
          .class_names = std::move(class_names),
          .in_any_order = true};
}

Part open(const FashionMnistConfig& c, const Wanted& w) {
  const auto root = c.root.empty() ? FashionMnist::kRoot : c.root;
  return in_memory(FashionMnist(w.train, root, w.on_error), strings(FashionMnist::class_names()));
}
Part open(const MnistConfig& c, const Wanted& w) {
  return in_memory(Mnist(c.root, w.train, w.on_error), strings(Mnist::class_names()));
}
Part open(const IdxConfig& c, Wanted w) {
  if (w.class_names.empty()) w.class_names = c.class_names;
  return in_memory(IdxDataset(c.root, w.train, w.classes(), w.on_error), c.class_names);
}
Part open(const Cifar10Config& c, const Wanted& w) {
  return in_memory(Cifar10(c.root, w.train, w.on_error), strings(Cifar10::class_names()));
}
Part open(const Cifar100Config& c, const Wanted& w) {
  return in_memory(Cifar100(c.root, w.train, w.on_error, c.labels), strings(Cifar100::class_names(c.labels)));
}
Part open(const CsvConfig& c, const Wanted& w) {
  CsvOptions options{.target = c.target,
                     .delimiter = c.delimiter.at(0),
                     .header = c.header,
                     .dtype = DType::u8,
                     .classes = w.class_names.empty() ? c.class_names : w.class_names,
                     .on_error = w.on_error};
  for (const int64_t size : c.shape) options.shape.push_back(size);
  CsvDataset table(c.root / (w.train ? c.train : c.test), options);
  const auto classes = table.classes();
  Part part = in_memory(std::move(table), classes);
  part.in_any_order = false;
  return part;
}
Part open(const ImageFolderConfig& c, const Wanted& w) {
  const auto images = std::make_shared<const ImageFolder>(
      c.root / (w.train ? c.train : c.test), ImageFolderOptions{.mode = c.channels, .classes = w.class_names});
  return {
      .images = images, .image = {c.channels == ImageReadMode::gray ? 1 : 3, 0, 0}, .class_names = images->classes()};
}

Part open_part(const DataConfig& config, const Wanted& wanted) {
  Part part = std::visit([&](const auto& source) { return open(source, wanted); }, config.source);
  CHECK(part.images->size() > 0, "there are no {} images", wanted.train ? "training" : "test");
  return part;
}

// ---- Size, classes, order

/// [C,H,W] after resize and center_crop.
Shape input_shape(const DataConfig& config, const Shape& image) {
  const int64_t height = image[1], width = image[2];
  if (!config.center_crop.empty()) return {image[0], config.center_crop.front(), config.center_crop.back()};
  if (config.resize.size() == 2) return {image[0], config.resize[0], config.resize[1]};
  CHECK(height > 0 && width > 0, "images whose sizes differ need center_crop, or resize with height and width");
  if (config.resize.empty()) return image;
  const int64_t shorter = std::min(height, width), size = config.resize[0];
  return {image[0], height * size / shorter, width * size / shorter};
}

DatasetHandle sized(DatasetHandle images, const DataConfig& config) {
  auto steps = sizing(config.resize, config.center_crop);
  if (steps.empty()) return images;
  return TransformedDataset(std::move(images), Compose(std::move(steps)));
}

std::vector<std::string> class_names_of(const Part& train) {
  std::vector<std::string> names = train.class_names;
  if (names.empty()) {
    const auto labels = train.memory->targets().to_vector<int64_t>();
    const int64_t last = *std::max_element(labels.begin(), labels.end());
    for (int64_t c = 0; c <= last; ++c) names.push_back(std::to_string(c));
  }
  const std::set<std::string> different(names.begin(), names.end());
  CHECK(different.size() == names.size(), "a name occurs twice among class_names");
  for (const std::string& name : names)
    CHECK(is_utf8(name), "the class '{}' is not UTF-8, as names have to be", utf8_of_bytes(name));
  return names;
}

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> out(static_cast<size_t>(end - begin));
  std::iota(out.begin(), out.end(), begin);
  return out;
}

/// Images to train on, all or the first of them, and images that are held out, which do not depend on how many are
/// used.
std::vector<Subset> split(const Part& part, int64_t validation, std::optional<int64_t> train_samples) {
  const DatasetHandle all = part.images;
  const int64_t count = all->size() - validation;
  CHECK(count > 0, "data.validation holds {} images out, but there are only {} to train on", validation, all->size());
  const int64_t used = train_samples.value_or(count);
  CHECK(used <= count,
        "data.train_samples is {}, but there are only {} images beside the {} that data.validation holds out", used,
        count, validation);
  if (part.in_any_order) return {Subset(all, range(0, used)), Subset(all, range(count, all->size()))};
  std::vector<Subset> parts = random_split(all, std::vector{count, validation});
  const std::vector<int64_t>& drawn = parts[0].indices();
  parts[0] = Subset(all, {drawn.begin(), drawn.begin() + used});
  return parts;
}

// ---- Mean and standard deviation

using Histogram = std::array<int64_t, 256>;  // how often each value occurs

/// Adds images [N,C,H,W] to the channels' histograms.
void count_values(const Tensor& images, std::vector<Histogram>& counts) {
  const Array a = array_of(images);
  for (int64_t n = 0; n < a.shape[0]; ++n)
    for (int64_t c = 0; c < a.shape[1]; ++c)
      for (int64_t y = 0; y < a.shape[2]; ++y) {
        const auto* row = a.as<const uint8_t>() + n * a.strides[0] + c * a.strides[1] + y * a.strides[2];
        for (int64_t x = 0; x < a.shape[3]; ++x) ++counts[static_cast<size_t>(c)][row[x * a.strides[3]]];
      }
}

std::vector<Histogram> histograms(const DatasetHandle& images, int64_t channels, const DataConfig& config) {
  constexpr int64_t kBatch = 64;
  std::vector<Histogram> counts(static_cast<size_t>(channels));
  DataLoader loader(
      images, {.batch_size = kBatch, .num_workers = static_cast<int>(config.num_workers), .on_error = config.on_error});
  for (const Batch& batch : loader.epoch(0)) count_values(batch.input, counts);
  return counts;
}

void measure(const Subset& train, bool decoded, const DataConfig& config, Task& task) {
  const int64_t step = decoded ? (train.size() + kMostMeasured - 1) / kMostMeasured : 1;
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < train.size(); i += step) chosen.push_back(i);
  const DatasetHandle images = sized(Subset(train, std::move(chosen)), config);
  for (const Histogram& values : histograms(images, task.input[0], config)) {
    double n = 0, sum = 0, squares = 0;
    for (size_t v = 0; v < values.size(); ++v) {
      const auto times = static_cast<double>(values[v]), x = static_cast<double>(v) / kMaxPixel;
      n += times, sum += times * x, squares += times * x * x;
    }
    CHECK(n > 0, "there is no sound image to train on");
    const double mean = sum / n, variance = squares / n - mean * mean;
    task.mean.push_back(mean);
    task.std.push_back(variance > 0 ? std::sqrt(variance) : 1.0);  // one colour all over: nothing to scale
  }
}

/// One number serves all channels.
std::vector<double> by_channel(const std::vector<double>& numbers, size_t channels, const char* key) {
  if (numbers.size() == 1) return std::vector(channels, numbers[0]);
  CHECK(numbers.size() == channels, "data.{} has {} numbers, the images have {} channels", key, numbers.size(),
        channels);
  return numbers;
}

void set_mean_and_std(const Subset& train, bool decoded, const DataConfig& config, Task& task) {
  if (config.mean.empty()) return measure(train, decoded, config, task);
  const auto channels = static_cast<size_t>(task.input[0].value());
  task.mean = by_channel(config.mean, channels, "mean");
  task.std = by_channel(config.std, channels, "std");
}

std::string hash_of(const Part& part) {
  if (part.memory == nullptr) return fmt::format("{:016x}", part.images->fingerprint());
  return hash_tensors({{"images", part.memory->inputs()}, {"labels", part.memory->targets()}});
}

}  // namespace

TrainingData load_data(const DataConfig& config) {
  const Part train = open_part(config, {.train = true, .on_error = config.on_error});
  Task task{.input = input_shape(config, train.image), .mean = {}, .std = {}, .class_names = class_names_of(train)};
  const auto parts = split(train, config.validation, config.train_samples);
  const Part test = open_part(config, {.train = false, .class_names = task.class_names, .on_error = config.on_error});
  CHECK(input_shape(config, test.image) == task.input, "the training images are {}, the test images {}",
        to_string(train.image), to_string(test.image));
  set_mean_and_std(parts[0], train.memory == nullptr, config, task);
  return {.task = std::move(task),
          .train = parts[0],
          .validation = sized(parts[1], config),
          .test = sized(test.images, config),
          .hash = hash_of(train)};
}

DatasetHandle load_test_data(const DataConfig& config, const std::vector<std::string>& class_names) {
  const Wanted wanted{.train = false, .class_names = class_names, .on_error = config.on_error};
  return sized(open_part(config, wanted).images, config);
}

}  // namespace ingot
