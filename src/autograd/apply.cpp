#include "autograd/tape.h"
#include "ingot/autograd.h"
#include "tensor/impl.h"
#include "tensor/symbols.h"

namespace ingot {
namespace {

thread_local std::vector<Recorder*> t_recorders;
thread_local bool t_tracing = false;

/// `count` values, on the stack for the usual small calls.
template <class T, size_t kInPlace>
class Some {
 public:
  explicit Some(size_t count) : count_(count) {
    if (count > kInPlace) heap_.resize(count);
  }
  T& operator[](size_t i) { return count_ > kInPlace ? heap_[i] : local_[i]; }
  operator std::span<const T>() const { return {count_ > kInPlace ? heap_.data() : local_.data(), count_}; }

 private:
  size_t count_;
  std::array<T, kInPlace> local_;
  std::vector<T> heap_;
};

constexpr size_t kUsualInputs = 4;

Tensor allocate(const Spec& spec) {
  return tracing() ? make_abstract(spec.shape, spec.dtype, spec.layout) : empty(spec.shape, spec.dtype, spec.layout);
}

void evaluate(const OpDef& op, std::span<const Tensor> in, std::span<const Tensor> out, const Attrs& attrs) {
  Some<Array, kUsualInputs> inputs(in.size()), outputs(out.size());
  for (size_t i = 0; i < in.size(); ++i) inputs[i] = array_of(in[i]);
  for (size_t i = 0; i < out.size(); ++i) outputs[i] = array_of(out[i]);
  EvalArgs args{.in = inputs, .out = outputs, .attrs = attrs};
  if (op.scratch == nullptr) return op.eval(args);
  const Storage scratch(op.scratch(args));
  args.scratch = scratch.data();
  op.eval(args);
}

Tensor view_of(const OpDef& op, const Tensor& x, const Attrs& attrs, const Spec& spec) {
  const Array array = array_of(x);
  const auto view = op.view({array, attrs, spec});
  if (!view) return {};
  return make_tensor(x.impl()->storage, x.impl()->offset + view->offset, spec.shape, view->strides, spec.dtype);
}

Tensors run(const OpDef& op, std::span<const Tensor> in, const Attrs& attrs) {
  if (tracing() && op.expand != nullptr) return op.expand({in, attrs});
  Some<Spec, kUsualInputs> specs(in.size());
  for (size_t i = 0; i < in.size(); ++i) specs[i] = spec_of(in[i]);
  const Results results = op.infer({specs, attrs});
  const bool taped = wants_tape(op, in), observed = taped || !t_recorders.empty();

  Tensors out;
  out.reserve(results.specs.size());
  if (op.view != nullptr && !tracing())
    if (Tensor view = view_of(op, in[0], attrs, results.specs[0]); view.defined()) out.push_back(std::move(view));
  if (out.empty()) {
    for (const Spec& spec : results.specs)
      out.push_back(out.size() < results.visible || observed ? allocate(spec) : Tensor());
    if (!tracing()) evaluate(op, in, out, attrs);
  }

  const std::span<const Tensor> all(out);
  const Call call{op, attrs, in, all.first(results.visible), all.subspan(results.visible)};
  if (taped) record_on_tape(call);
  for (Recorder* recorder : t_recorders) recorder->record(call);
  out.resize(results.visible);
  return out;
}

void check_numbers(const Attrs& attrs) {
  constexpr int64_t kMost = (int64_t{1} << 31) - 1;
  const auto check = [](const AttrsType::Field& field, Dim d) {
    if (d.is_number()) CHECK(d.value() >= -kMost && d.value() <= kMost, "{} is {}", field.name, d.value());
  };
  for (const auto& field : attrs.type()->fields) {
    const AttrValue value = attrs.field(field.name);
    if (const Dim* one = std::get_if<Dim>(&value)) check(field, *one);
    if (const auto* several = std::get_if<std::vector<Dim>>(&value))
      for (const Dim d : *several) check(field, d);
  }
}

}  // namespace

bool tracing() { return t_tracing; }

RecorderScope::RecorderScope(Recorder& recorder) : was_tracing_(t_tracing) {
  t_recorders.push_back(&recorder);
  t_tracing = t_tracing || recorder.traces();
}
RecorderScope::~RecorderScope() {
  t_recorders.pop_back();
  t_tracing = was_tracing_;
}

Spec spec_of(const Tensor& x) {
  if (!x.defined()) return {.shape = {}, .defined = false};
  const TensorImpl& impl = *x.impl();
  return {.shape = impl.shape, .dtype = impl.dtype, .layout = impl.layout};
}

Spec normalised(Spec spec) {
  const Shape& s = spec.shape;
  if (s.size() != 4 || s[1] == 1 || (s[2] == 1 && s[3] == 1)) spec.layout = default_layout(s.size());
  return spec;
}

Tensors no_gradient(const VjpArgs&) { return {}; }

Results infer_checked(const OpDef& op, std::span<const Spec> in, const Attrs& attrs) {
  const auto& [least, most, optional] = op.operands;
  const auto count = static_cast<int>(in.size());
  CHECK(count >= least && count <= most, "{} operands are given, it takes {}", count,
        least == most ? std::to_string(least) : fmt::format("{} to {}", least, most));
  for (int i = 0; i < count; ++i)
    CHECK(in[static_cast<size_t>(i)].defined || (i < 32 && (optional >> i & 1u)), "operand {} is absent", i);
  CHECK(attrs.type() == op.attrs, "the attributes are another op's");
  if (attrs) check_numbers(attrs);
  Results results = op.infer({in, attrs});
  for (const Spec& spec : results.specs) {
    for (const Dim d : spec.shape)
      CHECK(!d.is_number() || d.value() >= 0, "a result has shape {}", to_string(spec.shape));
    numel(spec.shape);  // refuses what no memory holds
  }
  return results;
}

namespace {

/// Whether a text begins with "[op] ", and not with a shape.
bool names_an_op(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789_";
  const size_t end = text.find_first_not_of(kLetters, 1);
  return text.starts_with('[') && end > 1 && text.substr(std::min(end, text.size())).starts_with("] ") &&
         (text[1] < '0' || text[1] > '9');
}

}  // namespace

Tensors apply_all(const OpDef& op, std::span<const Tensor> in, const Attrs& attrs) {
  try {
    return run(op, in, attrs);
  } catch (const UndecidedSize&) {
    throw;
  } catch (const Error& e) {
    const std::string_view text = e.what();
    if (names_an_op(text)) throw;  // one inside this one has named itself
    const std::string path = current_module_path();
    throw Error(fmt::format("[{}] {}{}{}", op.name, path, path.empty() ? "" : ": ", text));
  }
}

Tensor apply(const OpDef& op, std::span<const Tensor> in, const Attrs& attrs) {
  return std::move(apply_all(op, in, attrs)[0]);
}

}  // namespace ingot
