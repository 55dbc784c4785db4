#include "runtime/arena.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace ingot {
namespace {

/// The offset of the tightest gap between `placed`, which are sorted by offset, that holds `bytes`.
int64_t best_gap(const std::vector<const Lifetime*>& placed, int64_t bytes) {
  int64_t end = 0, best = -1, best_size = std::numeric_limits<int64_t>::max();
  for (const Lifetime* p : placed) {
    const int64_t gap = p->offset - end;
    if (gap >= bytes && gap < best_size) {
      best = end;
      best_size = gap;
    }
    end = std::max(end, p->offset + p->bytes);
  }
  return best >= 0 ? best : end;
}

}  // namespace

int64_t place_in_arena(std::vector<Lifetime>& lifetimes) {
  for (Lifetime& l : lifetimes) l.bytes = (l.bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  std::vector<const Lifetime*> placed, neighbours;  // both sorted by offset
  int64_t total = 0;
  for (const size_t i : order) {
    Lifetime& l = lifetimes[i];
    neighbours.clear();
    std::copy_if(placed.begin(), placed.end(), std::back_inserter(neighbours),
                 [&](const Lifetime* p) { return p->overlaps_in_time(l); });
    l.offset = best_gap(neighbours, l.bytes);
    total = std::max(total, l.offset + l.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &l,
                                   [](const Lifetime* a, const Lifetime* b) { return a->offset < b->offset; }),
                  &l);
  }
  return total;
}

bool is_disjoint(const std::vector<Lifetime>& lifetimes) {
  for (size_t i = 0; i < lifetimes.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (lifetimes[i].overlaps_in_time(lifetimes[j]) && lifetimes[i].overlaps_in_space(lifetimes[j])) return false;
  return true;
}

}  // namespace ingot
