#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ingot/random.h"
#include "ingot/tensor.h"

// Transforms of images [C,H,W] with the names and conventions of torchvision.transforms.v2.
namespace ingot {

/// What a transform does; derive from it for your own. The result is a function of the image and the key alone.
class TransformOp {
 public:
  virtual ~TransformOp() = default;
  virtual Tensor apply(const Tensor& image, RandomKey key) const = 0;
  virtual std::string str() const = 0;  // "RandomCrop(28, padding=4)"
};

/// Any transform, by value.
class Transform {
 public:
  template <std::derived_from<TransformOp> Op>
  Transform(Op op) : op_(std::make_shared<const Op>(std::move(op))) {}

  Tensor apply(const Tensor& image, RandomKey key) const { return op_->apply(image, key); }
  /// With a key from Generator::current().
  Tensor operator()(const Tensor& image) const { return op_->apply(image, Generator::current().next("transform")); }
  std::string str() const { return op_->str(); }
  const TransformOp& op() const { return *op_; }

 private:
  std::shared_ptr<const TransformOp> op_;
};

/// One after the other; transform i gets fold_in(key, i).
class Compose : public TransformOp {
 public:
  explicit Compose(std::vector<Transform> transforms) : transforms_(std::move(transforms)) {}
  Tensor apply(const Tensor& image, RandomKey key) const override;
  std::string str() const override;
  const std::vector<Transform>& transforms() const { return transforms_; }

 private:
  std::vector<Transform> transforms_;
};

struct ResizeOptions {
  bool antialias = true;  // false: two pixels a side whatever the scale, which drops pixels of large images
};
/// To height x width, or until the shorter edge is `size` long (the longer one in proportion, rounded down): bilinear,
///   y[i] = sum_j w((j + 1/2 - c) / s) x[j] / sum_j w((j + 1/2 - c) / s),  w(t) = max(0, 1 - |t|),
/// c = (i + 1/2) * in/out, s = max(in/out, 1): first along rows, then along columns. u8 images give Pillow's bits,
/// which rounds to whole levels in between. Of u8, f32 and f64.
class Resize : public TransformOp {
 public:
  explicit Resize(int64_t size, ResizeOptions options = {});
  Resize(int64_t height, int64_t width, ResizeOptions options = {});
  Tensor apply(const Tensor& image, RandomKey key) const override;
  std::string str() const override;

  int64_t height;
  std::optional<int64_t> width;  // none: `height` is the length of the shorter edge
  ResizeOptions options;
};

/// The middle height x width pixels; an image that is smaller gets zeros around it.
class CenterCrop : public TransformOp {
 public:
  explicit CenterCrop(int64_t size) : CenterCrop(size, size) {}
  CenterCrop(int64_t height, int64_t width);
  Tensor apply(const Tensor& image, RandomKey key) const override;
  std::string str() const override;

  int64_t height, width;
};

struct RandomCropOptions {
  int64_t padding = 0;  // on all four sides, before the crop
  double fill = 0;
};
/// A crop of height x width at a place that is uniform over all that fit. Throws Error where the padded image is
/// smaller.
class RandomCrop : public TransformOp {
 public:
  explicit RandomCrop(int64_t size, RandomCropOptions options = {}) : RandomCrop(size, size, options) {}
  RandomCrop(int64_t height, int64_t width, RandomCropOptions options = {});
  Tensor apply(const Tensor& image, RandomKey key) const override;
  std::string str() const override;

  struct Place {
    int64_t top, left;  // of the crop in the unpadded image: may be negative
  };
  Place place(int64_t image_height, int64_t image_width, RandomKey key) const;

  int64_t height, width;
  RandomCropOptions options;
};

/// Mirrors left and right with probability p.
class RandomHorizontalFlip : public TransformOp {
 public:
  explicit RandomHorizontalFlip(double p = 0.5);
  Tensor apply(const Tensor& image, RandomKey key) const override;
  std::string str() const override;
  bool flips(RandomKey key) const;

  double p;
};

struct ToDtypeOptions {
  bool scale = false;  // u8 to floating: multiplies by 1/255
};
/// To f32 or f64 from u8, or between f32 and f64.
class ToDtype : public TransformOp {
 public:
  explicit ToDtype(DType dtype, ToDtypeOptions options = {});
  Tensor apply(const Tensor& image, RandomKey key) const override;
  std::string str() const override;

  DType dtype;
  ToDtypeOptions options;
};

/// (x - mean[c]) / std[c] by channel, of f32 or f64. One number serves all channels.
class Normalize : public TransformOp {
 public:
  Normalize(std::vector<double> mean, std::vector<double> std);
  Tensor apply(const Tensor& image, RandomKey key) const override;
  std::string str() const override;

  std::vector<double> mean, std;
};

}  // namespace ingot
