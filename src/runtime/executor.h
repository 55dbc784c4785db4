#pragma once

#include <list>

#include "ingot/runtime.h"
#include "runtime/binding.h"
#include "tensor/storage.h"

namespace ingot {

/// Runs bound steps in its arena. One per Context.
class Executor {
 public:
  Executor(std::shared_ptr<const EngineData> engine, const ContextOptions& options);
  void run(std::span<const Tensor> inputs, std::span<Tensor> outputs, const RunOptions& options);
  MemoryPlan memory() const;
  const EngineData& engine() const { return *engine_; }

 private:
  struct Kept {
    std::vector<Shape> input_shapes;
    std::unique_ptr<Binding> binding;
    std::byte* arena = nullptr;  // for which its addresses are set
  };
  /// A dense tensor in the plan's layout that stands for a caller's which is not.
  struct Staging {
    Tensor tensor;
    bool used = false;
  };

  void check_inputs(std::span<const Tensor> inputs) const;
  SymbolValues sizes_of(std::span<const Tensor> inputs) const;
  Kept& binding_for(std::span<const Tensor> inputs);
  void* dense_input(Binding& binding, size_t i, const Tensor& x);
  void* dense_output(Binding& binding, size_t i, Tensor& y);
  void connect(Binding& binding, std::span<const Tensor> inputs, std::span<Tensor> outputs);
  void run_steps(Binding& binding, const RunOptions& options);
  void finish_outputs(Binding& binding, std::span<Tensor> outputs);

  std::shared_ptr<const EngineData> engine_;
  ContextOptions options_;
  std::list<Kept> kept_;  // most recently used first
  std::unique_ptr<Storage> arena_;
  std::vector<Staging> staged_inputs_, staged_outputs_;
};

}  // namespace ingot
