#include "data/csv_reader.h"

#include "base/check.h"

namespace ingot {
namespace {

constexpr size_t kMostFields = 1'000'000;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

CsvReader::CsvReader(std::string_view text, char delimiter, std::string name)
    : text_(text), delimiter_(delimiter), name_(std::move(name)) {
  CHECK(delimiter != '"' && delimiter != '\n' && delimiter != '\r', "the delimiter is {}, which has a meaning already",
        delimiter == '"' ? "a quote" : "a line end");
  if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
}

std::string CsvReader::place() const { return fmt::format("{}:{}", name_, first_line_); }

bool CsvReader::at_line_end() const {
  if (at_ == text_.size() || text_[at_] == '\n') return true;
  return text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n';
}

void CsvReader::end_line() {
  if (at_ == text_.size()) return;
  at_ += text_[at_] == '\r' ? 2 : 1;
  ++line_;
}

bool CsvReader::next() {
  while (at_ < text_.size() && at_line_end()) end_line();
  if (at_ == text_.size()) return false;
  first_line_ = line_;
  fields_.clear();
  read_field();
  while (!at_line_end()) {
    ++at_;  // the delimiter
    read_field();
  }
  end_line();
  return true;
}

void CsvReader::read_field() {
  CHECK(fields_.size() < kMostFields, "{}: more than {} fields", place(), kMostFields);
  if (at_ < text_.size() && text_[at_] == '"') return read_quoted();
  const size_t start = at_;
  while (!at_line_end() && text_[at_] != delimiter_) ++at_;
  fields_.emplace_back(text_.substr(start, at_ - start));
}

void CsvReader::read_quoted() {
  std::string& field = fields_.emplace_back();
  for (++at_;; ++at_) {
    CHECK(at_ < text_.size(), "{}: a quote has no end", place());
    if (text_[at_] == '"' && !text_.substr(at_ + 1).starts_with('"')) break;
    if (text_[at_] == '"') ++at_;  // the first of two
    if (text_[at_] == '\n') ++line_;
    field += text_[at_];
  }
  ++at_;
  CHECK(at_line_end() || text_[at_] == delimiter_, "{}: text follows the quote that ends field {}", place(),
        fields_.size());
}

}  // namespace ingot
