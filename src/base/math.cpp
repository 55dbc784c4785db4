#include "ingot/math.h"

#include <atomic>

#include "base/math.h"

namespace ingot {
namespace {

std::atomic<Math> g_math{Math::fast};
thread_local bool t_strict = false;

}  // namespace

Math math() { return t_strict ? Math::strict : g_math.load(std::memory_order_relaxed); }
void set_math(Math math) { g_math.store(math, std::memory_order_relaxed); }

StrictMath::StrictMath() : outer_(t_strict) { t_strict = true; }
StrictMath::~StrictMath() { t_strict = outer_; }

}  // namespace ingot
