#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace ingot {

/// 64-byte aligned memory from the caching allocator, uninitialised.
void* allocate(size_t bytes);
void deallocate(void* data, size_t bytes);

/// A block of bytes with an owner and a version that counts writes in place.
class Storage {
 public:
  explicit Storage(size_t bytes) : data_(static_cast<std::byte*>(allocate(bytes))), bytes_(bytes) {}
  /// Memory that `owner` keeps alive: a mapped file, an engine's arena.
  Storage(void* data, size_t bytes, std::shared_ptr<const void> owner)
      : data_(static_cast<std::byte*>(data)), bytes_(bytes), owner_(std::move(owner)), foreign_(true) {}
  ~Storage() {
    if (!foreign_) deallocate(data_, bytes_);
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  void count_write() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::byte* data_;
  size_t bytes_;
  std::shared_ptr<const void> owner_;
  bool foreign_ = false;
  std::atomic<uint32_t> version_{0};
};

}  // namespace ingot
