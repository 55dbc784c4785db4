#include <unistd.h>

#include "fuzz/fuzz.h"
#include "ingot/file_datasets.h"

namespace ingot::fuzz {
namespace {

constexpr size_t kImage = 3 * 32 * 32;

/// A folder whose test_batch.bin and test.bin lead to the input.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / fmt::format("ingot_fuzz_cifar_{}", ::getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& lead_to(const std::filesystem::path& file) const {
    for (const char* name : {"test_batch.bin", "test.bin"}) {
      std::filesystem::remove(path_ / name);
      std::filesystem::create_symlink(file, path_ / name);
    }
    return path_;
  }

 private:
  std::filesystem::path path_;
};

template <class Read>
void check(const Read& set, size_t classes) {
  for (const auto label : set.targets().template to_vector<int64_t>())
    require(label >= 0 && label < static_cast<int64_t>(classes), "a label that is out of range");
  require(set.inputs().size(0) == set.size(), "images that are not as many as labels");
}

}  // namespace

std::vector<std::string> seeds() {
  const std::string image(kImage, 'x');
  return {"\3" + image, "\x13\x07" + image, "\1" + image + "\x63" + image, "\2\x05" + image + "\x1e\x05" + image};
}

void read(std::string_view input) {
  static const Folder folder;
  const MemoryFile file(input);
  const auto& root = folder.lead_to(file.path());
  try {
    check(Cifar10(root, false, OnError::skip), 10);
  } catch (const Error&) {
  }
  for (const auto labels : {CifarLabels::fine, CifarLabels::coarse})
    check(Cifar100(root, false, OnError::skip, labels), Cifar100::class_names(labels).size());
}

}  // namespace ingot::fuzz
