#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <dnnl.hpp>

#include "base/array.h"
#include "base/parallel.h"
#include "ingot/fixed_vector.h"
#include "kernels/scratch.h"

/// oneDNN 2.6.3 as the kernels use it. For the .cpp files of this folder alone: nothing here shows in another header.
namespace ingot::kernels::onednn {

/// The CPU engine. The first call settles the ISA cap (base/isa.h) before oneDNN reads it.
const dnnl::engine& engine();

dnnl::memory::data_type type_of(DType dtype);
dnnl::memory::desc desc_of(const Array& array);  // its sizes and strides as they are
bool has_bf16();                                 // whether primitives take bf16 on this CPU and tier

/// Attributes of every primitive here: scratch memory comes from the caller.
dnnl::primitive_attr user_scratch();

/// Whether oneDNN's name of an implementation says that it is a slow plain one.
bool is_reference(std::string_view implementation);

/// Neither a reference implementation nor one that is known to be wrong.
bool is_usable(std::string_view implementation);

/// A primitive whose arguments are all known but for their addresses. Runs from any number of threads at once; a warm
/// run allocates nothing here.
class Primitive {
 public:
  Primitive() = default;
  /// `arguments`: DNNL_ARG_* in the order in which run() takes addresses; DNNL_ARG_SCRATCHPAD among them if wanted.
  Primitive(const dnnl::primitive_desc_base& desc, dnnl::primitive primitive, std::vector<int> arguments);

  explicit operator bool() const { return static_cast<bool>(primitive_); }
  const std::string& implementation() const { return implementation_; }
  size_t scratch_bytes() const { return scratch_bytes_; }
  void run(std::span<void* const> addresses) const;

 private:
  struct Binding;  // memory objects for one run at a time
  struct Bindings;
  std::unique_ptr<Binding> take() const;

  dnnl::primitive primitive_;
  std::vector<int> arguments_;
  std::vector<dnnl::memory::desc> descs_;
  std::string implementation_;
  size_t scratch_bytes_ = 0;
  std::shared_ptr<Bindings> idle_;
};

/// The first implementation that `desc` offers, reference ones apart, whose primitive can be made: some of 2.6.3 accept
/// a shape (a 16x16 kernel in bf16) and then fail to generate its code. Empty where there is none; `desc` is then
/// spent.
template <class Operation>
Primitive make_primitive(typename Operation::primitive_desc& desc, const std::vector<int>& arguments) {
  if (!desc) return {};
  do {
    if (!is_usable(desc.impl_info_str())) continue;
    try {
      return {desc, Operation(desc), arguments};
    } catch (const dnnl::error&) {
    }
  } while (desc.next_impl());
  return {};
}

/// What `choose` returns, or nothing where oneDNN refuses to describe the operation: it has bounds of its own on sizes,
/// which what comes from a file may exceed.
template <class Choose>
auto unless_refused(const Choose& choose) -> decltype(choose()) {
  try {
    return choose();
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_invalid_arguments && error.status != dnnl_unimplemented) throw;
    return {};
  }
}

/// A copy from one layout to another.
Primitive make_reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to);

/// What a cached plan depends on. The thread count is always part of it: primitives are made for one.
class Key {
 public:
  explicit Key(int64_t op) { add(op).add(adopt_thread_count()); }
  Key& add(int64_t value) {
    values_.push_back(value);
    return *this;
  }
  Key& add_shape(const Array& array);  // rank, sizes, dtype
  Key& add_shape_strides(const Array& array);
  std::span<const int64_t> values() const { return values_; }
  bool operator==(const Key&) const = default;

 private:
  FixedVector<int64_t, 96> values_;
};

/// The plan under `key`, made by `make` when it is not there. Thread-safe; the least recently used of kPlans go first.
inline constexpr size_t kPlans = 1024;
std::shared_ptr<const void> cached(const Key& key, FunctionRef<std::shared_ptr<const void>()> make);

template <class Plan, class Make>
std::shared_ptr<const Plan> cached_plan(const Key& key, Make make) {
  return std::static_pointer_cast<const Plan>(
      cached(key, [&]() -> std::shared_ptr<const void> { return std::make_shared<const Plan>(make()); }));
}

}  // namespace ingot::kernels::onednn
