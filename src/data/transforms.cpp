#include "ingot/transforms.h"

#include <fmt/format.h>

#include <cmath>

#include "base/check.h"
#include "base/convert.h"
#include "base/philox.h"
#include "base/text.h"
#include "base/visit_dtype.h"
#include "data/image.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

void check_image(const Tensor& image, const TransformOp& op) {
  CHECK(image.defined() && image.rank() == 3, "{}: an image [C,H,W] is expected, not {}", op.str(),
        image.defined() ? to_string(image.shape()) : "an undefined tensor");
}

/// Calls body(from, to) for every element of two tensors of one shape [C,H,W].
template <class From, class To, class Body>
void each_pixel(const Tensor& from, Tensor& to, const Body& body) {
  const Array a = array_of(from), b = array_of(to);
  for (int64_t c = 0; c < a.shape[0]; ++c)
    for (int64_t h = 0; h < a.shape[1]; ++h) {
      const From* source = a.as<const From>() + c * a.strides[0] + h * a.strides[1];
      To* target = b.as<To>() + c * b.strides[0] + h * b.strides[1];
      for (int64_t w = 0; w < a.shape[2]; ++w) body(c, source[w * a.strides[2]], target[w * b.strides[2]]);
    }
}

/// A window of the image, which may reach beyond it; `fill` is what stands there.
template <class T>
void copy_window(const Array& from, const Array& to, int64_t top, int64_t left, T fill) {
  for (int64_t c = 0; c < to.shape[0]; ++c)
    for (int64_t h = 0; h < to.shape[1]; ++h) {
      T* target = to.as<T>() + c * to.strides[0] + h * to.strides[1];
      const bool row_inside = h + top >= 0 && h + top < from.shape[1];
      const T* source = from.as<const T>() + c * from.strides[0] + (row_inside ? h + top : 0) * from.strides[1];
      for (int64_t w = 0; w < to.shape[2]; ++w) {
        const bool inside = row_inside && w + left >= 0 && w + left < from.shape[2];
        target[w * to.strides[2]] = inside ? source[(w + left) * from.strides[2]] : fill;
      }
    }
}

}  // namespace

Tensor Compose::apply(const Tensor& image, RandomKey key) const {
  Tensor out = image;
  for (size_t i = 0; i < transforms_.size(); ++i) out = transforms_[i].apply(out, fold_in(key, i));
  return out;
}
std::string Compose::str() const {
  std::vector<std::string> parts;
  for (const Transform& transform : transforms_) parts.push_back(transform.str());
  return fmt::format("Compose({})", join(parts, ", "));
}

CenterCrop::CenterCrop(int64_t height, int64_t width) : height(height), width(width) {
  CHECK(height > 0 && width > 0, "CenterCrop: size {} x {}, it must be positive", height, width);
}
std::string CenterCrop::str() const { return fmt::format("CenterCrop({}, {})", height, width); }
Tensor CenterCrop::apply(const Tensor& image, RandomKey) const {
  check_image(image, *this);
  // torchvision's roundings: a half to the even pixel, but the padding's to the greater right and bottom.
  const auto start = [](int64_t in, int64_t out) {
    return in < out ? -((out - in) / 2) : std::lrint(static_cast<double>(in - out) / 2);
  };
  const Tensor out = empty_image(image.size(0), height, width, image.dtype());
  visit_dtype(image.dtype(), [&]<class T>(std::type_identity<T>) {
    copy_window(array_of(image), array_of(out), start(image.size(1), height), start(image.size(2), width), T{});
  });
  return out;
}

RandomCrop::RandomCrop(int64_t height, int64_t width, RandomCropOptions options)
    : height(height), width(width), options(options) {
  CHECK(height > 0 && width > 0, "RandomCrop: size {} x {}, it must be positive", height, width);
  CHECK(options.padding >= 0, "RandomCrop: padding is {}, it must not be negative", options.padding);
}
std::string RandomCrop::str() const {
  return fmt::format("RandomCrop({}, {}, padding={}, fill={})", height, width, options.padding, options.fill);
}
RandomCrop::Place RandomCrop::place(int64_t image_height, int64_t image_width, RandomKey key) const {
  const int64_t rows = image_height + 2 * options.padding - height, columns = image_width + 2 * options.padding - width;
  CHECK(rows >= 0 && columns >= 0, "{}: the padded image is {} x {}, smaller than the crop", str(), rows + height,
        columns + width);
  const auto words = philox(key, 0);
  const auto below = [](uint32_t word, int64_t n) {
    return static_cast<int64_t>(uint64_t{word} * static_cast<uint64_t>(n) >> 32);
  };
  return {below(words[0], rows + 1) - options.padding, below(words[1], columns + 1) - options.padding};
}
Tensor RandomCrop::apply(const Tensor& image, RandomKey key) const {
  check_image(image, *this);
  const Place at = place(image.size(1), image.size(2), key);
  const Tensor out = empty_image(image.size(0), height, width, image.dtype());
  visit_dtype(image.dtype(), [&]<class T>(std::type_identity<T>) {
    copy_window(array_of(image), array_of(out), at.top, at.left, convert<T>(options.fill));
  });
  return out;
}

