#include <gtest/gtest.h>

#include "ingot/launch.h"

// As one process: ranks are threads. Under mpirun: ranks are processes.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const ingot::Launch launch({.deadline = std::chrono::seconds(20)});
  return RUN_ALL_TESTS();
}
