#pragma once

#include <algorithm>
#include <cstdint>

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
  /// The outputs [first, last) that may read `place`; a bin among them is empty or holds it.
  std::pair<int64_t, int64_t> readers(int64_t place) const {
    const auto first_where = [&](auto holds) {
      int64_t low = 0, high = outputs;
      while (low < high) {
        const int64_t middle = (low + high) / 2;
        holds(bin(middle)) ? high = middle : low = middle + 1;
      }
      return low;
    };
    return {first_where([&](const Bin& b) { return b.end > place; }),
            first_where([&](const Bin& b) { return b.begin > place; })};
  }
};

}  // namespace ingot::kernels
