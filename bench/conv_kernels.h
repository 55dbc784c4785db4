#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "conv_data.h"
#include "kernels/conv.h"

// The kernels that engines choose a convolution's from, beside each other.

/// A kernel that runs a convolution, or does not. Its weights are packed beforehand.
struct ConvKernel {
  std::string name;
  std::function<bool(const ingot::kernels::ConvArgs&)> supports;
  std::function<size_t(const ingot::kernels::ConvArgs&)> packed_bytes;
  std::function<void(const ingot::kernels::ConvArgs&, void*)> pack;
  std::function<size_t(const ingot::kernels::ConvArgs&, const void*)> scratch;
  std::function<void(const ingot::kernels::ConvArgs&, const void*, void*)> run;
};
/// oneDNN's, our products, Winograd's filtering with tiles of 2 and 4 results.
const std::vector<ConvKernel>& conv_kernels();

/// One kernel on one convolution, with a result, packed weights and scratch of its own.
class ConvRun {
 public:
  /// Of args.y only the sizes count. Runs once.
  ConvRun(const ConvKernel& kernel, ingot::kernels::ConvArgs args);
  void run() { kernel_.run(args_, packed_.data(), scratch_.data()); }
  /// In channels-last order.
  const Values<float>& result() const { return y_; }

 private:
  const ConvKernel& kernel_;
  ingot::kernels::ConvArgs args_;
  Values<float> y_;
  Values<std::byte> packed_, scratch_;
};
