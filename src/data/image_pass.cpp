#include "data/image_pass.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "data/copy.h"
#include "ingot/dataset.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr int64_t kLevels = 256;

/// What the transforms make of each of the 256 levels in each channel; none where the result is not f32.
std::vector<float> table_of(std::span<const Transform> pointwise, int64_t channels) {
  Tensor image = empty({channels, 1, kLevels}, DType::u8);
  auto* levels = image.mutable_data<uint8_t>();
  for (int64_t i = 0; i < channels * kLevels; ++i) levels[i] = static_cast<uint8_t>(i % kLevels);
  for (const Transform& transform : pointwise) image = transform.apply(image, RandomKey{});
  return image.dtype() == DType::f32 ? image.to_vector<float>() : std::vector<float>{};
}

bool is_level(double fill) { return fill >= 0 && fill < kLevels && fill == std::floor(fill); }

template <class Op>
const Op* as(const Transform& transform) {
  return dynamic_cast<const Op*>(&transform.op());
}

}  // namespace

std::shared_ptr<const ImagePass> ImagePass::make(const Transform& transform, int64_t channels, int64_t height,
                                                 int64_t width) {
  const Compose* compose = as<Compose>(transform);
  const std::vector<Transform> steps = compose ? compose->transforms() : std::vector{transform};
  auto pass = std::make_shared<ImagePass>();
  pass->composed_ = compose != nullptr;
  pass->channels_ = channels;
  pass->height_ = pass->out_height_ = height;
  pass->width_ = pass->out_width_ = width;

  size_t i = 0;
  for (bool cropped = false; i < steps.size(); ++i) {
    if (const auto* crop = as<RandomCrop>(steps[i]); crop && !cropped && is_level(crop->options.fill)) {
      cropped = true;
      pass->moves_.push_back({i, *crop, {}});
      pass->out_height_ = crop->height;
      pass->out_width_ = crop->width;
      pass->fill_ = static_cast<uint8_t>(crop->options.fill);
    } else if (const auto* flip = as<RandomHorizontalFlip>(steps[i])) {
      pass->moves_.push_back({i, {}, *flip});
    } else {
      break;
    }
  }
  const auto pointwise = std::span(steps).subspan(i);
  const bool all_pointwise = std::all_of(pointwise.begin(), pointwise.end(),
                                         [](const Transform& t) { return as<ToDtype>(t) || as<Normalize>(t); });
  if (pointwise.empty() || !all_pointwise || !as<ToDtype>(pointwise.front())) return nullptr;
  pass->table_ = table_of(pointwise, channels);
  return pass->table_.empty() ? nullptr : pass;
}

// Reads the moves backwards: column w of the result is column left + w, or left - w when flipped, of the image.
ImagePass::Window ImagePass::window_for(RandomKey key) const {
  Window window;
  int64_t width = width_;
  for (const Move& move : moves_) {
    const RandomKey own = composed_ ? fold_in(key, move.number) : key;
    if (move.crop) {
      const auto place = move.crop->place(height_, width, own);
      window.top = place.top;
      window.left += window.flipped ? -place.left : place.left;
      width = out_width_;
    } else if (move.flip->flips(own)) {
      window.left += window.flipped ? -(width - 1) : width - 1;
      window.flipped = !window.flipped;
    }
  }
  return window;
}

namespace {

/// to[w * channels] = table[from[w * step]] for one channel of a row; the common steps are compiled for themselves.
template <int64_t step, int64_t channels>
void look_up(const float* table, const uint8_t* from, float* to, int64_t count) {
  for (int64_t w = 0; w < count; ++w) to[w * channels] = table[from[w * step]];
}
void look_up(const float* table, const uint8_t* from, int64_t step, float* to, int64_t channels, int64_t count) {
  if (channels == 1 && step == 1) return look_up<1, 1>(table, from, to, count);
  if (channels == 1 && step == -1) return look_up<-1, 1>(table, from, to, count);
  if (channels == 3 && step == 3) return look_up<3, 3>(table, from, to, count);
  if (channels == 3 && step == -3) return look_up<-3, 3>(table, from, to, count);
  for (int64_t w = 0; w < count; ++w) to[w * channels] = table[from[w * step]];
}

}  // namespace

