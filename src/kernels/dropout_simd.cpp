#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dropout_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "base/philox.h"
#include "kernels/dispatch.h"
#include "kernels/dropout_kernels.h"
#include "kernels/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ingot::kernels {
namespace HWY_NAMESPACE {
namespace {

void plain_words(RandomKey key, uint64_t low, uint64_t high, int64_t n, uint32_t* words) {
  for (int64_t j = 0; j < n; ++j) std::ranges::copy(philox(key, low + static_cast<uint64_t>(j), high), words + 4 * j);
}

#if HWY_TARGET == HWY_SCALAR
void words(RandomKey key, uint64_t low, uint64_t high, int64_t n, uint32_t* out) {
  plain_words(key, low, high, n, out);
}
#else
using U64 = hn::ScalableTag<uint64_t>;
using VU = hn::Vec<U64>;

// One 64-bit lane a counter; each of its four words sits in the lower half of a lane, the upper halves hold rubbish
// that MulEven does not read.
struct Counters {
  VU a, b, c, d;
};

HWY_INLINE VU product(VU word, uint32_t factor) {
  const hn::Repartition<uint32_t, U64> du32;
  return hn::MulEven(hn::BitCast(du32, word), hn::Set(du32, factor));
}

// A round of Philox 4x32 (Salmon et al. 2011, section 4.3), with the multipliers given there.
HWY_INLINE Counters philox_round(const Counters& x, uint32_t key0, uint32_t key1) {
  const VU p0 = product(x.a, 0xD2511F53u), p1 = product(x.c, 0xCD9E8D57u);
  const U64 d;
  return {hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), x.b), hn::Set(d, key0)), p1,
          hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), x.d), hn::Set(d, key1)), p0};
}

void words(RandomKey key, uint64_t low, uint64_t high, int64_t n, uint32_t* out) {
  const U64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const VU lower_half = hn::Set(d, 0xffffffffu);
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    const VU counter = hn::Iota(d, low + static_cast<uint64_t>(j));
    Counters x{counter, hn::ShiftRight<32>(counter), hn::Set(d, high), hn::Set(d, high >> 32)};
    auto key0 = static_cast<uint32_t>(key.value), key1 = static_cast<uint32_t>(key.value >> 32);
    for (int round = 0; round < 10; ++round) {
      x = philox_round(x, key0, key1);
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    const VU first = hn::Or(hn::And(x.a, lower_half), hn::ShiftLeft<32>(x.b));
    const VU second = hn::Or(hn::And(x.c, lower_half), hn::ShiftLeft<32>(x.d));
    hn::StoreInterleaved2(first, second, d, reinterpret_cast<uint64_t*>(out + 4 * j));
  }
  plain_words(key, low + static_cast<uint64_t>(j), high, n - j, out + 4 * j);
}
#endif

void drop(const float* x, const uint32_t* words, uint32_t threshold, float keep, float* y, int64_t n) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto limit = hn::Set(di, static_cast<int32_t>(threshold));
  const V divisor = hn::Set(d, keep);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const hn::RebindToUnsigned<F32> du;
    const auto bits = hn::BitCast(di, hn::ShiftRight<8>(hn::LoadU(du, words + i)));
    const auto dropped = hn::RebindMask(d, hn::Lt(bits, limit));
    store(hn::IfThenZeroElse(dropped, hn::Div(load(x + i), divisor)), y + i);
  }
  for (; i < n; ++i) y[i] = words[i] >> 8 >= threshold ? x[i] / keep : 0;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ingot::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ingot::kernels {

HWY_EXPORT(words);
HWY_EXPORT(drop);

void philox_words(RandomKey key, uint64_t low, uint64_t high, int64_t n, uint32_t* out) {
  INGOT_DISPATCH(words)(key, low, high, n, out);
}
void drop_f32(const float* x, const uint32_t* words, uint32_t threshold, float keep, float* y, int64_t n) {
  INGOT_DISPATCH(drop)(x, words, threshold, keep, y, n);
}

}  // namespace ingot::kernels
#endif
