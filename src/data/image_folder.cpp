#include <algorithm>
#include <cctype>
#include <set>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "ingot/file_datasets.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLevels = 32;  // of folders: links may lead back to where one came from

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

bool is_image(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

/// What is in a folder, sorted by name, without what is hidden.
std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (!is_hidden(it->path())) entries.push_back(*it);
  CHECK(!error, "{}: cannot list the folder: {}", folder.string(), error.message());
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.path() < b.path(); });
  return entries;
}

/// Calls found(entry) for every image below, those of a folder before those of the folders in it.
template <class Found>
void each_image(const fs::path& folder, int level, const Found& found) {
  CHECK(level < kMostLevels, "{}: more than {} folders deep: does a link lead back?", folder.string(), kMostLevels);
  std::vector<fs::path> folders;
  for (const auto& entry : entries_of(folder)) {
    std::error_code ignored;  // a link to nothing is no image
    if (entry.is_directory(ignored))
      folders.push_back(entry.path());
    else if (entry.is_regular_file(ignored) && is_image(entry.path()))
      found(entry);
  }
  for (const auto& below : folders) each_image(below, level + 1, found);
}

std::vector<std::string> class_folders(const fs::path& root) {
  std::vector<std::string> names;
  for (const auto& entry : entries_of(root)) {
    std::error_code ignored;
    if (entry.is_directory(ignored)) names.push_back(entry.path().filename().string());
  }
  return names;
}

std::vector<std::string> checked_classes(const fs::path& root, const std::vector<std::string>& wanted) {
  std::error_code refused;
  CHECK(fs::is_directory(root, refused), "{}: there is no such folder", root.string());
  auto found = class_folders(root);
  CHECK(!found.empty(), "{}: has no folders; each class is expected in one of its own", root.string());
  if (wanted.empty()) return found;
  std::set<std::string> different;
  for (const std::string& name : wanted) CHECK(different.insert(name).second, "the class '{}' occurs twice", name);
  for (const std::string& name : found)
    CHECK(different.contains(name), "{}: is none of the {} classes{}", (root / name).string(), wanted.size(),
          did_you_mean(name, wanted));
  return wanted;
}

uint64_t hash_of(uint64_t hash, const ImageFolder::File& file, uint64_t bytes) {
  const uint64_t numbers[] = {static_cast<uint64_t>(file.target), bytes};
  return hash_bytes(numbers, sizeof numbers, hash_bytes(file.path.data(), file.path.size(), hash));
}

}  // namespace

ImageFolder::ImageFolder(const fs::path& root, const ImageFolderOptions& options)
    : root_(root),
      read_{.mode = options.mode, .max_pixels = options.max_pixels},
      classes_(checked_classes(root, options.classes)) {
  std::error_code missing;
  for (size_t c = 0; c < classes_.size(); ++c) {
    const size_t before = samples_.size();
    const fs::path folder = root / classes_[c];
    if (!options.classes.empty() && !fs::exists(folder, missing)) continue;
    each_image(folder, 0, [&](const fs::directory_entry& entry) {
      samples_.push_back({entry.path().lexically_relative(root).string(), static_cast<int64_t>(c)});
      fingerprint_ = hash_of(fingerprint_, samples_.back(), entry.file_size(missing));
    });
    CHECK(samples_.size() > before, "{}: has no image; files ending in .png, .jpg or .jpeg are expected",
          folder.string());
  }
  CHECK(!samples_.empty(), "{}: has none of the {} classes", root.string(), classes_.size());
}

Sample ImageFolder::get(int64_t index) const {
  CHECK(index >= 0 && index < size(), "index {} is outside the data set's [0, {})", index, size());
  const File& file = samples_[static_cast<size_t>(index)];
  return {read_image(root_ / file.path, read_), scalar(static_cast<double>(file.target), DType::i64), {}};
}

}  // namespace ingot
