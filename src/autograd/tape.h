#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "autograd/op_def.h"

namespace ingot {

/// A tensor held for a gradient, with its storage's version at that time.
struct SavedTensor {
  Tensor tensor;
  uint32_t version = 0;
};

/// One recorded call: what its gradient needs, and the records of the inputs that its gradients flow to.
struct GradNode : std::enable_shared_from_this<GradNode> {
  const OpDef* op = nullptr;
  Attrs attrs;
  uint64_t sequence = 0;  // counts calls: every edge leads to a smaller one
  uint32_t path = 0;      // of the module that made the call
  uint32_t visible = 1;
  bool released = false;
  std::vector<std::shared_ptr<GradRecord>> edges;  // an entry per input; null where no gradient flows
  std::vector<SavedTensor> kept;                   // in the order of op->keeps: inputs, outputs, saved
  std::vector<Spec> in_specs;

  ~GradNode();
};

/// Whether a call with these inputs goes on the tape: recording is on and one of them requires a gradient.
bool wants_tape(const OpDef& op, std::span<const Tensor> in);
void record_on_tape(const Call& call);

/// The arithmetic that backward needs, handed down by ops.
struct GradOps {
  Tensor (*add)(const Tensor&, const Tensor&);
  void (*add_into)(Tensor& sum, const Tensor& term);
  /// A dense copy of a gradient, in the leaf's layout; the gradient itself where nobody else holds it and it fits.
  Tensor (*own)(Tensor&& grad, Layout layout);
};

struct TapeOptions {
  bool retain_graph = false, create_graph = false;
  /// Called before the first gradient with a predicate that tells which leaves this backward reaches.
  std::function<void(const std::function<bool(const Tensor& leaf)>& reaches)> on_start;
};

/// Adds the gradients of sum_i <outputs[i], grads[i]> to the leaves' grad().
void run_backward(std::span<const Tensor> outputs, std::span<const Tensor> grads, const TapeOptions& options,
                  const GradOps& ops);
/// Returns those gradients for `inputs` and leaves every grad() alone; undefined where no output depends on an input.
Tensors run_grad(std::span<const Tensor> outputs, std::span<const Tensor> inputs, std::span<const Tensor> grads,
                 const TapeOptions& options, const GradOps& ops);

uint32_t current_path_id();
/// From now on, the number of the path of whatever runs is stored at `where`, by every thread, and `named` is called
/// for each path that there is or comes to be. Null pointers end it.
void publish_path(std::atomic<uint32_t>* where, void (*named)(uint32_t number, std::string_view text));
std::string path_text(uint32_t id);
/// Restores the path of a recorded call while its gradient runs.
class PathScope {
 public:
  explicit PathScope(uint32_t id);
  ~PathScope();

 private:
  uint32_t outer_;
};

/// Sets whether calls are recorded, for the scope.
class GradMode {
 public:
  explicit GradMode(bool enabled);
  ~GradMode();

 private:
  bool outer_;
};

}  // namespace ingot
