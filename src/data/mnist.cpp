#include <array>

#include "base/check.h"
#include "data/file_content.h"
#include "ingot/file_datasets.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr int64_t kClasses = 10, kSide = 28;
constexpr int64_t kMostClasses = 256;  // that labels u8 can name

std::filesystem::path find_file(const std::filesystem::path& root, const std::string& name) {
  std::error_code refused;  // a name too long, a folder closed to us
  for (const char* ending : {".gz", ""})
    if (const auto path = root / (name + ending); std::filesystem::exists(path, refused)) return path;
  fail("{}: neither {}.gz nor {} is there (Debian: apt install dataset-fashion-mnist)", root.string(), name, name);
}

std::string stem(bool train, const char* kind) { return std::string(train ? "train" : "t10k") + "-" + kind + "-ubyte"; }

Tensor read_images(const std::filesystem::path& root, bool train) {
  const auto path = find_file(root, stem(train, "images-idx3"));
  const Tensor images = read_idx(path);
  CHECK(images.dtype() == DType::u8 && images.rank() == 3, "{}: holds {} {}, images u8 [n, h, w] are expected",
        path.string(), name_of(images.dtype()), to_string(images.shape()));
  const Shape shape{images.size(0), 1, images.size(1), images.size(2)};
  return make_tensor(images.impl()->storage, 0, shape, strides_for(shape, Layout::channels_last), DType::u8);
}

Tensor read_labels(const std::filesystem::path& path, int64_t images) {
  const Tensor labels = read_idx(path);
  CHECK(labels.dtype() == DType::u8 && labels.rank() == 1, "{}: holds {} {}, labels u8 [n] are expected", path.string(),
        name_of(labels.dtype()), to_string(labels.shape()));
  CHECK(labels.size(0) == images, "{}: {} labels for {} images", path.string(), labels.size(0).value(), images);
  return labels;
}

FileContent read_both(const std::filesystem::path& root, bool train, int64_t classes, OnError on_error) {
  const Tensor images = read_images(root, train);
  const int64_t count = images.size(0);
  const auto path = find_file(root, stem(train, "labels-idx1"));
  const Tensor labels = read_labels(path, count);
  Tensor targets = empty({count}, DType::i64);
  auto* to = targets.mutable_data<int64_t>();
  const auto* from = labels.data<uint8_t>();
  BadSamples bad(on_error);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < count; ++i) {
    to[i] = from[i];
    if (from[i] < classes)
      kept.push_back(i);
    else
      bad.add(fmt::format("{}: label {} at index {} is outside [0, {})", path.string(), from[i], i, classes));
  }
  return without_bad(images, targets, kept, bad);
}

constexpr std::array<std::string_view, kClasses> kDigits{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
constexpr std::array<std::string_view, kClasses> kClothes{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                          "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

}  // namespace

IdxDataset::IdxDataset(const std::filesystem::path& root, bool train, std::optional<int64_t> classes, OnError on_error)
    : FileDataset(read_both(root, train, classes.value_or(kMostClasses), on_error)) {}

Mnist::Mnist(const std::filesystem::path& root, bool train, OnError on_error)
    : IdxDataset(root, train, kClasses, on_error) {
  const Shape wanted{size(), 1, kSide, kSide};
  CHECK(inputs().shape() == wanted, "{}: the images are {}, [n, 1, {}, {}] is expected", root.string(),
        to_string(inputs().shape()), kSide, kSide);
}

std::span<const std::string_view> Mnist::class_names() { return kDigits; }
std::span<const std::string_view> FashionMnist::class_names() { return kClothes; }

}  // namespace ingot
