#include <algorithm>
#include <cstring>
#include <sstream>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "ingot/data_parallel.h"

namespace ingot {
namespace {

/// "'lr: 0.1' where rank 0 has 'lr: 0.2'"; "" for equal texts.
std::string first_difference(const std::string& mine, const std::string& first) {
  std::istringstream my_lines(mine), first_lines(first);
  while (true) {
    std::string my_line, first_line;
    const bool more = static_cast<bool>(std::getline(my_lines, my_line));
    const bool more_first = static_cast<bool>(std::getline(first_lines, first_line));
    if (!more && !more_first) return "";
    if (more == more_first && my_line == first_line) continue;
    const auto text = [](bool there, const std::string& line) {
      return there ? "'" + line.substr(std::min(line.size(), line.find_first_not_of(' '))) + "'" : "nothing";
    };
    return text(more, my_line) + " where rank 0 has " + text(more_first, first_line);
  }
}

}  // namespace

void check_same_on_ranks(std::string_view what, const std::string& text, GroupId id) {
  Communicator& ranks = group(id);
  const auto count = static_cast<size_t>(ranks.size());
  const uint64_t mine[2]{hash_bytes(text.data(), text.size()), text.size()};
  std::vector<uint64_t> all(2 * count);
  ranks.all_gather(mine, all.data(), 2, DType::i64).wait();
  bool same = true;
  for (size_t r = 1; r < count; ++r) same = same && all[2 * r] == all[0] && all[2 * r + 1] == all[1];
  if (same) return;

  std::string first(all[1], ' ');
  if (ranks.rank() == 0) first = text;
  ranks.broadcast(first.data(), static_cast<int64_t>(first.size()), DType::u8, 0).wait();
  constexpr size_t kText = 512;
  std::vector<char> differences(kText * count), own(kText);
  std::strncpy(own.data(), first_difference(text, first).c_str(), kText - 1);
  ranks.all_gather(own.data(), differences.data(), kText, DType::u8).wait();
  for (size_t r = 1; r < count; ++r)
    if (const char* const difference = &differences[r * kText]; *difference != 0)
      fail("rank {} has another {}: {}", r, what, difference);
}

}  // namespace ingot
