#pragma once

#include <map>
#include <string>
#include <vector>

#include "ingot/module.h"

namespace ingot {

/// What a network is made of, for one image.
struct SummaryRow {
  std::string path, type;  // path "" is the network itself
  int depth = 0;
  std::vector<Shape> outputs;  // of the last call; none where the module was never called
  int64_t calls = 0;
  int64_t parameters = 0;  // with its children
  int64_t macs = 0;        // with its children
};
struct Summary {
  Shape input;
  std::vector<SummaryRow> rows;                        // in the order of named_modules()
  int64_t parameters = 0, trainable = 0, buffers = 0;  // elements
  int64_t macs = 0;
  int64_t activation_bytes = 0;              // all results of ops that are not views, none freed
  std::map<std::string, int64_t> uncounted;  // ops that add nothing to macs, with their number
};

/// Traces the module, in the mode that it is in, for one image [C,H,W]; nothing is computed.
/// One MAC is one multiplication with its addition, of convolutions, linear layers and matrix products; biases,
/// normalisation, activations and pooling count nothing and are listed as uncounted. FLOPs are twice the MACs.
Summary summarise(Module& module, const Shape& image);

}  // namespace ingot
