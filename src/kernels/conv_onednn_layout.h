#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <dnnl.hpp>

namespace ingot::kernels::onednn {

/// Bytes before the weights in packed data; keeps them on a 64-byte boundary.
inline constexpr size_t kPackedHeader = 64;

/// A blocked weight layout apart from the sizes: the order of the dimensions, then the blocks inside, outermost first.
/// It is written in front of packed weights, since oneDNN's choice varies with the batch and the thread count: where it
/// then wants another layout than the packed one, the weights are reordered at each run.
class PackedLayout {
 public:
  explicit PackedLayout(const dnnl::memory::desc& desc);

  /// The header of packed data. Throws Error where it is not one.
  static PackedLayout read(const void* packed);
  /// Writes the header; returns where the weights go.
  std::byte* write(void* packed) const;

  dnnl::memory::desc desc(const dnnl::memory::dims& sizes) const;
  std::string name() const;     // "onednn:f32:cdba:16b16a"
  int64_t key(int part) const;  // the fields as two numbers, for a plan's key

 private:
  static constexpr int kDims = 5, kBlocks = 3;
  struct Fields {
    uint8_t dtype, rank, blocks;  // dtype as oneDNN numbers it
    std::array<uint8_t, kDims> order;
    std::array<uint8_t, kBlocks> block_dim, block_size;
  };
  PackedLayout() = default;
  bool valid() const;

  Fields fields_{};
};

}  // namespace ingot::kernels::onednn
