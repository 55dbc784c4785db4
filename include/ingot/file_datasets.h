#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ingot/dataset.h"
#include "ingot/image_io.h"

// Data sets in files, those of torchvision with its names. Errors say path, index and reason.
namespace ingot {

struct FileContent;  // what the readers give
struct CsvTable;

/// A data set that is read into memory when it is made. A sample that is bad in itself, with a label out of range or a
/// line that is no row, is an Error, or with OnError::skip left out, counted and reported on stderr. A file that is
/// damaged or missing is an Error in any case.
class FileDataset : public TensorDataset {
 public:
  /// Samples left out.
  int64_t skipped() const { return skipped_; }

 protected:
  explicit FileDataset(const FileContent& content);

 private:
  int64_t skipped_;
};

// ---- IDX

/// The array in an IDX file (http://yann.lecun.com/exdb/mnist), plain or gzip-compressed: u8, i8, i32, f32 or f64,
/// row-major. Throws Error with the path where the magic number is wrong, the sizes exceed `max_bytes` or what a file
/// of this length can hold (checked before any allocation), or the data is truncated, damaged or followed by more.
Tensor read_idx(const std::filesystem::path& path, size_t max_bytes = size_t{1} << 32);

/// Images [N,1,H,W] u8 and labels [N] i64 from two IDX files under `root` that have MNIST's names
/// (train-images-idx3-ubyte, t10k-labels-idx1-ubyte, ...), .gz or plain; labels are in [0, classes).
class IdxDataset : public FileDataset {
 public:
  explicit IdxDataset(const std::filesystem::path& root, bool train = true, std::optional<int64_t> classes = {},
                      OnError on_error = OnError::raise);
};

/// MNIST or Fashion-MNIST: 10 classes, images [N,1,28,28].
class Mnist : public IdxDataset {
 public:
  explicit Mnist(const std::filesystem::path& root, bool train = true, OnError on_error = OnError::raise);
  static std::span<const std::string_view> class_names();
};

/// Debian's package dataset-fashion-mnist: 60,000 training and 10,000 test images (Xiao et al. 2017).
class FashionMnist : public Mnist {
 public:
  static constexpr const char* kRoot = "/usr/share/datasets/fashion-mnist";
  explicit FashionMnist(bool train = true, const std::filesystem::path& root = kRoot, OnError on_error = OnError::raise)
      : Mnist(root, train, on_error) {}
  static std::span<const std::string_view> class_names();
};

// ---- CIFAR (Krizhevsky 2009), the binary version of https://www.cs.toronto.edu/~kriz/cifar.html

/// Images [N,3,32,32] u8 and labels [N] i64 from data_batch_1.bin to data_batch_5.bin, or test_batch.bin, in `root` or
/// its folder cifar-10-batches-bin. A record is a label and three planes of 1024 bytes; a file may have any number.
class Cifar10 : public FileDataset {
 public:
  explicit Cifar10(const std::filesystem::path& root, bool train = true, OnError on_error = OnError::raise);
  static std::span<const std::string_view> class_names();
};

enum class CifarLabels : uint8_t { fine, coarse };  // 100 classes or their 20 superclasses
/// The same from train.bin or test.bin, in `root` or its folder cifar-100-binary. A record has both labels.
class Cifar100 : public FileDataset {
 public:
  explicit Cifar100(const std::filesystem::path& root, bool train = true, OnError on_error = OnError::raise,
                    CifarLabels labels = CifarLabels::fine);
  static std::span<const std::string_view> class_names(CifarLabels labels = CifarLabels::fine);
};

// ---- CSV

struct CsvOptions {
  std::string target = "label";  // the targets' column: its name, or its number from 0, negative from the end
  char delimiter = ',';
  bool header = true;                     // the first line names the columns
  Shape shape = {};                       // of an input; empty: [columns]
  DType dtype = DType::f32;               // of inputs: f32, f64, or u8 for whole numbers from 0 to 255
  DType target_dtype = DType::i64;        // i64: classes; f32 or f64: numbers
  std::vector<std::string> classes = {};  // their names in order; empty: those that the file has
  OnError on_error = OnError::raise;
  size_t max_bytes = size_t{1} << 32;
};

/// Rows of numbers and a target, inputs [N, shape...] and targets [N], from a text file as RFC 4180 has it: fields may
/// be quoted, lines end in LF or CRLF, empty ones do not count. A target that is a class is its name or its number;
/// where no names are given, the first row tells: classes are whole numbers from 0, or names, numbered in their order.
class CsvDataset : public FileDataset {
 public:
  explicit CsvDataset(const std::filesystem::path& path, const CsvOptions& options = {});
  /// "0", "1", ... where the file has numbers; empty where targets are no classes.
  const std::vector<std::string>& classes() const { return classes_; }

 private:
  explicit CsvDataset(CsvTable table);
  std::vector<std::string> classes_;
};

// ---- Folders of images

struct ImageFolderOptions {
  ImageReadMode mode = ImageReadMode::rgb;
  int64_t max_pixels = ImageReadOptions{}.max_pixels;
  std::vector<std::string> classes = {};  // their folders in order; empty: all folders, sorted
};

/// PNG and JPEG images root/CLASS/.../NAME.png (.jpg, .jpeg, in any case), as torchvision's ImageFolder has them:
/// classes and files are sorted by name, links are followed, names that begin with a dot are passed over. A sample is
/// u8 [C,H,W] and its class i64 []; images are read when they are asked for, and one that is not sound is an error of
/// its sample. Throws Error where there are no classes, one has no image, or a folder is not among the given `classes`;
/// a given class may have no folder.
class ImageFolder : public Dataset {
 public:
  explicit ImageFolder(const std::filesystem::path& root, const ImageFolderOptions& options = {});
  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  Sample get(int64_t index) const override;
  /// Of the files' names, sizes and classes; not of their content.
  uint64_t fingerprint() const override { return fingerprint_; }

  struct File {
    std::string path;  // below the root
    int64_t target = 0;
  };
  const std::vector<std::string>& classes() const { return classes_; }
  const std::vector<File>& samples() const { return samples_; }
  const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
  ImageReadOptions read_;
  std::vector<std::string> classes_;
  std::vector<File> samples_;
  uint64_t fingerprint_ = 0;
};

}  // namespace ingot
