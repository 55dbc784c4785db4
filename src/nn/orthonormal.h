#pragma once

#include <cstdint>
#include <vector>

namespace ingot {

/// Makes `count` vectors, each of `length` >= count numbers and one after another in `vectors`, orthonormal: the
/// columns Q of A = QR with a positive diagonal of R, where A has the given vectors as columns. They must be linearly
/// independent. The same bits for any number of threads.
void orthonormalise(std::vector<double>& vectors, int64_t count, int64_t length);

}  // namespace ingot
