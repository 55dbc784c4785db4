#include "autograd/tape.h"

#include <algorithm>
#include <atomic>

#include "ingot/autograd.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

std::atomic<uint64_t> g_sequence{0};

SavedTensor save(const Tensor& x) { return {x, x.defined() && x.impl()->storage ? x.impl()->storage->version() : 0}; }

// What the vjp does not name is not held; an op that differentiates through its expansion needs all its inputs.
void keep(GradNode& node, const Call& call) {
  const Keeps& keeps = call.op.keeps;
  if (call.op.vjp == nullptr) {
    for (const Tensor& x : call.in) node.kept.push_back(save(x));
    return;
  }
  node.kept.reserve(keeps.inputs.size() + keeps.outputs.size() + keeps.saved.size());
  for (const int i : keeps.inputs)
    node.kept.push_back(static_cast<size_t>(i) < call.in.size() ? save(call.in[static_cast<size_t>(i)])
                                                                : SavedTensor{});
  // Without their record: a result that held its own call would never be freed.
  for (const int i : keeps.outputs) node.kept.push_back(save(detach(call.out[static_cast<size_t>(i)])));
  for (const int i : keeps.saved) node.kept.push_back(save(call.saved[static_cast<size_t>(i)]));
  const auto differs = [&](const Tensor& x) { return x.defined() && !(x.shape() == call.out[0].shape()); };
  if (!keeps.input_specs && !(keeps.broadcasts && std::any_of(call.in.begin(), call.in.end(), differs))) return;
  node.in_specs.reserve(call.in.size());
  for (const Tensor& x : call.in) node.in_specs.push_back(spec_of(x));
}

/// Frees long chains of calls without recursion: a node hands what it holds to the loop that is already running.
struct Graveyard {
  std::vector<std::shared_ptr<GradRecord>> records;
  std::vector<Tensor> tensors;
  bool draining = false;

  void drain() {
    draining = true;
    while (!records.empty() || !tensors.empty()) {
      if (!records.empty()) {
        const auto dying = std::move(records.back());
        records.pop_back();
      } else {
        const auto dying = std::move(tensors.back());
        tensors.pop_back();
      }
    }
    draining = false;
  }
};
thread_local Graveyard t_graveyard;

}  // namespace

GradNode::~GradNode() {
  for (auto& edge : edges)
    if (edge && edge.use_count() == 1) t_graveyard.records.push_back(std::move(edge));
  for (auto& saved : kept)
    if (saved.tensor.defined() && saved.tensor.impl().use_count() == 1)
      t_graveyard.tensors.push_back(std::move(saved.tensor));
  if (!t_graveyard.draining) t_graveyard.drain();
}

bool wants_tape(const OpDef& op, std::span<const Tensor> in) {
  return grad_enabled() && op.vjp != no_gradient &&
         std::any_of(in.begin(), in.end(), [](const Tensor& x) { return x.defined() && x.requires_grad(); });
}

void record_on_tape(const Call& call) {
  auto node = std::make_shared<GradNode>();
  node->op = &call.op;
  node->attrs = call.attrs;
  node->sequence = g_sequence.fetch_add(1, std::memory_order_relaxed);
  node->path = current_path_id();
  node->visible = static_cast<uint32_t>(call.out.size());
  node->edges.reserve(call.in.size());
  for (const Tensor& x : call.in) node->edges.push_back(x.defined() && x.requires_grad() ? x.impl()->grad : nullptr);
  keep(*node, call);
  for (uint32_t i = 0; i < call.out.size(); ++i) {
    if (!is_floating(call.out[i].dtype())) continue;
    auto record = std::make_shared<GradRecord>();
    record->node = node;
    record->index = i;
    call.out[i].impl()->grad = std::move(record);
  }
}

}  // namespace ingot
