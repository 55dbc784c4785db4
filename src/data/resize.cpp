#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <type_traits>

#include "base/array.h"
#include "base/check.h"
#include "data/image.h"
#include "ingot/transforms.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr int64_t kMostPixels = int64_t{1} << 28;
constexpr int kFractionBits = 22;  // of Pillow's weights: with 8 bits a level and two to spare they fill an int32

/// The source pixels of each result along one dimension, and their weights, which add up to 1.
template <class Weight>
struct Taps {
  struct Place {
    int64_t first = 0;
    size_t begin = 0, count = 0;  // of its weights
  };
  std::vector<Place> places;
  std::vector<Weight> weights;
};

/// A level from whole weights, as Pillow adds them up.
struct WholeSum {
  using Weight = int32_t;
  static Weight weight(double w) { return static_cast<Weight>(std::lround(w * (1 << kFractionBits))); }
  static uint8_t sum(const uint8_t* x, int64_t stride, std::span<const Weight> weights) {
    int32_t total = 1 << (kFractionBits - 1);
    for (const Weight w : weights) total += *x * w, x += stride;
    return static_cast<uint8_t>(std::clamp(total >> kFractionBits, 0, 255));
  }
};
struct RealSum {
  using Weight = double;
  static Weight weight(double w) { return w; }
  template <class T>
  static T sum(const T* x, int64_t stride, std::span<const Weight> weights) {
    double total = 0;
    for (const Weight w : weights) total += static_cast<double>(*x) * w, x += stride;
    return static_cast<T>(total);
  }
};

template <class Sum>
Taps<typename Sum::Weight> triangle_taps(int64_t in, int64_t out, bool antialias) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = antialias ? std::max(scale, 1.0) : 1.0;
  Taps<typename Sum::Weight> taps;
  std::vector<double> raw;
  for (int64_t i = 0; i < out; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<int64_t>(0, std::llround(center - support));
    const auto end = std::min<int64_t>(in, std::llround(center + support));
    raw.clear();
    for (int64_t j = first; j < end; ++j)
      raw.push_back(std::max(0.0, 1 - std::abs((static_cast<double>(j) - center + 0.5) / support)));
    const double total = std::accumulate(raw.begin(), raw.end(), 0.0);
    taps.places.push_back({first, taps.weights.size(), raw.size()});
    for (const double w : raw) taps.weights.push_back(Sum::weight(w / total));
  }
  return taps;
}

/// Resizes dimension `along` (1 or 2) of [C,H,W]; the others are equal.
template <class T>
void resize_dimension(const Array& from, const Array& to, int along, bool antialias) {
  using Sum = std::conditional_t<std::is_same_v<T, uint8_t>, WholeSum, RealSum>;
  const auto taps = triangle_taps<Sum>(from.shape[along], to.shape[along], antialias);
  for (int64_t y = 0; y < to.shape[1]; ++y)
    for (int64_t x = 0; x < to.shape[2]; ++x) {
      const auto& place = taps.places[static_cast<size_t>(along == 1 ? y : x)];
      const auto weights = std::span(taps.weights).subspan(place.begin, place.count);
      const T* source = from.as<const T>() + (along == 1 ? place.first : y) * from.strides[1] +
                        (along == 2 ? place.first : x) * from.strides[2];
      T* target = to.as<T>() + y * to.strides[1] + x * to.strides[2];
      for (int64_t c = 0; c < to.shape[0]; ++c)
        target[c * to.strides[0]] = Sum::sum(source + c * from.strides[0], from.strides[along], weights);
    }
}

template <class T>
Tensor resized(Tensor image, int64_t height, int64_t width, bool antialias) {
  const auto along = [&](int dim, int64_t h, int64_t w) {
    const Tensor out = empty_image(image.size(0), h, w, image.dtype());
    resize_dimension<T>(array_of(image), array_of(out), dim, antialias);
    image = out;
  };
  if (image.size(2) != width) along(2, image.size(1), width);
  if (image.size(1) != height) along(1, height, width);
  return image;
}

}  // namespace

Resize::Resize(int64_t size, ResizeOptions options) : height(size), options(options) {
  CHECK(size > 0 && size <= kMostPixels, "Resize: size is {}, it must be from 1 to {}", size, kMostPixels);
}
Resize::Resize(int64_t height, int64_t width, ResizeOptions options) : height(height), width(width), options(options) {
  CHECK(height > 0 && width > 0, "Resize: size {} x {}, it must be positive", height, width);
}
std::string Resize::str() const {
  return fmt::format("Resize({}{}, antialias={})", height, width ? fmt::format(", {}", *width) : "", options.antialias);
}
Tensor Resize::apply(const Tensor& image, RandomKey) const {
  CHECK(image.defined() && image.rank() == 3 && image.size(1) > 0 && image.size(2) > 0,
        "{}: an image [C,H,W] is expected, not {}", str(),
        image.defined() ? to_string(image.shape()) : "an undefined tensor");
  const int64_t in_h = image.size(1), in_w = image.size(2), shorter = std::min(in_h, in_w);
  const int64_t out_h = width ? height : in_h * height / shorter, out_w = width ? *width : in_w * height / shorter;
  CHECK(out_w <= kMostPixels / out_h, "{}: an image of {} x {} would have {} x {} pixels", str(), in_w, in_h, out_w,
        out_h);
  switch (image.dtype()) {
    case DType::u8:
      return resized<uint8_t>(image, out_h, out_w, options.antialias);
    case DType::f32:
      return resized<float>(image, out_h, out_w, options.antialias);
    case DType::f64:
      return resized<double>(image, out_h, out_w, options.antialias);
    default:
      fail("{}: takes u8, f32 and f64, not {}", str(), name_of(image.dtype()));
  }
}

}  // namespace ingot
