#pragma once

#include <functional>

#include "cli/model.h"

namespace ingot::cli {

/// Batches of images for a model to run on, as its input wants them: the test images of a run, or random ones.
struct ImageSource {
  int64_t count = 0;
  std::string name;  // "test images of runs/demo", "random images"
  std::function<Tensor(int64_t first, int64_t count)> batch;
};

/// The test images of the run, normalised; at most `limit` of them where that is positive.
ImageSource test_images(const Run& run, int64_t limit = 0);
/// Normal numbers.
ImageSource random_images(const Model& model, int64_t count, uint64_t seed);

/// The run's own test images, u8, with their labels.
DatasetHandle test_data(const Run& run);

/// Calls `use(images)` for batches of at most `batch_size`.
void for_each_batch(const ImageSource& source, int64_t batch_size, const std::function<void(const Tensor&)>& use);

}  // namespace ingot::cli
