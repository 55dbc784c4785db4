#include "kernels/outer_products.h"

namespace ingot::kernels::outer {

void run_block_plain(int rows, const Block& block) {
  for (int r = 0; r < rows; ++r)
    for (int64_t j = 0; j < block.columns; ++j) {
      float* const out = block.sums + r * block.sums_stride + j;
      double sum = block.first ? 0 : static_cast<double>(*out);
      for (int64_t p = 0; p < block.planes; ++p)
        for (int64_t y = 0; y < block.rows; ++y)
          for (int64_t i = 0; i < block.length; ++i)
            sum += static_cast<double>(block.a.data[p * block.a.plane + y * block.a.row + i * block.a.step + r]) *
                   static_cast<double>(block.b.data[p * block.b.plane + y * block.b.row + i * block.b.step + j]);
      *out = static_cast<float>(sum);
    }
}

}  // namespace ingot::kernels::outer
