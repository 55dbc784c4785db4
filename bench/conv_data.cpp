#include "conv_data.h"

#include <random>

Values<float> random_values(const std::vector<int64_t>& sizes, float scale) {
  static std::mt19937 engine(1);
  std::normal_distribution<float> normal(0, scale);
  int64_t count = 1;
  for (const int64_t s : sizes) count *= s;
  Values<float> out(static_cast<size_t>(count));
  for (float& v : out) v = normal(engine);
  return out;
}
