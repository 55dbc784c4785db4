#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

/// Records of comma-separated values (RFC 4180). A field that begins with a quote ends at the next one that is not
/// doubled, and may hold delimiters and line ends. Lines end in LF or CRLF; empty ones are passed over.
class CsvReader {
 public:
  /// `name` is what errors call the text. Throws Error where the delimiter is a quote or a line end.
  CsvReader(std::string_view text, char delimiter, std::string name);

  /// Reads a record; false at the end. Throws Error with the line where a quote has no end or text follows it, or there
  /// are more than a million fields.
  bool next();
  const std::vector<std::string>& fields() const { return fields_; }
  /// Where the record begins: "file.csv:7".
  std::string place() const;

 private:
  void read_field();
  void read_quoted();
  bool at_line_end() const;
  void end_line();

  std::string_view text_;
  char delimiter_;
  std::string name_;
  size_t at_ = 0;
  int64_t line_ = 1, first_line_ = 1;
  std::vector<std::string> fields_;
};

}  // namespace ingot
