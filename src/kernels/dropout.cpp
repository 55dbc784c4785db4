#include "kernels/dropout.h"

#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/dropout_kernels.h"
#include "kernels/strided.h"

namespace ingot::kernels {
namespace {

struct Rule {
  double p;
  // k * 2^-24 >= p for a whole k exactly where k >= ceil(p * 2^24)
  uint32_t threshold = static_cast<uint32_t>(std::ceil(p * 0x1p24));
};

// Block: x, y; `words` from the row's first element on.
template <class T>
void drop_row(const Block<2>& block, int64_t r, const uint32_t* words, const Rule& rule) {
  using C = ComputeType<T>;
  const T* x = block.row<T>(0, r);
  T* y = block.row<T>(1, r);
  const auto [sx, sy] = block.stride;
  const auto keep = static_cast<C>(1 - rule.p);
  if constexpr (std::is_same_v<T, float>)
    if (sx == 1 && sy == 1) return drop_f32(x, words, rule.threshold, keep, y, block.count);
  for (int64_t i = 0; i < block.count; ++i)
    y[i * sy] = words[i] >> 8 >= rule.threshold ? T(static_cast<C>(x[i * sx]) / keep) : T(0);
}

}  // namespace

void dropout(const Array& x, double p, RandomKey key, uint64_t counter, const Array& y) {
  constexpr int64_t kPiece = 1024;  // elements, a multiple of Philox's four words
  const int64_t samples = x.rank > 0 ? x.shape[0] : 1;
  const int64_t step_x = x.rank > 0 ? x.strides[0] : 0, step_y = x.rank > 0 ? y.strides[0] : 0;
  const StridedLoops<2> sample({&x, &y}, LoopOrder::logical, ~1u);
  const int64_t pieces = (sample.numel() + kPiece - 1) / kPiece;
  const Rule rule{p};
  visit_floating(x.dtype, [&]<class T>(std::type_identity<T>) {
    constexpr int64_t kBytes = sizeof(T);
    const int64_t grain = std::max<int64_t>(1, kGrain / 2 / std::max<int64_t>(1, std::min(kPiece, sample.numel())));
    parallel_for(samples * pieces, grain, [&](int64_t first, int64_t last) {
      uint32_t words[kPiece];
      for (int64_t piece = first; piece < last; ++piece) {
        const int64_t n = piece / pieces, begin = piece % pieces * kPiece;
        const int64_t end = std::min(sample.numel(), begin + kPiece);
        philox_words(key, static_cast<uint64_t>(begin / 4), counter + static_cast<uint64_t>(n), (end - begin + 3) / 4,
                     words);
        const std::array<char*, 2> base{x.as<char>() + n * step_x * kBytes, y.as<char>() + n * step_y * kBytes};
        sample.walk(base, begin, end, [&](const Block<2>& block) {
          for (int64_t r = 0; r < block.rows; ++r)
            drop_row<T>(block, r, words + (block.position + r * block.count - begin), rule);
        });
      }
    });
  });
}

}  // namespace ingot::kernels
