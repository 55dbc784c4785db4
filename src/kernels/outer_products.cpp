#include "kernels/outer_products.h"

#include <numeric>

#include "kernels/cut.h"
#include "kernels/gemm_kernel.h"

namespace ingot::kernels::outer {

Block Block::joined() const {
  Block out = *this;
  if (a.row == length * a.step && b.row == length * b.step) out.length = rows * length, out.rows = 1;
  if (out.rows == 1 && a.plane == out.length * a.step && b.plane == out.length * b.step)
    out.length *= planes, out.planes = 1;
  return out;
}

int64_t row_width() { return std::lcm(gemm::tile().rows, gemm::tile().columns / 2); }

void run(int64_t rows, Block block) {
  const Cut panels{rows, parts_of(rows, gemm::tile().rows)};
  const float* const a = block.a.data;
  float* const sums = block.sums;
  for (int64_t i = 0; i < panels.parts; ++i) {
    block.a.data = a + panels.begin(i);
    block.sums = sums + panels.begin(i) * block.sums_stride;
    run_block(static_cast<int>(panels.size(i)), block);
  }
}

}  // namespace ingot::kernels::outer
