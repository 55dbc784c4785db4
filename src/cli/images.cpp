#include "cli/images.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace ingot::cli {

DatasetHandle test_data(const Run& run) {
  return reading([&] { return load_test_data(run.config.data, run.task.class_names); });
}

ImageSource test_images(const Run& run, int64_t limit) {
  const DatasetHandle images = normalised(test_data(run), run.task);
  const int64_t count = limit > 0 ? std::min(limit, images->size()) : images->size();
  const auto batch = [images](int64_t first, int64_t size) {
    std::vector<int64_t> indices(static_cast<size_t>(size));
    std::iota(indices.begin(), indices.end(), first);
    std::vector<Sample> samples;
    samples.reserve(indices.size());
    for (const int64_t i : indices) samples.push_back(images->get(i));
    return collate(samples, indices).input;
  };
  return {count, fmt::format("test images of {}", run.folder.string()), batch};
}

ImageSource random_images(const Model& model, int64_t count, uint64_t seed) {
  const Shape image = model.image;
  const auto batch = [image, seed](int64_t first, int64_t size) {
    const RandomKey key = fold_in(random_key(seed, "random images"), static_cast<uint64_t>(first));
    return normal({size, image[0], image[1], image[2]}, 0, 1, key);
  };
  return {count, "random images", batch};
}

void for_each_batch(const ImageSource& source, int64_t batch_size, const std::function<void(const Tensor&)>& use) {
  for (int64_t first = 0; first < source.count; first += batch_size)
    use(source.batch(first, std::min(batch_size, source.count - first)));
}

}  // namespace ingot::cli
