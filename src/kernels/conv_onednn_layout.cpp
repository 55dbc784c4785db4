#include "kernels/conv_onednn_layout.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/check.h"

namespace ingot::kernels::onednn {
namespace {

constexpr std::array<char, 8> kMagic{'i', 'n', 'g', 'o', 't', 'c', 'w', '1'};

}  // namespace

PackedLayout::PackedLayout(const dnnl::memory::desc& desc) {
  const auto& d = desc.data;
  const auto& b = d.format_desc.blocking;
  CHECK(d.ndims <= kDims && b.inner_nblks <= kBlocks && d.extra.flags == 0,
        "internal: weight layout of {} dimensions, {} blocks", d.ndims, b.inner_nblks);
  fields_.dtype = static_cast<uint8_t>(d.data_type);
  fields_.rank = static_cast<uint8_t>(d.ndims);
  fields_.blocks = static_cast<uint8_t>(b.inner_nblks);
  const auto order = fields_.order.begin();
  std::iota(order, order + d.ndims, uint8_t{0});
  std::stable_sort(order, order + d.ndims, [&](int i, int j) { return b.strides[i] > b.strides[j]; });
  for (int i = 0; i < b.inner_nblks; ++i) {
    fields_.block_dim[i] = static_cast<uint8_t>(b.inner_idxs[i]);
    fields_.block_size[i] = static_cast<uint8_t>(b.inner_blks[i]);
  }
  ASSERT(valid());
}

bool PackedLayout::valid() const {
  const auto& f = fields_;
  const bool known = f.dtype == dnnl_f32 || f.dtype == dnnl_bf16;
  if (!known || f.rank < 4 || f.rank > kDims || f.blocks > kBlocks) return false;
  unsigned seen = 0;
  for (int i = 0; i < f.rank; ++i) seen |= 1u << std::min<int>(f.order[i], 31);
  if (seen != (1u << f.rank) - 1) return false;
  for (int i = 0; i < f.blocks; ++i)
    if (f.block_dim[i] >= f.rank || f.block_size[i] < 2) return false;
  return true;
}

PackedLayout PackedLayout::read(const void* packed) {
  PackedLayout layout;
  const auto* bytes = static_cast<const std::byte*>(packed);
  std::memcpy(&layout.fields_, bytes + kMagic.size(), sizeof(Fields));
  CHECK(std::memcmp(bytes, kMagic.data(), kMagic.size()) == 0 && layout.valid(),
        "packed convolution weights do not start with a header; pack them anew");
  return layout;
}

std::byte* PackedLayout::write(void* packed) const {
  auto* bytes = static_cast<std::byte*>(packed);
  std::memset(bytes, 0, kPackedHeader);
  std::memcpy(bytes, kMagic.data(), kMagic.size());
  std::memcpy(bytes + kMagic.size(), &fields_, sizeof(Fields));
  return bytes + kPackedHeader;
}

dnnl::memory::desc PackedLayout::desc(const dnnl::memory::dims& sizes) const {
  CHECK(sizes.size() == fields_.rank, "packed weights have {} dimensions, the convolution's have {}", fields_.rank,
        sizes.size());
  dnnl_memory_desc_t d{};
  d.ndims = fields_.rank;
  d.data_type = static_cast<dnnl_data_type_t>(fields_.dtype);
  d.format_kind = dnnl_blocked;
  auto& b = d.format_desc.blocking;
  b.inner_nblks = fields_.blocks;
  std::array<int64_t, kDims> block;
  block.fill(1);
  int64_t stride = 1;
  for (int i = 0; i < fields_.blocks; ++i) {
    b.inner_idxs[i] = fields_.block_dim[i];
    b.inner_blks[i] = fields_.block_size[i];
    block[fields_.block_dim[i]] *= fields_.block_size[i];
    stride *= fields_.block_size[i];
  }
  for (int i = fields_.rank - 1; i >= 0; --i) {
    const int k = fields_.order[i];
    const int64_t outer = (sizes[k] + block[k] - 1) / block[k];
    d.dims[k] = sizes[k];
    d.padded_dims[k] = outer * block[k];
    b.strides[k] = stride;
    stride *= outer;
  }
  return dnnl::memory::desc(d);
}

std::string PackedLayout::name() const {
  std::string name = fields_.dtype == dnnl_bf16 ? "onednn:bf16:" : "onednn:f32:";
  for (int i = 0; i < fields_.rank; ++i) name += static_cast<char>('a' + fields_.order[i]);
  for (int i = 0; i < fields_.blocks; ++i)
    name +=
        fmt::format("{}{}{}", i == 0 ? ":" : "", fields_.block_size[i], static_cast<char>('a' + fields_.block_dim[i]));
  return name;
}

int64_t PackedLayout::key(int part) const {
  static_assert(sizeof(Fields) <= 2 * sizeof(int64_t));
  std::array<int64_t, 2> parts{};
  std::memcpy(parts.data(), &fields_, sizeof(Fields));
  return parts[part];
}

}  // namespace ingot::kernels::onednn
