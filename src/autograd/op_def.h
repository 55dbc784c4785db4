#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "autograd/attrs.h"
#include "base/array.h"
#include "ingot/tensor.h"

namespace ingot {

/// What is known of a tensor before it has data. `shape` may be symbolic while tracing. A default-constructed Spec with
/// `defined == false` stands for an optional input that is absent.
struct Spec {
  Shape shape;
  DType dtype = DType::f32;
  Layout layout = Layout::row_major;  // of the result that apply allocates
  bool defined = true;
};
Spec spec_of(const Tensor& x);
/// With one channel or 1x1 planes both layouts fit the strides: then, and for other ranks than 4, the layout is the
/// default, as layout_of decides for tensors. The specs of a graph's values are so.
Spec normalised(Spec spec);

/// Results of a call: first those that callers see, then values saved for the gradient.
struct Results {
  static constexpr size_t kMost = 4;
  FixedVector<Spec, kMost> specs;
  size_t visible = 1;

  Results() = default;
  Results(Spec one) { specs.push_back(std::move(one)); }
  Results(std::initializer_list<Spec> results, size_t saved = 0) : specs(results), visible(results.size() - saved) {}
};

struct InferArgs {
  std::span<const Spec> in;
  const Attrs& attrs;
  template <class A>
  const A& as() const {
    return attrs.get<A>();
  }
  bool has(size_t i) const { return i < in.size() && in[i].defined; }
};

struct ViewArgs {
  const Array& in;
  const Attrs& attrs;
  const Spec& out;
  template <class A>
  const A& as() const {
    return attrs.get<A>();
  }
};
/// A result on the input's storage: where it starts, in elements from the input's first, and its strides.
struct View {
  int64_t offset = 0;
  Strides strides;
};

struct EvalArgs {
  std::span<const Array> in;
  std::span<const Array> out;  // results, then saved values, which are absent where nobody wants them
  const Attrs& attrs;
  void* scratch = nullptr;
  template <class A>
  const A& as() const {
    return attrs.get<A>();
  }
  Array input(size_t i) const { return i < in.size() ? in[i] : Array{}; }  // absent when optional and not given
};

struct VjpArgs {
  std::span<const Tensor> in, out, saved;  // only those that `keeps` names are defined
  std::span<const Tensor> grad;            // of each visible result; undefined where nothing depends on it
  std::span<const Spec> in_specs;          // where `keeps` asks for them; may be empty where broadcasts does
  std::span<const bool> wants;             // which inputs want a gradient
  const Attrs& attrs;
  template <class A>
  const A& as() const {
    return attrs.get<A>();
  }
};

struct ExpandArgs {
  std::span<const Tensor> in;
  const Attrs& attrs;
  template <class A>
  const A& as() const {
    return attrs.get<A>();
  }
  Tensor input(size_t i) const { return i < in.size() ? in[i] : Tensor(); }
};

/// What vjp reads: the tape holds nothing else. A test overwrites the rest with NaN.
struct Keeps {
  std::vector<int> inputs, outputs, saved;
  bool input_specs = false;
  bool broadcasts = false;  // input_specs are kept only where a shape differs from the result's
};

/// How many operands an op takes, and which of them may be absent (a bit each).
struct Operands {
  int least = 1, most = 1;
  uint32_t optional = 0;
  static constexpr int kAny = 1 << 20;
};

/// The one definition of an op, for eager execution, gradients, tracing, passes and the engine.
struct OpDef {
  std::string_view name;
  const AttrsType* attrs = nullptr;
  Operands operands{};
  /// Trusts the number of operands and nothing else: attributes and shapes may come from a file.
  Results (*infer)(const InferArgs&) = nullptr;
  /// Views: the result on the input's storage; nullopt where strides forbid it, then eval copies. The call costs no
  /// data movement in eager mode and none in the engine.
  std::optional<View> (*view)(const ViewArgs&) = nullptr;
  /// Bytes that eval needs at these concrete shapes and strides; the data pointers may point nowhere, but are null
  /// exactly where an operand is absent.
  size_t (*scratch)(const EvalArgs&) = nullptr;
  void (*eval)(const EvalArgs&) = nullptr;
  /// Gradients of the inputs, undefined where none is wanted or it is zero. Without vjp and expand, an op refuses to be
  /// differentiated; no_gradient says that its results do not depend smoothly on the inputs at all.
  Tensors (*vjp)(const VjpArgs&) = nullptr;
  Keeps keeps{};
  /// Fused ops: the same results by plain ops.
  Tensors (*expand)(const ExpandArgs&) = nullptr;
};

/// infer for calls that a file describes: also checks the operands' number, that attributes are small enough to reckon
/// with (below 2^31) and that no result has a negative size.
Results infer_checked(const OpDef& op, std::span<const Spec> in, const Attrs& attrs);

/// The vjp of comparisons, argmax and the like: their results never require gradients.
Tensors no_gradient(const VjpArgs&);

/// One call as recorders see it.
struct Call {
  const OpDef& op;
  const Attrs& attrs;
  std::span<const Tensor> in;
  std::span<const Tensor> out;  // visible results
  std::span<const Tensor> saved;
};

/// Sees every call on its thread while it stands on the stack.
class Recorder {
 public:
  virtual ~Recorder() = default;
  /// The tracer runs on specs: no data is made and fused ops appear as their expansion.
  virtual bool traces() const { return false; }
  virtual void record(const Call& call) = 0;
};

class RecorderScope {
 public:
  explicit RecorderScope(Recorder& recorder);
  ~RecorderScope();
  RecorderScope(const RecorderScope&) = delete;
  RecorderScope& operator=(const RecorderScope&) = delete;

 private:
  bool was_tracing_;
};

/// Infers, allocates, evaluates, tells the recorders. Returns the visible results. Errors are prefixed with the op's
/// name and the path of the module that is running.
Tensors apply_all(const OpDef& op, std::span<const Tensor> in, const Attrs& attrs = {});
Tensor apply(const OpDef& op, std::span<const Tensor> in, const Attrs& attrs = {});
inline Tensor apply(const OpDef& op, std::initializer_list<Tensor> in, const Attrs& attrs = {}) {
  return apply(op, std::span(in.begin(), in.size()), attrs);
}
inline Tensors apply_all(const OpDef& op, std::initializer_list<Tensor> in, const Attrs& attrs = {}) {
  return apply_all(op, std::span(in.begin(), in.size()), attrs);
}

/// Whether a tracer stands on this thread's stack.
bool tracing();

}  // namespace ingot
