#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/array.h"
#include "ingot/transforms.h"

namespace ingot {

/// A transform of u8 images as one pass: crops and flips move indices, everything after them works pixel by pixel and
/// so is a table of 256 results a channel. The table is made by running the transform itself, which gives the same
/// bits.
class ImagePass {
 public:
  /// For images [C,H,W]; none where the transform is not at most one RandomCrop and any flips, then ToDtype(f32) and
  /// Normalize.
  static std::shared_ptr<const ImagePass> make(const Transform& transform, int64_t channels, int64_t height,
                                               int64_t width);

  int64_t channels() const { return channels_; }
  int64_t height() const { return out_height_; }
  int64_t width() const { return out_width_; }
  /// Writes what transform.apply(image, key) gives to `out`, f32 [C,H',W'] with the channels side by side.
  void run(const Array& image, RandomKey key, float* out) const;

 private:
  /// Which column of the image each column of the result comes from, and the same for rows; negative: the fill.
  struct Window {
    int64_t top = 0, left = 0;
    bool flipped = false;
  };
  struct Move {
    uint64_t number;  // in the Compose, for its key
    std::optional<RandomCrop> crop;
    std::optional<RandomHorizontalFlip> flip;
  };
  Window window_for(RandomKey key) const;
  void row(const uint8_t* source, int64_t channel_stride, int64_t column_stride, const Window& window,
           float* out) const;

  int64_t channels_ = 0, height_ = 0, width_ = 0, out_height_ = 0, out_width_ = 0;
  bool composed_ = false;
  uint8_t fill_ = 0;
  std::vector<Move> moves_;
  std::vector<float> table_;  // [C][256]
};

}  // namespace ingot
