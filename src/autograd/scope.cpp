#include <atomic>
#include <map>
#include <mutex>
#include <vector>

#include "autograd/tape.h"
#include "ingot/autograd.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

thread_local bool t_grad_enabled = true;
thread_local uint32_t t_path = 0;

std::atomic<std::atomic<uint32_t>*> g_published{nullptr};

void set_path(uint32_t number) {
  t_path = number;
  if (auto* const where = g_published.load(std::memory_order_relaxed)) where->store(number, std::memory_order_relaxed);
}

/// Module paths, each kept once: a path is its parent's number and a name. Number 0 is the empty path.
struct Paths {
  std::mutex mutex;
  std::map<std::pair<uint32_t, std::string>, uint32_t> numbers;
  std::vector<std::string> texts{""};
  void (*named)(uint32_t, std::string_view) = nullptr;

  static Paths& table() {
    static Paths* paths = new Paths;
    return *paths;
  }
};

}  // namespace

NoGrad::NoGrad() : outer_(t_grad_enabled) { t_grad_enabled = false; }
NoGrad::~NoGrad() { t_grad_enabled = outer_; }
GradMode::GradMode(bool enabled) : outer_(t_grad_enabled) { t_grad_enabled = enabled; }
GradMode::~GradMode() { t_grad_enabled = outer_; }
bool grad_enabled() { return t_grad_enabled; }

ModuleScope::ModuleScope(std::string_view name) : outer_(t_path) {
  auto& paths = Paths::table();
  const std::scoped_lock lock(paths.mutex);
  const auto [it, fresh] =
      paths.numbers.try_emplace({outer_, std::string(name)}, static_cast<uint32_t>(paths.texts.size()));
  if (fresh) {
    const std::string parent = paths.texts[outer_];
    paths.texts.push_back(parent.empty() ? std::string(name) : parent + "." + std::string(name));
    if (paths.named != nullptr) paths.named(it->second, paths.texts.back());
  }
  set_path(it->second);
}
ModuleScope::~ModuleScope() { set_path(outer_); }

PathScope::PathScope(uint32_t id) : outer_(t_path) { set_path(id); }
PathScope::~PathScope() { set_path(outer_); }

void publish_path(std::atomic<uint32_t>* where, void (*named)(uint32_t, std::string_view)) {
  auto& paths = Paths::table();
  const std::scoped_lock lock(paths.mutex);
  paths.named = named;
  if (named != nullptr)
    for (size_t i = 0; i < paths.texts.size(); ++i) named(static_cast<uint32_t>(i), paths.texts[i]);
  g_published = where;
}

uint32_t current_path_id() { return t_path; }
std::string path_text(uint32_t id) {
  auto& paths = Paths::table();
  const std::scoped_lock lock(paths.mutex);
  return paths.texts[id];
}
std::string current_module_path() { return path_text(t_path); }

size_t on_gradient_ready(const Tensor& leaf, std::function<void(const Tensor&)> hook) {
  auto& record = leaf.impl()->grad;
  if (!record) record = std::make_shared<GradRecord>();
  record->ready_hooks.push_back(std::move(hook));
  return record->ready_hooks.size() - 1;
}
void remove_gradient_ready(const Tensor& leaf, size_t number) { leaf.impl()->grad->ready_hooks.at(number) = nullptr; }

}  // namespace ingot
