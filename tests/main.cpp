#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/isa.h"

// Exit code 77 tells ctest that this machine lacks the tier which INGOT_ISA asks for.
int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  testing::InitGoogleMock(&argc, argv);
  const char* asked = std::getenv("INGOT_ISA");
  if (asked != nullptr && *asked != '\0' && ingot::name_of(ingot::active_isa()) != std::string_view(asked)) {
    std::printf("this machine has no %s\n", asked);
    return kSkipped;
  }
  return RUN_ALL_TESTS();
}