RandomHorizontalFlip::RandomHorizontalFlip(double p) : p(p) {
  CHECK(p >= 0 && p <= 1, "RandomHorizontalFlip: p is {}, it must be in [0, 1]", p);
}
std::string RandomHorizontalFlip::str() const { return fmt::format("RandomHorizontalFlip({})", p); }
bool RandomHorizontalFlip::flips(RandomKey key) const {
  const auto words = philox(key, 0);
  return uniform_f64(words[0], words[1]) < p;
}
// A copy: negative strides would be new to everything that reads tensors.
Tensor RandomHorizontalFlip::apply(const Tensor& image, RandomKey key) const {
  check_image(image, *this);
  if (!flips(key)) return image;
  const Tensor out = empty_image(image.size(0), image.size(1), image.size(2), image.dtype());
  const Array from = array_of(image);
  Array to = array_of(out);
  visit_dtype(image.dtype(), [&]<class T>(std::type_identity<T>) {
    to.data = to.as<T>() + (to.shape[2] - 1) * to.strides[2];
    to.strides[2] = -to.strides[2];
    copy_window(from, to, 0, 0, T{});
  });
  return out;
}

ToDtype::ToDtype(DType dtype, ToDtypeOptions options) : dtype(dtype), options(options) {
  CHECK(dtype == DType::f32 || dtype == DType::f64, "ToDtype: gives f32 or f64, not {}", name_of(dtype));
}
std::string ToDtype::str() const {
  return fmt::format("ToDtype({}, scale={})", name_of(dtype), options.scale ? "true" : "false");
}
Tensor ToDtype::apply(const Tensor& image, RandomKey) const {
  check_image(image, *this);
  if (image.dtype() == dtype) return image;
  Tensor out = empty_image(image.size(0), image.size(1), image.size(2), dtype);
  const auto convert = [&](auto from, auto to) {
    using From = decltype(from);
    using To = decltype(to);
    // As torchvision: the product with 1/255 rounded to the target type.
    const To factor = options.scale && std::is_same_v<From, uint8_t> ? static_cast<To>(1.0 / 255) : To{1};
    each_pixel<From, To>(image, out, [&](int64_t, From x, To& y) { y = static_cast<To>(x) * factor; });
  };
  const bool wide = dtype == DType::f64;
  switch (image.dtype()) {
    case DType::u8:
      wide ? convert(uint8_t{}, double{}) : convert(uint8_t{}, float{});
      break;
    case DType::f32:
      convert(float{}, double{});
      break;
    case DType::f64:
      convert(double{}, float{});
      break;
    default:
      fail("{}: converts u8, f32 and f64, not {}", str(), name_of(image.dtype()));
  }
  return out;
}

Normalize::Normalize(std::vector<double> mean, std::vector<double> std) : mean(std::move(mean)), std(std::move(std)) {
  CHECK(!this->mean.empty() && this->mean.size() == this->std.size(), "Normalize: {} means and {} standard deviations",
        this->mean.size(), this->std.size());
  for (const double m : this->mean) CHECK(std::isfinite(m), "Normalize: mean {} must be finite", m);
  for (const double s : this->std) CHECK(s > 0 && std::isfinite(s), "Normalize: std {} must be positive", s);
}
std::string Normalize::str() const {
  return fmt::format("Normalize([{}], [{}])", fmt::join(mean, ", "), fmt::join(std, ", "));
}
Tensor Normalize::apply(const Tensor& image, RandomKey) const {
  check_image(image, *this);
  const auto channels = static_cast<size_t>(image.size(0).value());
  CHECK(mean.size() == 1 || mean.size() == channels, "{}: has numbers for {} channels, the image has {}", str(),
        mean.size(), channels);
  CHECK(image.dtype() == DType::f32 || image.dtype() == DType::f64,
        "{}: needs f32 or f64, not {}; put ToDtype before it", str(), name_of(image.dtype()));
  Tensor out = empty_image(image.size(0), image.size(1), image.size(2), image.dtype());
  visit_dtype(image.dtype(), [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_floating_point_v<T>) {
      each_pixel<T, T>(image, out, [&](int64_t c, T x, T& y) {
        const auto k = mean.size() == 1 ? 0 : static_cast<size_t>(c);
        y = (x - static_cast<T>(mean[k])) / static_cast<T>(std[k]);
      });
    }
  });
  return out;
}

}  // namespace ingot