void ImagePass::row(const uint8_t* source, int64_t channel_stride, int64_t column_stride, const Window& window,
                    float* out) const {
  const int64_t step = window.flipped ? -1 : 1;
  // Columns of the result that lie inside the image are [begin, end).
  const int64_t before = window.flipped ? window.left - (width_ - 1) : -window.left;
  const int64_t begin = std::clamp<int64_t>(before, 0, out_width_),
                end = std::clamp<int64_t>(before + width_, begin, out_width_);
  for (int64_t c = 0; c < channels_; ++c) {
    const float* table = table_.data() + c * kLevels;
    const uint8_t* from = source + c * channel_stride + (window.left + begin * step) * column_stride;
    float* to = out + c;
    for (int64_t w = 0; w < begin; ++w) to[w * channels_] = table[fill_];
    if (begin < end) look_up(table, from, step * column_stride, to + begin * channels_, channels_, end - begin);
    for (int64_t w = end; w < out_width_; ++w) to[w * channels_] = table[fill_];
  }
}

void ImagePass::run(const Array& image, RandomKey key, float* out) const {
  const Window window = window_for(key);
  for (int64_t h = 0; h < out_height_; ++h, out += out_width_ * channels_) {
    const int64_t from = h + window.top;
    if (from >= 0 && from < height_) {
      row(image.as<const uint8_t>() + from * image.strides[1], image.strides[0], image.strides[2], window, out);
      continue;
    }
    for (int64_t i = 0; i < out_width_ * channels_; ++i)
      out[i] = table_[static_cast<size_t>(i % channels_ * kLevels + fill_)];
  }
}

// ---- The data set that uses it

namespace {

/// The pass where every sample is a u8 image in memory.
std::shared_ptr<const ImagePass> pass_for(const Dataset& dataset, const Transform& transform) {
  const auto spec = dataset.spec();
  if (!spec || dataset.size() == 0 || spec->input_dtype != DType::u8 || spec->input.size() != 3 ||
      !dataset.memory_row(0))
    return nullptr;
  return ImagePass::make(transform, spec->input[0], spec->input[1], spec->input[2]);
}

}  // namespace

TransformedDataset::TransformedDataset(DatasetHandle dataset, Transform transform)
    : dataset_(std::move(dataset)), transform_(std::move(transform)), pass_(pass_for(*dataset_, transform_)) {}

Sample TransformedDataset::get(int64_t index) const {
  const RandomKey key = Generator::current().next("transform");  // before the data set draws: its draws are its own
  Sample sample = dataset_->get(index);
  sample.input = transform_.apply(sample.input, key);
  return sample;
}

std::optional<SampleSpec> TransformedDataset::spec() const {
  if (!pass_) return std::nullopt;
  SampleSpec spec = *dataset_->spec();
  spec.input = {pass_->channels(), pass_->height(), pass_->width()};
  spec.input_dtype = DType::f32;
  return spec;
}

void TransformedDataset::get_batch(std::span<const int64_t> indices, std::span<const uint64_t> seeds, Batch& batch,
                                   int64_t first) const {
  ASSERT(pass_ != nullptr);
  for (size_t k = 0; k < indices.size(); ++k) {
    const int64_t row = first + static_cast<int64_t>(k);
    const Array input = row_array(batch.input, row), target = row_array(batch.target, row);
    if (const auto place = dataset_->memory_row(indices[k])) {
      pass_->run(row_array(place->set->inputs(), place->row), Generator(seeds[k]).next("transform"), input.as<float>());
      copy_elements(row_array(place->set->targets(), place->row), target);
    } else {  // one part of a ConcatDataset is in memory, this one is not
      const SeedScope scope(seeds[k]);
      const Sample sample = get(indices[k]);
      copy_elements(array_of(sample.input), input);
      copy_elements(array_of(sample.target), target);
    }
  }
}

uint64_t TransformedDataset::fingerprint() const { return dataset_->fingerprint(); }

}  // namespace ingot
