#include "fuzz/fuzz.h"
#include "ingot/file_datasets.h"

namespace ingot::fuzz {
namespace {

/// The first byte of an input chooses the options.
CsvOptions options_of(uint8_t choice) {
  constexpr DType kTypes[] = {DType::f32, DType::f64, DType::u8, DType::f32};
  CsvOptions options{.header = (choice & 4) == 0, .dtype = kTypes[choice % 4]};
  if (!options.header) options.target = "-1";
  if ((choice & 8) != 0) options.delimiter = ';';
  if ((choice & 16) != 0) options.classes = {"cat", "dog", "1"};
  if ((choice & 32) != 0 && (choice & 16) == 0) options.target_dtype = DType::f32;
  if ((choice & 64) != 0) options.shape = {1, 1, 2};
  if ((choice & 128) != 0) options.on_error = OnError::skip;
  return options;
}

}  // namespace

std::vector<std::string> seeds() {
  using namespace std::string_literals;
  return {"\0a,label,b\n1.5,0,-2e3\n 3 ,1,4\n"s,
          "\1x,\"label\"\r\n0.1,cat\r\n\"2\",\"d\"\"og\"\r\n"s,
          "\6 0,255,1\n3,4,0"s,
          "\x0cx;y\n1;2"s,
          "\x10\xef\xbb\xbfx,label\n1,dog\n2,1\n"s,
          "\x20x,label\n1,0.5\n"s,
          "\x42label,p,q\n2,0,255\n"s,
          "\x80label,p\n1,2\nx,y,z\n\n3,4\n"s};
}

void read(std::string_view input) {
  if (input.empty()) return;
  const CsvOptions options = options_of(static_cast<uint8_t>(input[0]));
  const CsvDataset set(MemoryFile(input.substr(1)).path(), options);
  const auto labels = set.targets().to_vector<double>();
  require(set.size() > 0 && static_cast<int64_t>(labels.size()) == set.size(), "a table without rows, or targets");
  if (options.target_dtype != DType::i64) return;
  for (const double label : labels)
    require(label >= 0 && label < static_cast<double>(set.classes().size()), "a label without a class");
}

}  // namespace ingot::fuzz
