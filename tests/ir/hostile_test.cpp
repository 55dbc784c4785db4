#include <random>

#include "cases.h"
#include "helpers.h"
#include "ingot/autograd.h"
#include "ingot/ops.h"
#include "ops/ops.h"

namespace ingot::test {
namespace {

/// Calls as a hostile file may describe them: any op, operands of any small shape, attributes of any value.
class Calls {
 public:
  explicit Calls(uint64_t seed) : random_(seed) {}

  int64_t number(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool chance(int64_t percent) { return number(1, 100) <= percent; }

  Tensors operands(const OpDef& op) {
    const auto rank = static_cast<size_t>(chance(60) ? 4 : number(0, 5));
    const DType dtype = chance(85) ? DType::f32 : static_cast<DType>(number(0, 8));
    Shape shape(rank, Dim(1));
    const int64_t largest = number(1, 4);
    for (Dim& d : shape) d = chance(5) ? 0 : number(1, largest);
    Tensors out;
    const int64_t usual = std::min(op.operands.most, op.operands.least + 2);
    for (int64_t left = chance(90) ? number(op.operands.least, usual) : number(0, 5); left > 0; --left)
      out.push_back(likely(op, out.size(), shape, dtype));
    return out;
  }

  Attrs attrs(const OpDef& op, const Tensors& in) {
    if (op.attrs == nullptr) return {};
    const auto made = op.attrs->make();
    for (const auto& field : op.attrs->fields)
      if (chance(70)) try {
          const bool is_shape = field.name == "shape" && !in.empty() && in[0].defined() && chance(80);
          field.set(made.get(), is_shape ? shape_near(in[0].shape()) : value(field.get(made.get())));
        } catch (const Error&) {  // of another kind than the field
        }
    return {*op.attrs, made};
  }

 private:
  /// For ops that would take none by chance alone: the operand that they expect at this place, more or less.
  Tensor likely(const OpDef& op, size_t place, Shape shape, DType dtype) {
    if (place == 1 && op.name == "max_pool2d_grad") dtype = DType::i32;
    if (place > 0 && op.name.starts_with("cross_entropy")) {
      if (place == 1) dtype = DType::i64;
      if (shape.size() > 1) shape.erase(1);
    }
    return operand(shape, dtype);
  }
  AttrValue shape_near(const Shape& shape) {
    std::vector<Dim> out(shape.begin(), shape.end());
    for (Dim& d : out)
      if (chance(20)) d = number(-1, 5);
    return out;
  }
  Tensor operand(const Shape& like, DType dtype) {
    if (chance(5)) return {};
    Shape shape = like;
    if (chance(25)) shape = like.empty() ? Shape{} : Shape{like[std::min<size_t>(1, like.size() - 1)]};  // a bias
    for (Dim& d : shape)
      if (chance(5)) d = number(0, 5);
    if (chance(10)) dtype = static_cast<DType>(number(0, 8));
    return full(shape, 1, dtype);
  }
  int64_t whole() {
    return chance(80) ? number(-2, 5) : chance(50) ? number(INT64_MIN / 4, INT64_MAX / 4) : number(-70, 70);
  }
  AttrValue value(const AttrValue& usual) {
    if (std::holds_alternative<bool>(usual)) return chance(50);
    if (std::holds_alternative<Dim>(usual)) return Dim(whole());
    if (std::holds_alternative<double>(usual)) return static_cast<double>(whole()) * 0.25;
    if (std::holds_alternative<std::string>(usual)) return std::string(chance(50) ? "relu" : "f64");
    const auto* dims = std::get_if<std::vector<Dim>>(&usual);
    std::vector<Dim> out(dims != nullptr && !dims->empty() && chance(80) ? dims->size()
                                                                         : static_cast<size_t>(number(0, 5)));
    for (Dim& d : out) d = whole();
    return out;
  }

  std::mt19937_64 random_;
};

class HostileCalls : public testing::TestWithParam<const OpDef*> {};

TEST_P(HostileCalls, WhatShapeRulesAcceptCanRun) {
  const int count = cases(5000), most = 40 * count;  // some ops accept few calls
  constexpr int64_t kLargest = 100000;               // elements of a result that is worth computing
  const OpDef& op = *GetParam();
  const NoGrad no_grad;
  Calls calls(std::hash<std::string_view>()(op.name));
  int accepted = 0, ran = 0;
  for (int i = 0; i < count || (ran < 5 && i < most); ++i) {
    const Tensors in = calls.operands(op);
    const Attrs attrs = calls.attrs(op, in);
    std::vector<Spec> specs;
    for (const Tensor& x : in) specs.push_back(spec_of(x));
    Results results;
    if (!error_of([&] { results = infer_checked(op, specs, attrs); }).empty()) continue;
    const auto is_small = [&](const Spec& spec) { return numel(spec.shape).value() <= kLargest; };
    if (!std::all_of(results.specs.begin(), results.specs.end(), is_small)) continue;
    ++accepted;
    // Kernels still refuse dtypes and indices when they run.
    ran += error_of([&] { apply_all(op, in, attrs); }).empty();
  }
  EXPECT_GT(ran, 0) << accepted << " calls were accepted";
}

INSTANTIATE_TEST_SUITE_P(, HostileCalls, testing::ValuesIn(all_ops().begin(), all_ops().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace ingot::test
