#pragma once

#include <memory>

#include "kernels/conv.h"

enum class ConvPass { forward, input, weight };

/// oneDNN's convolution or a gradient of it with every array in the layout of its choice, blocked as a rule: what the
/// others would have to beat if reorders were free.
class BlockedConv {
 public:
  /// Copies what the pass reads: x, weight, bias (all f32) and, for a gradient, that of y in y's place. Fuses a ReLU
  /// if `a` has one.
  BlockedConv(ConvPass pass, const ingot::kernels::ConvArgs& a);
  ~BlockedConv();
  void run();
  /// Into y, x or weight of the arguments, by the pass.
  void copy_result();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
