#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ingot::kernels {

/// The taps of a pooling window along one axis that lie inside the input: places begin, begin + step, ... < end.
struct WindowTaps {
  int64_t begin, end, step;

  WindowTaps(int64_t output, int64_t kernel, int64_t stride, int64_t dilation, int64_t padding, int64_t size)
      : begin(output * stride - padding), step(dilation) {
    end = std::min(begin + (kernel - 1) * dilation + 1, size);
    if (begin < 0) begin += (-begin + dilation - 1) / dilation * dilation;
  }
  bool is_empty() const { return begin >= end; }
};

/// The outputs [begin, end) along one axis whose windows, holes of a dilation included, cover a place of the input.
struct WindowReaders {
  int64_t begin, end;

  WindowReaders(int64_t place, int64_t kernel, int64_t stride, int64_t dilation, int64_t padding, int64_t outputs) {
    const int64_t last = place + padding, first = last - (kernel - 1) * dilation;
    begin = first > 0 ? (first + stride - 1) / stride : 0;
    end = std::min(last / stride + 1, outputs);
  }
};

/// The places [begin, end) that an average reads along one axis, and how many it divides by.
struct Bin {
  int64_t begin, end, divisor;
};

/// Which places each output of an average reads along one axis. Begins and ends never decrease.
struct PoolAxis {
  int64_t size, outputs;
  int64_t kernel = 0, stride = 1, pad_begin = 0, pad_end = 0;  // kernel 0: adaptive
  bool count_padding = false;

  Bin bin(int64_t i) const {
    if (kernel == 0) {
      const int64_t begin = i * size / outputs, end = ((i + 1) * size + outputs - 1) / outputs;
      return {begin, end, end - begin};
    }
    // A window of ceil_mode may reach past the padding; what lies there never counts.
    const int64_t begin = i * stride - pad_begin, end = std::min(begin + kernel, size + pad_end);
    const int64_t inside_begin = std::clamp<int64_t>(begin, 0, size), inside_end = std::clamp<int64_t>(end, 0, size);
    return {inside_begin, inside_end, count_padding ? end - begin : inside_end - inside_begin};
  }
  std::vector<Bin> bins() const {
    std::vector<Bin> all(static_cast<size_t>(outputs));
    for (int64_t i = 0; i < outputs; ++i) all[static_cast<size_t>(i)] = bin(i);
    return all;
  }
};

/// The outputs [begin, end) that may read a place; a bin among them is empty or holds it.
struct Readers {
  int64_t begin, end;
};
inline std::vector<Readers> readers_of_places(const std::vector<Bin>& bins, int64_t places) {
  const auto outputs = static_cast<int64_t>(bins.size());
  std::vector<Readers> readers(static_cast<size_t>(places));
  Readers at{0, 0};
  for (int64_t place = 0; place < places; ++place) {
    while (at.begin < outputs && bins[static_cast<size_t>(at.begin)].end <= place) ++at.begin;
    while (at.end < outputs && bins[static_cast<size_t>(at.end)].begin <= place) ++at.end;
    readers[static_cast<size_t>(place)] = at;
  }
  return readers;
}

}  // namespace ingot::kernels
