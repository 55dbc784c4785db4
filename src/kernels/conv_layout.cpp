#include "kernels/conv_layout.h"

#include <atomic>
#include <cstring>

#include "base/check.h"
#include "base/parallel.h"
#include "base/visit_dtype.h"
#include "kernels/conv.h"

namespace ingot::kernels {
namespace {

std::atomic<int64_t> g_strided_copies{0};

constexpr int kOrder[] = {1, 3, 2, 0};  // dimensions from the innermost: C, W, H, N

template <class From, class To>
void copy_rows(const Array& from, const Array& to) {
  const int64_t channels = to.shape[1], height = to.shape[2], width = to.shape[3];
  const int64_t from_c = from.strides[1], to_c = to.strides[1];
  const bool same = std::is_same_v<From, To> && from_c == 1 && to_c == 1;
  const bool whole_rows = same && from.strides[3] == channels && to.strides[3] == channels;
  constexpr int64_t kGrain = 1 << 15;  // elements that are worth a thread
  const int64_t grain = kGrain / std::max<int64_t>(1, channels * width) + 1;
  parallel_for(to.shape[0] * height, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / height, h = row % height;
      const From* source = from.as<From>() + n * from.strides[0] + h * from.strides[2];
      To* target = to.as<To>() + n * to.strides[0] + h * to.strides[2];
      if (whole_rows) {
        std::memcpy(static_cast<void*>(target), source, width * channels * sizeof(To));
        continue;
      }
      for (int64_t w = 0; w < width; ++w, source += from.strides[3], target += to.strides[3]) {
        if (same)
          std::memcpy(static_cast<void*>(target), source, channels * sizeof(To));
        else
          for (int64_t c = 0; c < channels; ++c) target[c * to_c] = static_cast<To>(source[c * from_c]);
      }
    }
  });
}

}  // namespace

bool is_channels_last(const Array& array) {
  int64_t stride = 1;
  for (const int d : kOrder) {
    if (array.shape[d] > 1 && array.strides[d] != stride) return false;
    stride *= array.shape[d];
  }
  return true;
}

Array channels_last(const Array& like, DType dtype, void* data) {
  Array array{.data = data, .dtype = dtype, .rank = 4, .shape = like.shape};
  int64_t stride = 1;
  for (const int d : kOrder) {
    array.strides[d] = stride;
    stride *= like.shape[d];
  }
  return array;
}

void copy_4d(const Array& from, const Array& to) {
  visit_floating(from.dtype, [&]<class From>(std::type_identity<From>) {
    visit_floating(to.dtype, [&]<class To>(std::type_identity<To>) { copy_rows<From, To>(from, to); });
  });
}

void fill_zero(const Array& array) {
  float zero = 0;
  const Array source{.data = &zero, .dtype = DType::f32, .rank = array.rank, .shape = array.shape, .strides = {}};
  copy_4d(source, array);
}

void copy_strided(const Array& from, const Array& to) {
  g_strided_copies.fetch_add(1, std::memory_order_relaxed);
  copy_4d(from, to);
}

int64_t strided_copies() { return g_strided_copies.load(std::memory_order_relaxed); }

}  // namespace ingot::kernels
