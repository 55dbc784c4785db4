#pragma once

#include <cstdint>

#include "kernels/conv_views.h"
#include "kernels/cut.h"

/// The tiles of results that Winograd's filtering makes at a time. Internal to conv_winograd*.cpp.
namespace ingot::kernels::winograd {

/// A place of an image, which may lie outside.
struct Corner {
  int64_t n, top, left;
};

/// The tiles of y, numbered over all images, m results high and wide but at the right and at the bottom.
struct Tiles {
  int m;
  int64_t across, of_image, count;

  Tiles(int size, const Array& y)
      : m(size),
        across(parts_of(y.shape[3], m)),
        of_image(across * parts_of(y.shape[2], m)),
        count(y.shape[0] * of_image) {}
  Corner corner(int64_t tile) const {
    const int64_t at = tile % of_image;
    return {tile / of_image, at / across * m, at % across * m};
  }
};

/// The pixels of a square, row by row; zeros where it leaves the image.
inline void point_to_square(const Array& x, const Corner& corner, int edge, const float* zeros, const float** pixels) {
  const View v = view_of(x);
  const float* const image = x.as<float>() + corner.n * v.image;
  for (int64_t i = corner.top; i < corner.top + edge; ++i)
    for (int64_t j = corner.left; j < corner.left + edge; ++j) {
      const bool inside = i >= 0 && i < x.shape[2] && j >= 0 && j < x.shape[3];
      *pixels++ = inside ? image + i * v.row + j * v.pixel : zeros;
    }
}

}  // namespace ingot::kernels::winograd
