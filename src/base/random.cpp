#include <Random123/philox.h>

#include "base/hash.h"
#include "base/philox.h"

namespace ingot {
namespace {

thread_local Generator t_default{0};
thread_local Generator* t_current = nullptr;

}  // namespace

std::array<uint32_t, 4> philox(RandomKey key, uint64_t low, uint64_t high) {
  const r123::Philox4x32::ctr_type counter{{uint32_t(low), uint32_t(low >> 32), uint32_t(high), uint32_t(high >> 32)}};
  const auto words = r123::Philox4x32()(counter, {{uint32_t(key.value), uint32_t(key.value >> 32)}});
  return {words[0], words[1], words[2], words[3]};
}

RandomKey random_key(uint64_t seed, std::string_view purpose, std::string_view name) {
  return {hash_bytes(name.data(), name.size(), hash_bytes(purpose.data(), purpose.size(), seed))};
}

RandomKey fold_in(RandomKey key, uint64_t number) { return {hash_bytes(&number, sizeof number, key.value)}; }

Generator& Generator::current() { return t_current ? *t_current : t_default; }

SeedScope::SeedScope(uint64_t seed) : generator_(seed), outer_(t_current) { t_current = &generator_; }
SeedScope::~SeedScope() { t_current = outer_; }

}  // namespace ingot
