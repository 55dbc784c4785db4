#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/conv.h"

// The kernels that engines choose a convolution's from, beside each other.

/// The same numbers in every run, of a normal distribution.
std::vector<float> random_values(const std::vector<int64_t>& sizes, float scale);

/// [N,C,H,W] in channels-last order.
template <class T>
ingot::Array channels_last(std::vector<T>& values, const std::vector<int64_t>& s) {
  ingot::Array a{.data = values.data(), .rank = 4};
  if constexpr (std::is_same_v<T, double>) a.dtype = ingot::DType::f64;
  std::copy(s.begin(), s.end(), a.shape.begin());
  a.strides = {s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]};
  return a;
}

/// A kernel that runs a convolution, or does not. Its weights are packed beforehand.
struct ConvKernel {
  std::string name;
  std::function<bool(const ingot::kernels::ConvArgs&)> supports;
  std::function<size_t(const ingot::kernels::ConvArgs&)> packed_bytes;
  std::function<void(const ingot::kernels::ConvArgs&, void*)> pack;
  std::function<size_t(const ingot::kernels::ConvArgs&, const void*)> scratch;
  std::function<void(const ingot::kernels::ConvArgs&, const void*, void*)> run;
};
/// oneDNN's, our products, Winograd's F(2,3) and F(4,3).
const std::vector<ConvKernel>& conv_kernels();

/// One kernel on one convolution, with a result, packed weights and scratch of its own.
class ConvRun {
 public:
  /// Of args.y only the sizes count. Runs once.
  ConvRun(const ConvKernel& kernel, ingot::kernels::ConvArgs args);
  void run() { kernel_.run(args_, packed_.data(), scratch_.data()); }
  /// In channels-last order.
  const std::vector<float>& result() const { return y_; }

 private:
  /// Bytes that start at a cache line.
  class Memory {
   public:
    explicit Memory(size_t bytes) : bytes_(bytes + kLine) {}
    std::byte* data() { return bytes_.data() + (kLine - reinterpret_cast<uintptr_t>(bytes_.data()) % kLine) % kLine; }

   private:
    static constexpr size_t kLine = 64;
    std::vector<std::byte> bytes_;
  };

  const ConvKernel& kernel_;
  ingot::kernels::ConvArgs args_;
  std::vector<float> y_;
  Memory packed_, scratch_;
};
