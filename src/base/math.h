#pragma once

#include "ingot/math.h"

namespace ingot {

/// Within it, math() is strict on the calling thread.
class StrictMath {
 public:
  StrictMath();
  ~StrictMath();
  StrictMath(const StrictMath&) = delete;
  StrictMath& operator=(const StrictMath&) = delete;

 private:
  bool outer_;
};

}  // namespace ingot
