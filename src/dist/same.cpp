#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "ingot/data_parallel.h"

namespace ingot {
namespace {

/// "'lr: 0.1' where rank 0 has 'lr: 0.2'"; "" for equal texts.
std::string difference_text(const std::string& mine, const std::string& first) {
  const auto d = first_different_line(mine, first);
  if (!d) return "";
  const auto text = [](const std::optional<std::string>& line) { return line ? "'" + *line + "'" : "nothing"; };
  return text(d->first) + " where rank 0 has " + text(d->second);
}

}  // namespace

std::vector<std::string> gather_texts(const std::string& text, GroupId id) {
  constexpr size_t kText = 512;
  Communicator& ranks = group(id);
  std::vector<char> mine(kText), all(kText * static_cast<size_t>(ranks.size()));
  std::strncpy(mine.data(), text.c_str(), kText - 1);
  ranks.all_gather(mine.data(), all.data(), kText, DType::u8).wait();
  std::vector<std::string> out;
  for (size_t at = 0; at < all.size(); at += kText) out.emplace_back(&all[at]);
  return out;
}

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
  const auto differences = gather_texts(difference_text(text, first), id);
  for (size_t r = 1; r < count; ++r)
    CHECK(differences[r].empty(), "rank {} has another {}: {}", r, what, differences[r]);
}

}  // namespace ingot
