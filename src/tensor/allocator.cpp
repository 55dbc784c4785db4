#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "ingot/tensor.h"
#include "tensor/storage.h"

namespace ingot {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kCacheLimit = size_t{1} << 30;
// GCC tells of its sanitizers by macros, clang by __has_feature.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCaching = false;  // so that a sanitizer sees each block's end
#else
constexpr bool kCaching = true;
#endif

/// Eight sizes to each power of two: at most an eighth is lost.
size_t rounded(size_t bytes) {
  if (bytes <= kAlignment * 8) return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

class Cache {
 public:
  static Cache& instance() {
    static Cache* cache = new Cache;  // outlives every tensor with static storage
    return *cache;
  }

  void* take(size_t size) {
    {
      const std::scoped_lock lock(mutex_);
      use_.used += size;
      if (const auto it = free_.find(size); it != free_.end() && !it->second.empty()) {
        void* data = it->second.back();
        it->second.pop_back();
        use_.cached -= size;
        return data;
      }
    }
    void* data = std::aligned_alloc(kAlignment, size);
    if (data == nullptr) {
      release();
      data = std::aligned_alloc(kAlignment, size);
    }
    if (data == nullptr) {
      const std::scoped_lock lock(mutex_);
      use_.used -= size;
      fail("out of memory: {} bytes asked for, {} in use", size, use_.used);
    }
    return data;
  }

  void give(void* data, size_t size) {
    {
      const std::scoped_lock lock(mutex_);
      use_.used -= size;
      if (kCaching && use_.cached + size <= kCacheLimit) {
        free_[size].push_back(data);
        use_.cached += size;
        return;
      }
    }
    std::free(data);
  }

  void release() {
    const std::scoped_lock lock(mutex_);
    for (auto& [size, blocks] : free_)
      for (void* data : blocks) std::free(data);
    free_.clear();
    use_.cached = 0;
  }

  MemoryUse use() {
    const std::scoped_lock lock(mutex_);
    return use_;
  }

 private:
  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> free_;
  MemoryUse use_;
};

}  // namespace

void* allocate(size_t bytes) {
  CHECK(bytes <= size_t{1} << 46, "out of memory: {} bytes asked for", bytes);
  return Cache::instance().take(rounded(std::max(bytes, size_t{1})));
}
void deallocate(void* data, size_t bytes) { Cache::instance().give(data, rounded(std::max(bytes, size_t{1}))); }

MemoryUse memory_use() { return Cache::instance().use(); }
void release_cached_memory() { Cache::instance().release(); }

}  // namespace ingot
