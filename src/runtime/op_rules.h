#pragma once

#include <string_view>

namespace ingot {

/// What the engine must know of an op besides its definition.
struct OpRule {
  std::string_view op;
  unsigned in_place = 0;     // bits of the operands whose memory the first result may take over
  bool elementwise = false;  // in place, other operands may then be the same array; else they must not touch its memory
  bool wants_dense = false;  // the kernel copies operands and results that are not dense
  bool varies = false;       // an image's bits may depend on the batch and on the number of threads
};

/// nullptr where engines do not run the op: gradients that read indices from memory.
const OpRule* rule_of(std::string_view op);

}  // namespace ingot
