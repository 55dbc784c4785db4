#pragma once

/// Before a loop of few steps over an array of vectors, which stays in registers only where the loop is gone.
#ifdef __clang__
#define INGOT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define INGOT_UNROLL _Pragma("GCC unroll 32")
#endif
