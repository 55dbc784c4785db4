#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>

#include "base/check.h"
#include "base/file.h"
#include "base/text.h"
#include "data/csv_reader.h"
#include "data/file_content.h"
#include "ingot/file_datasets.h"

namespace ingot {

struct CsvTable {
  FileContent content;
  std::vector<std::string> classes;
};

namespace {

constexpr int64_t kMostClasses = int64_t{1} << 16;

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

template <class T>
std::optional<T> parse(std::string_view text) {
  text = trimmed(text);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <class T>
T number(const std::string& field, const std::string& column) {
  const auto value = parse<T>(field);
  CHECK(value && std::isfinite(*value), "column '{}' is '{}', a finite number is expected", column, field);
  return *value;
}
template <>
uint8_t number(const std::string& field, const std::string& column) {
  const auto value = parse<int64_t>(field);
  CHECK(value && *value >= 0 && *value <= 255, "column '{}' is '{}', a whole number from 0 to 255 is expected", column,
        field);
  return static_cast<uint8_t>(*value);
}

// ---- Targets

/// Turns targets into classes: names or numbers. Without names, those that come are numbered as they come.
class Classes {
 public:
  explicit Classes(const std::vector<std::string>& names) : given_(!names.empty()), names_(names) {
    CHECK(static_cast<int64_t>(names.size()) <= kMostClasses, "{} classes, at most {} are allowed", names.size(),
          kMostClasses);
    for (size_t i = 0; i < names.size(); ++i)
      CHECK(numbers_.emplace(names[i], i).second, "the class '{}' occurs twice", names[i]);
  }

  int64_t number_of(const std::string& target) {
    if (!given_ && !by_name_) by_name_ = !parse<int64_t>(target);
    if (given_ || *by_name_) {
      if (const auto it = numbers_.find(target); it != numbers_.end()) return it->second;
      if (!given_) return add(target);
    }
    const int64_t most = given_ ? static_cast<int64_t>(names_.size()) : kMostClasses;
    const auto number = parse<int64_t>(target);
    CHECK(number || !given_, "target '{}' is neither one of the {} classes nor the number of one", target, most);
    CHECK(number, "target '{}' is not a number, as the first one is", target);
    CHECK(*number >= 0 && *number < most, "label {} is outside [0, {})", *number, most);
    largest_ = std::max(largest_, *number);
    return *number;
  }

  /// All classes, names in their order; `targets` are numbered anew where that is not the order in which they came.
  std::vector<std::string> finish(std::vector<int64_t>& targets) {
    if (given_) return names_;
    if (by_name_ && *by_name_) return sort(targets);
    std::vector<std::string> numbers;
    for (int64_t i = 0; i <= largest_; ++i) numbers.push_back(std::to_string(i));
    return numbers;
  }

 private:
  int64_t add(const std::string& name) {
    CHECK(!name.empty(), "the target is empty");
    CHECK(static_cast<int64_t>(numbers_.size()) < kMostClasses, "more than {} classes", kMostClasses);
    return numbers_.emplace(name, numbers_.size()).first->second;
  }
  std::vector<std::string> sort(std::vector<int64_t>& targets) const {
    std::vector<std::string> names;
    std::vector<int64_t> order(numbers_.size());
    for (const auto& [name, number] : numbers_) {  // a map is sorted
      order[static_cast<size_t>(number)] = static_cast<int64_t>(names.size());
      names.push_back(name);
    }
    for (int64_t& target : targets) target = order[static_cast<size_t>(target)];
    return names;
  }

  bool given_;
  std::vector<std::string> names_;
  std::map<std::string, int64_t, std::less<>> numbers_;
  std::optional<bool> by_name_;
  int64_t largest_ = -1;
};

// ---- Rows

size_t target_column(const std::vector<std::string>& columns, const CsvOptions& options) {
  const auto named = std::find(columns.begin(), columns.end(), options.target);
  if (options.header && named != columns.end()) return static_cast<size_t>(named - columns.begin());
  const auto count = static_cast<int64_t>(columns.size());
  const auto number = parse<int64_t>(options.target);
  CHECK(number || !options.header, "there is no column '{}'{}", options.target, did_you_mean(options.target, columns));
  CHECK(number && *number >= -count && *number < count,
        "target is '{}', the number of one of the {} columns is expected", options.target, count);
  return static_cast<size_t>(*number < 0 ? *number + count : *number);
}

template <class T>
class TableReader {
 public:
  TableReader(std::string_view text, const std::string& name, const CsvOptions& options)
      : reader_(text, options.delimiter, name),
        options_(options),
        name_(name),
        classes_(options.classes),
        bad_(options.on_error) {}

  CsvTable read() {
    CHECK(reader_.next(), "{}: there is nothing in it", name_);
    start();
    int64_t rows = 0;
    for (bool more = !options_.header || reader_.next(); more; more = reader_.next(), ++rows) try {
        add_row();
      } catch (const Error& error) {
        bad_.add(fmt::format("{}: row {}: {}", reader_.place(), rows, error.what()));
      }
    CHECK(rows > 0, "{}: there are no rows", name_);
    bad_.report(rows);
    return finish();
  }

 private:
  void start() {
    columns_ = reader_.fields();
    if (!options_.header)
      for (size_t i = 0; i < columns_.size(); ++i) columns_[i] = std::to_string(i);
    try {
      target_ = target_column(columns_, options_);
    } catch (const Error& error) {
      fail("{}: {}", reader_.place(), error.what());
    }
    const auto inputs = static_cast<int64_t>(columns_.size()) - 1;
    shape_ = options_.shape;
    if (shape_.empty()) shape_.push_back(inputs);
    CHECK(inputs > 0, "{}: there is no column besides the target", reader_.place());
    CHECK(numel(shape_) == inputs, "{}: {} columns besides the target, shape {} needs {}", reader_.place(), inputs,
          to_string(shape_), numel(shape_).value());
  }

  void add_row() {
    const auto& fields = reader_.fields();
    CHECK(fields.size() == columns_.size(), "{} fields, {} are expected", fields.size(), columns_.size());
    row_.clear();
    for (size_t i = 0; i < fields.size(); ++i)
      if (i != target_) row_.push_back(number<T>(fields[i], columns_[i]));
    const std::string& target = fields[target_];
    if (options_.target_dtype == DType::i64)
      labels_.push_back(classes_.number_of(target));
    else
      numbers_.push_back(number<double>(target, columns_[target_]));
    values_.insert(values_.end(), row_.begin(), row_.end());
  }

  CsvTable finish() {
    const bool classes = options_.target_dtype == DType::i64;
    const auto count = static_cast<int64_t>(classes ? labels_.size() : numbers_.size());
    Shape shape = shape_;
    shape.insert(0, count);
    CsvTable table{.content = {.inputs = from_vector(values_, shape), .skipped = bad_.count()}};
    if (classes) {
      table.classes = classes_.finish(labels_);
      table.content.targets = from_vector(labels_, {count});
    } else if (options_.target_dtype == DType::f64) {
      table.content.targets = from_vector(numbers_, {count});
    } else {
      table.content.targets = from_vector(std::vector<float>(numbers_.begin(), numbers_.end()), {count});
    }
    return table;
  }

  CsvReader reader_;
  const CsvOptions& options_;
  const std::string& name_;
  std::vector<std::string> columns_;
  size_t target_ = 0;
  Shape shape_;
  Classes classes_;
  BadSamples bad_;
  std::vector<T> row_, values_;
  std::vector<int64_t> labels_;
  std::vector<double> numbers_;
};

CsvTable read_table(const std::filesystem::path& path, const CsvOptions& options) {
  const DType target = options.target_dtype;
  CHECK(target == DType::i64 || target == DType::f32 || target == DType::f64,
        "target_dtype is {}, i64, f32 or f64 are expected", name_of(target));
  CHECK(target == DType::i64 || options.classes.empty(), "classes are given but target_dtype is {}: there are none",
        name_of(target));
  const std::string name = path.string();
  const MappedFile file(path);
  const auto bytes = file.bytes();
  CHECK(bytes.size() <= options.max_bytes, "{}: {} bytes, at most {} are allowed", name, bytes.size(),
        options.max_bytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  switch (options.dtype) {
    case DType::u8:
      return TableReader<uint8_t>(text, name, options).read();
    case DType::f32:
      return TableReader<float>(text, name, options).read();
    case DType::f64:
      return TableReader<double>(text, name, options).read();
    default:
      fail("dtype is {}, u8, f32 or f64 are expected", name_of(options.dtype));
  }
}

}  // namespace

CsvDataset::CsvDataset(const std::filesystem::path& path, const CsvOptions& options)
    : CsvDataset(read_table(path, options)) {}
CsvDataset::CsvDataset(CsvTable table) : FileDataset(table.content), classes_(std::move(table.classes)) {}

}  // namespace ingot
