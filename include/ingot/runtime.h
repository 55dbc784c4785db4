#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ingot/dim.h"
#include "ingot/tensor.h"

// Running a compiled network: what a product ships. engine.h compiles one.
namespace ingot {

struct EngineData;  // the plan and its weights; runtime/engine_data.h
class Executor;

/// What a caller does to its images before they are the network's input: Resize and CenterCrop (transforms.h) by one
/// number or two, as in a training config, where these are given; then y = (x * scale - mean) / std per channel. The
/// engine carries it along for tools; it does not apply it.
struct Preprocessing {
  std::string channels;  // "rgb", "bgr", "gray"; empty: nothing is known
  double scale = 1;
  std::vector<double> mean, std;
  std::vector<int64_t> resize = {}, center_crop = {};
  bool operator==(const Preprocessing&) const = default;
};

/// An input or output. Its shape has symbols where sizes are free.
struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
};

/// Bytes at concrete sizes.
struct MemoryPlan {
  size_t peak = 0;     // the arena
  size_t sum = 0;      // what all results and scratch memory would take without sharing
  size_t weights = 0;  // shared by all contexts
  size_t inputs = 0, outputs = 0;
};

/// Seconds that each step took, added up over runs.
struct Profile {
  std::vector<double> seconds;
  size_t runs = 0;
};

struct LoadOptions {
  bool verify = false;  // also compare every weight with its hash: reads the whole file
};

/// A compiled network with its weights. Copies share everything; all functions may be called from any thread.
class Engine {
 public:
  /// Maps an engine file: weights are read when they are used, and shared between processes. Throws Error that names
  /// the path where the file is not one, damaged, truncated or from another version.
  static Engine load(const std::filesystem::path& path, const LoadOptions& options = {});
  void save(const std::filesystem::path& path) const;

  std::vector<TensorInfo> inputs() const;
  std::vector<TensorInfo> outputs() const;
  const Preprocessing& preprocessing() const;
  const std::vector<std::string>& class_names() const;

  /// The outputs for these inputs, in a context of its own that it keeps for the next call.
  Tensors run(const Tensors& inputs) const;

  /// The plan as text.
  std::string text() const;
  /// A line a layer: op, tactic, shapes at these sizes (without: the examples), memory; time and share where a profile
  /// is given.
  std::string describe(const SymbolValues& sizes = {}, const Profile* profile = nullptr) const;
  MemoryPlan memory(const SymbolValues& sizes = {}) const;

  explicit Engine(std::shared_ptr<const EngineData> data);
  const EngineData& data() const { return *data_; }

 private:
  friend class Context;
  struct Pool;
  std::shared_ptr<const EngineData> data_;
  std::shared_ptr<Pool> pool_;
};

struct RunOptions {
  /// Called with every tensor of the plan that `observe` names, when it has been computed; the data is the caller's to
  /// keep. Throws Error for a name that the plan does not have.
  std::vector<std::string> observe;
  std::function<void(std::string_view name, const Tensor& data)> seen;
  Profile* profile = nullptr;
};

struct ContextOptions {
  /// For tests: tensors are kept apart by guard bytes, and memory that nobody needs any more is filled with NaN.
  bool guard = false;
  /// Different input sizes whose memory layouts are kept; the least recently used go first.
  size_t kept_sizes = 8;
};

/// One caller's memory to run an engine in: an arena and a layout of it for each input size that came. A context is for
/// one thread at a time; any number of contexts of one engine may run at once.
class Context {
 public:
  explicit Context(const Engine& engine, const ContextOptions& options = {});
  ~Context();
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;

  /// Computes `outputs` from `inputs`. Outputs that are undefined are allocated; into others it writes, and at sizes
  /// that came before, nothing is then allocated but by oneDNN. Inputs that are not dense in the plan's layout are
  /// copied. Throws Error where a shape or dtype does not fit, or an output shares memory with an input.
  void run(std::span<const Tensor> inputs, std::span<Tensor> outputs, const RunOptions& options = {});
  Tensors run(const Tensors& inputs, const RunOptions& options = {});

  /// Of the last run.
  MemoryPlan memory() const;

 private:
  std::unique_ptr<Executor> executor_;
};

}  // namespace ingot
