#include "fuzz/fuzz.h"
#include "ingot/io.h"

namespace ingot::fuzz {
namespace {

std::string file(const std::string& header, const std::string& data) {
  return bytes_of(uint64_t{header.size()}) + header + data;
}

void load(std::string_view bytes) {
  const MemoryFile file(bytes);
  const Safetensors loaded = load_safetensors(file.path());
  hash_tensors(loaded.tensors);  // reads every byte
}

const char* const kTwo = R"({"x": {"dtype": "U8", "shape": [3], "data_offsets": [8, 11]},
  "y": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}})";
const char* const kMetadata =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}})";
const char* const kEmpty = R"({"e":{"dtype":"BF16","shape":[0,4],"data_offsets":[0,0]}})";

}  // namespace

std::vector<std::string> seeds() { return {file(kTwo, "abcdefghijk"), file(kMetadata, "abcdefgh"), file(kEmpty, "")}; }

void read(std::string_view input) {
  try {
    load(input);
  } catch (const Error&) {
  }
  // And with the length of the header that its text has: changes to the text move its end.
  const size_t brace = input.rfind('}');
  if (input.size() < 8 || brace == input.npos || brace < 8) return;
  load(bytes_of(uint64_t{brace + 1 - 8}) + std::string(input.substr(8)));
}

}  // namespace ingot::fuzz
