#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/array.h"
#include "base/parallel.h"

namespace ingot::kernels {

/// Two nested loops over N arrays: `rows` times `count` elements, strides in elements. Most kernels only look at the
/// inner one: every stride 1 is a contiguous run, stride 0 a scalar that is broadcast.
template <int N>
struct Block {
  std::array<char*, N> data;
  int64_t count, rows;
  std::array<int64_t, N> stride, row_stride;
  std::array<int64_t, N> element;  // bytes of one
  int64_t position;                // of the first element, in the order of the loops

  char* row(int array, int64_t r) const { return data[array] + r * row_stride[array] * element[array]; }
  template <class T>
  T* row(int array, int64_t r) const {
    return reinterpret_cast<T*>(data[array]) + r * row_stride[array];
  }
  void swap_loops() {
    std::swap(count, rows);
    std::swap(stride, row_stride);
  }
};

enum class LoopOrder {
  memory,   // outermost is the largest stride of the last array (the output, as a rule); ties go to the one before it
  logical,  // row-major in the arrays' logical dimensions
};

/// The loops over N arrays of one shape (inputs broadcast by stride 0), with dimensions of size 1 dropped and
/// neighbours that are one run in every array collapsed. Builds without allocating; a thread walks any range of it.
template <int N>
class StridedLoops {
 public:
  /// `dims`: the bits of the dimensions to loop over; the others stay at index 0.
  explicit StridedLoops(const std::array<const Array*, N>& arrays, LoopOrder order = LoopOrder::memory,
                        unsigned dims = ~0u) {
    const Array& last = *arrays[N - 1];
    for (int i = 0; i < N; ++i) {
      base_[i] = arrays[i]->template as<char>();
      element_[i] = static_cast<int64_t>(size_of(arrays[i]->dtype));
    }
    for (int d = 0; d < last.rank; ++d) {
      if ((dims >> d & 1u) == 0 || last.shape[d] == 1) continue;
      numel_ *= last.shape[d];
      Dim dim{.size = last.shape[d]};
      for (int i = 0; i < N; ++i) dim.stride[i] = arrays[i]->strides[d];
      int at = rank_++;
      if (order == LoopOrder::memory)
        for (; at > 0 && outside(dim, dims_[at - 1]); --at) dims_[at] = dims_[at - 1];
      dims_[at] = dim;
    }
    collapse();
  }

  int64_t numel() const { return numel_; }
  const std::array<char*, N>& base() const { return base_; }
  int64_t inner_size() const { return rank_ > 0 ? dims_[rank_ - 1].size : 1; }
  int64_t inner_stride(int array) const { return rank_ > 0 ? dims_[rank_ - 1].stride[array] : 0; }
  /// True where the loops are at most one run; then its stride is inner_stride().
  bool single_run() const { return rank_ <= 1; }

  /// Calls body(block) for the elements [begin, end), in the order of the loops.
  template <class Body>
  void walk(int64_t begin, int64_t end, Body&& body) const {
    walk(base_, begin, end, body);
  }
  /// The same from other first elements.
  template <class Body>
  void walk(const std::array<char*, N>& base, int64_t begin, int64_t end, Body&& body) const;

 private:
  struct Dim {
    int64_t size;
    std::array<int64_t, N> stride;
  };

  static bool outside(const Dim& a, const Dim& b) {
    for (int i = N - 1; i >= 0; --i)
      if (a.stride[i] != b.stride[i]) return a.stride[i] > b.stride[i];
    return false;
  }
  void collapse() {
    int kept = 0;
    for (int d = 1; d < rank_; ++d) {
      bool run = true;
      for (int i = 0; i < N; ++i) run &= dims_[kept].stride[i] == dims_[d].stride[i] * dims_[d].size;
      if (run)
        dims_[kept] = {dims_[kept].size * dims_[d].size, dims_[d].stride};
      else
        dims_[++kept] = dims_[d];
    }
    if (rank_ > 0) rank_ = kept + 1;
  }

  void decode(int64_t position, int64_t* index) const {
    for (int d = rank_ - 1; d >= 0; --d) {
      index[d] = position % dims_[d].size;
      position /= dims_[d].size;
    }
  }
  void carry_rows(int64_t* index) const {
    for (int d = rank_ - 2; d > 0 && index[d] == dims_[d].size; --d) {
      index[d] = 0;
      ++index[d - 1];
    }
  }

  int rank_ = 0;
  int64_t numel_ = 1;
  std::array<char*, N> base_;
  std::array<int64_t, N> element_;
  std::array<Dim, kMaxRank> dims_;  // outermost first
};

template <int N>
template <class Body>
void StridedLoops<N>::walk(const std::array<char*, N>& base, int64_t begin, int64_t end, Body&& body) const {
  if (begin >= end) return;
  Block<N> block{.data = base, .count = 1, .rows = 1, .stride = {}, .row_stride = {}, .element = element_};
  if (rank_ > 0) block.stride = dims_[rank_ - 1].stride;
  if (rank_ > 1) block.row_stride = dims_[rank_ - 2].stride;
  const int64_t inner = inner_size(), outer = rank_ > 1 ? dims_[rank_ - 2].size : 1;
  std::array<int64_t, kMaxRank + 2> index{};  // of the block's first element; two more stand for loops of one
  if (begin > 0) decode(begin, index.data() + 2);
  int64_t& column = index[rank_ + 1];
  int64_t& row = index[rank_];
  for (int64_t at = begin; at < end;) {
    block.data = base;
    block.position = at;
    for (int d = 0; d < rank_; ++d)
      for (int i = 0; i < N; ++i) block.data[i] += index[d + 2] * dims_[d].stride[i] * element_[i];
    const bool whole_rows = column == 0 && end - at >= inner;
    block.count = whole_rows ? inner : std::min(inner - column, end - at);
    block.rows = !whole_rows ? 1 : end - at >= inner * (outer - row) ? outer - row : (end - at) / inner;
    body(std::as_const(block));
    at += block.count * block.rows;
    column += whole_rows ? 0 : block.count;
    row += whole_rows ? block.rows : column == inner;
    column = column == inner ? 0 : column;
    carry_rows(index.data() + 2);
  }
}

/// Elements below which a second thread does not pay for an operation that memory bounds.
inline constexpr int64_t kGrain = 32768;

/// Runs body(const Block<N>&) over the arrays, split over the threads.
template <int N, class Body>
void for_each_block(const std::array<const Array*, N>& arrays, Body&& body, int64_t grain = kGrain) {
  const StridedLoops<N> loops(arrays);
  if (loops.numel() < 2 * grain) return loops.walk(0, loops.numel(), body);
  parallel_for(loops.numel(), grain, [&](int64_t begin, int64_t end) { loops.walk(begin, end, body); });
}

}  // namespace ingot::kernels
