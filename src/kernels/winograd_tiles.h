#pragma once

#include <cstdint>

#include "kernels/conv_views.h"
#include "kernels/cut.h"
#include "kernels/winograd_transforms.h"

/// The tiles of results that Winograd's filtering makes at a time. Internal to conv_winograd*.cpp.
namespace ingot::kernels::winograd {

/// A place of an image, which may lie outside.
struct Corner {
  int64_t n, top, left;
};

/// The tiles of y, numbered over all images, of this size but at the right and at the bottom.
struct Tiles {
  Pair size;
  int64_t across, of_image, count;

  Tiles(Pair results, const Array& y)
      : size(results),
        across(parts_of(y.shape[3], size.w)),
        of_image(across * parts_of(y.shape[2], size.h)),
        count(y.shape[0] * of_image) {}
  Corner corner(int64_t tile) const {
    const int64_t at = tile % of_image;
    return {tile / of_image, at / across * size.h, at % across * size.w};
  }
};

/// The pixels of a rectangle, row by row; zeros where it leaves the image.
inline void point_to_pixels(const Array& x, const Corner& corner, Pair size, const float* zeros, const float** pixels) {
  const View v = view_of(x);
  const float* const image = x.as<float>() + corner.n * v.image;
  for (int64_t i = corner.top; i < corner.top + size.h; ++i)
    for (int64_t j = corner.left; j < corner.left + size.w; ++j) {
      const bool inside = i >= 0 && i < x.shape[2] && j >= 0 && j < x.shape[3];
      *pixels++ = inside ? image + i * v.row + j * v.pixel : zeros;
    }
}

}  // namespace ingot::kernels::winograd
