#pragma once

/// Before a loop of few steps over an array of vectors, which stays in registers only where the loop is gone. Under
/// sanitizers, which look at every access, the loop stays: it compiles in a fraction of the time.
#if defined(INGOT_SANITIZE)
#define INGOT_UNROLL
#elif defined(__clang__)
#define INGOT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define INGOT_UNROLL _Pragma("GCC unroll 32")
#endif
