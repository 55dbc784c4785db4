#include "kernels/onednn.h"

#include <list>
#include <unordered_map>

#include "base/check.h"
#include "base/hash.h"
#include "base/isa.h"

namespace ingot::kernels::onednn {
namespace {

using dnnl::memory;

dnnl::stream& stream() {
  thread_local dnnl::stream stream(engine());
  return stream;
}

// oneDNN zero-fills the padding of a blocked memory object whenever its address is set, but packed weights may be
// mapped read-only. Primitives take an input's layout from their own description: for a padded input a plain run of
// bytes serves as well.
memory::desc unpadded(const memory::desc& desc, int argument) {
  const auto& d = desc.data;
  const bool input = argument == DNNL_ARG_SRC || argument == DNNL_ARG_WEIGHTS;
  if (!input || std::equal(d.dims, d.dims + d.ndims, d.padded_dims)) return desc;
  return {{static_cast<memory::dim>(desc.get_size())}, memory::data_type::u8, memory::format_tag::a};
}

struct KeyHash {
  size_t operator()(const Key& key) const { return hash_bytes(key.values().data(), key.values().size_bytes()); }
};

class PlanCache {
 public:
  using Plan = std::shared_ptr<const void>;

  Plan find(const Key& key) {
    const std::scoped_lock lock(mutex_);
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->second;
  }
  Plan insert(const Key& key, Plan plan) {
    const std::scoped_lock lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) return found->second->second;
    order_.emplace_front(key, plan);
    index_[key] = order_.begin();
    if (order_.size() > kPlans) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    return plan;
  }

 private:
  std::mutex mutex_;
  std::list<std::pair<Key, Plan>> order_;  // most recently used first
  std::unordered_map<Key, std::list<std::pair<Key, Plan>>::iterator, KeyHash> index_;
};

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine engine = [] {
    active_isa();
    return dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return engine;
}

memory::data_type type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return memory::data_type::f32;
    case DType::bf16:
      return memory::data_type::bf16;
    default:
      fail("internal: oneDNN kernels take no {}", name_of(dtype));
  }
}

memory::desc desc_of(const Array& array) {
  return {memory::dims(array.shape.begin(), array.shape.begin() + array.rank), type_of(array.dtype),
          memory::dims(array.strides.begin(), array.strides.begin() + array.rank)};
}

bool has_bf16() { return active_isa() >= Isa::avx512; }

dnnl::primitive_attr user_scratch() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

bool is_reference(std::string_view implementation) {
  return implementation.starts_with("ref") || implementation.find("gemm:ref") != std::string_view::npos;
}

bool is_usable(std::string_view implementation) {
  // jit_dw:sse41 faults on channels-last activations: its operands in memory must lie on 16-byte boundaries, which
  // pixels of 21 channels do not.
  return !is_reference(implementation) && implementation != "jit_dw:sse41";
}

struct Primitive::Binding {
  std::vector<memory> memories;
  std::vector<dnnl_exec_arg_t> arguments;
};

struct Primitive::Bindings {
  std::mutex mutex;
  std::vector<std::unique_ptr<Binding>> free;
};

Primitive::Primitive(const dnnl::primitive_desc_base& desc, dnnl::primitive primitive, std::vector<int> arguments)
    : primitive_(std::move(primitive)),
      arguments_(std::move(arguments)),
      implementation_(desc.impl_info_str()),
      scratch_bytes_(desc.scratchpad_desc().get_size()),
      idle_(std::make_shared<Bindings>()) {
  for (const int argument : arguments_)
    descs_.push_back(unpadded(desc.query_md(dnnl::query::exec_arg_md, argument), argument));
}

std::unique_ptr<Primitive::Binding> Primitive::take() const {
  {
    const std::scoped_lock lock(idle_->mutex);
    if (!idle_->free.empty()) {
      auto binding = std::move(idle_->free.back());
      idle_->free.pop_back();
      return binding;
    }
  }
  auto binding = std::make_unique<Binding>();
  for (size_t i = 0; i < arguments_.size(); ++i) {
    binding->memories.emplace_back(descs_[i], engine(), nullptr);
    binding->arguments.push_back({arguments_[i], binding->memories.back().get()});
  }
  return binding;
}

void Primitive::run(std::span<void* const> addresses) const {
  ASSERT(addresses.size() == arguments_.size());
  auto binding = take();
  for (size_t i = 0; i < addresses.size(); ++i) binding->memories[i].set_data_handle(addresses[i]);
  const auto status = dnnl_primitive_execute(primitive_.get(), stream().get(), static_cast<int>(addresses.size()),
                                             binding->arguments.data());
  CHECK(status == dnnl_success, "oneDNN's {} failed with status {}", implementation_, static_cast<int>(status));
  const std::scoped_lock lock(idle_->mutex);
  idle_->free.push_back(std::move(binding));
}

Primitive make_reorder(const memory::desc& from, const memory::desc& to) {
  const dnnl::reorder::primitive_desc desc(engine(), from, engine(), to, user_scratch(), /*allow_empty=*/true);
  CHECK(desc, "internal: oneDNN has no reorder between these layouts");
  return {desc, dnnl::reorder(desc), {DNNL_ARG_FROM, DNNL_ARG_TO, DNNL_ARG_SCRATCHPAD}};
}

Key& Key::add_shape(const Array& array) {
  add(array.rank).add(static_cast<int64_t>(array.dtype));
  for (int i = 0; i < array.rank; ++i) add(array.shape[i]);
  return *this;
}

Key& Key::add_shape_strides(const Array& array) {
  add_shape(array);
  for (int i = 0; i < array.rank; ++i) add(array.strides[i]);
  return *this;
}

std::shared_ptr<const void> cached(const Key& key, FunctionRef<std::shared_ptr<const void>()> make) {
  static PlanCache cache;
  if (auto plan = cache.find(key)) return plan;
  return cache.insert(key, make());  // made outside the lock: two threads may both make it, one stays
}

}  // namespace ingot::kernels::onednn
