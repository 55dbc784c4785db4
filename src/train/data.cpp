#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include "base/check.h"
#include "ingot/file_datasets.h"
#include "ingot/io.h"
#include "ingot/train.h"
#include "tensor/impl.h"
#include "train/build.h"

namespace ingot {
namespace {

constexpr double kMaxPixel = 255;

std::shared_ptr<const TensorDataset> read_part(const DataConfig& config, bool train) {
  if (config.type == "fashion_mnist")
    return std::make_shared<const FashionMnist>(train, config.root.empty() ? FashionMnist::kRoot : config.root);
  if (config.type == "mnist") return std::make_shared<const Mnist>(config.root, train);
  std::optional<int64_t> classes;
  if (!config.class_names.empty()) classes = static_cast<int64_t>(config.class_names.size());
  return std::make_shared<const IdxDataset>(config.root, train, classes);
}

std::vector<std::string> class_names_of(const DataConfig& config, const TensorDataset& train) {
  if (config.type == "fashion_mnist") return {FashionMnist::class_names().begin(), FashionMnist::class_names().end()};
  if (config.type == "mnist") return {Mnist::class_names().begin(), Mnist::class_names().end()};
  if (!config.class_names.empty()) {
    const std::set<std::string> different(config.class_names.begin(), config.class_names.end());
    CHECK(different.size() == config.class_names.size(), "a name occurs twice among class_names");
    return config.class_names;
  }
  const auto labels = train.targets().to_vector<int64_t>();
  CHECK(!labels.empty(), "{}: there are no training images", config.root.string());
  std::vector<std::string> names;
  for (int64_t c = 0; c <= *std::max_element(labels.begin(), labels.end()); ++c) names.push_back(std::to_string(c));
  return names;
}

/// How often each value occurs in each channel of images [first count of N,C,H,W].
std::vector<std::array<int64_t, 256>> histogram(const Tensor& images, int64_t count) {
  const Array a = array_of(images);
  std::vector<std::array<int64_t, 256>> counts(static_cast<size_t>(a.shape[1]));
  for (int64_t n = 0; n < count; ++n)
    for (int64_t c = 0; c < a.shape[1]; ++c)
      for (int64_t y = 0; y < a.shape[2]; ++y) {
        const auto* row = a.as<const uint8_t>() + n * a.strides[0] + c * a.strides[1] + y * a.strides[2];
        for (int64_t x = 0; x < a.shape[3]; ++x) ++counts[static_cast<size_t>(c)][row[x * a.strides[3]]];
      }
  return counts;
}

void measure(const Tensor& images, int64_t count, Task& task) {
  for (const auto& values : histogram(images, count)) {
    double n = 0, sum = 0, squares = 0;
    for (size_t v = 0; v < values.size(); ++v) {
      const auto times = static_cast<double>(values[v]), x = static_cast<double>(v) / kMaxPixel;
      n += times, sum += times * x, squares += times * x * x;
    }
    const double mean = sum / n, variance = squares / n - mean * mean;
    task.mean.push_back(mean);
    task.std.push_back(variance > 0 ? std::sqrt(variance) : 1.0);  // one colour all over: nothing to scale
  }
}

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> out(static_cast<size_t>(end - begin));
  std::iota(out.begin(), out.end(), begin);
  return out;
}

}  // namespace

TrainingData load_data(const DataConfig& config) {
  const auto train = read_part(config, true), test = read_part(config, false);
  const int64_t count = train->size() - config.validation;
  CHECK(count > 0, "data.validation holds {} images out, but there are only {} to train on", config.validation,
        train->size());
  CHECK(test->size() > 0, "there are no test images");
  const Shape& shape = train->inputs().shape();
  const Shape image{shape[1], shape[2], shape[3]};
  const Shape& test_shape = test->inputs().shape();
  CHECK((image == Shape{test_shape[1], test_shape[2], test_shape[3]}), "the training images are {}, the test images {}",
        to_string(shape), to_string(test_shape));

  Task task{.input = image, .mean = {}, .std = {}, .class_names = class_names_of(config, *train)};
  measure(train->inputs(), count, task);
  return {.task = std::move(task),
          .train = Subset(train, range(0, count)),
          .validation = Subset(train, range(count, train->size())),
          .test = test,
          .hash = hash_tensors({{"images", train->inputs()}, {"labels", train->targets()}})};
}

DatasetHandle load_test_data(const DataConfig& config) { return read_part(config, false); }

DatasetHandle normalised(DatasetHandle images, const Task& task) { return augmented(std::move(images), task, {}); }

}  // namespace ingot
