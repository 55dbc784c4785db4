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

/// Module paths, each kept once: a path is its parent's number and a name. Number 0 is the empty path.
struct Paths {
  std::mutex mutex;
  std::map<std::pair<uint32_t, std::string>, uint32_t> numbers;
  std::vector<std::string> texts{""};

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
  }
  t_path = it->second;
}
ModuleScope::~ModuleScope() { t_path = outer_; }

PathScope::PathScope(uint32_t id) : outer_(t_path) { t_path = id; }
PathScope::~PathScope() { t_path = outer_; }

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
