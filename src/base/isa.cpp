#include "base/isa.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>

#include <hwy/highway.h>

#include "base/check.h"

namespace ingot {
namespace {

constexpr std::array<std::string_view, 4> kNames{"baseline", "avx2", "avx512", "amx"};

// AMX tiles need leave from the kernel: ARCH_REQ_XCOMP_PERM for XFEATURE_XTILEDATA (18).
bool amx_permitted() {
#ifdef __x86_64__
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool cpu_has_amx() {
#ifdef __x86_64__
  unsigned eax = 7, ebx = 0, ecx = 0, edx = 0;
  __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  constexpr unsigned kTile = 1u << 24, kBf16 = 1u << 22, kInt8 = 1u << 25;
  return (edx & (kTile | kBf16 | kInt8)) == (kTile | kBf16 | kInt8);
#else
  return false;
#endif
}

Isa detect() {
#ifdef __x86_64__
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512 && cpu_has_amx() && amx_permitted()) return Isa::amx;
  if (avx512) return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::baseline;
}

// oneDNN reads its cap from the environment when it first makes a primitive, Highway from its own switch.
void cap_libraries(Isa isa) {
  constexpr std::array<const char*, 4> kDnnl{"SSE41", "AVX2", "AVX512_CORE_BF16", "AVX512_CORE_AMX"};
  setenv("ONEDNN_MAX_CPU_ISA", kDnnl[static_cast<size_t>(isa)], 1);
#ifdef __x86_64__
  int64_t off = 0;
  if (isa < Isa::avx512) off |= HWY_AVX3 | HWY_AVX3_DL;
  if (isa < Isa::avx2) off |= HWY_AVX2 | HWY_SSE4 | HWY_SSSE3;
  if (off != 0) hwy::DisableTargets(off);
#endif
}

Isa choose() {
  Isa isa = detected_isa();
  if (const char* cap = std::getenv("INGOT_ISA"); cap != nullptr && *cap != '\0') {
    size_t i = 0;
    while (i < kNames.size() && kNames[i] != cap) ++i;
    CHECK(i < kNames.size(), "INGOT_ISA is '{}', it must be one of baseline, avx2, avx512, amx", cap);
    isa = std::min(isa, static_cast<Isa>(i));
  }
  if (isa != Isa::amx) cap_libraries(isa);
  return isa;
}

}  // namespace

std::string_view name_of(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

Isa detected_isa() {
  static const Isa isa = detect();
  return isa;
}

Isa active_isa() {
  static const Isa isa = choose();
  return isa;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown CPU";
}

}  // namespace ingot
