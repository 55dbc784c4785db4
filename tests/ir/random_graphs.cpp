#include "random_graphs.h"

#include <random>

#include "ingot/ops.h"
#include "ops/attrs.h"
#include "ops/defs.h"
#include "ops/ops.h"

namespace ingot::test {
namespace {

class Builder {
 public:
  Builder(uint64_t seed, DType dtype) : random_(seed), dtype_(dtype) {}

  Graph build() {
    const int64_t channels = 2 * number(1, 3), side = number(5, 9);
    for (const char* name : {"a", "b"}) {
      const Layout layout = chance(20) ? Layout::row_major : Layout::channels_last;
      pool_.push_back(&graph_.add_input(name, {.shape = {2, channels, side, side}, .dtype = dtype_, .layout = layout}));
    }
    for (int64_t steps = number(4, 14); steps > 0; --steps) step();
    finish();
    return std::move(graph_);
  }

 private:
  int64_t number(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool chance(int64_t percent) { return number(1, 100) <= percent; }
  Value& pick() {
    return *pool_[pool_.size() - 1 -
                  static_cast<size_t>(number(0, std::min<int64_t>(2, static_cast<int64_t>(pool_.size()) - 1)))];
  }

  Value& constant(const Shape& shape, double low, double high) {
    const Tensor x = uniform(shape, low, high, RandomKey{random_()}, dtype_ == DType::f64 ? dtype_ : DType::f32);
    return graph_.add_constant(cast(x, dtype_));
  }
  Value& literal(double value) { return graph_.add_constant(scalar(value, dtype_)); }
  Value& call(const OpDef& op, std::vector<Value*> inputs, const Attrs& attrs = {}) {
    return graph_.add_node({.op = op, .inputs = std::move(inputs), .attrs = attrs}).result();
  }
  static int64_t size(const Value& x, size_t d) { return x.spec.shape[d].value(); }

  void step() {
    Value& x = pick();
    switch (number(0, 11)) {
      case 0:
      case 1:
      case 2:
        return keep(conv(x));
      case 3:
        return keep(chance(50) ? conv(batch_norm(x)) : batch_norm(x));
      case 4:
      case 5:
        return keep(activation(x));
      case 6:
        return keep(sum(x));
      case 7:
        return keep(identity(x));
      case 8:
        return keep(pooled(x));
      case 9:
        return keep(separable(x));
      case 10:
        return keep(branched(x));
      default:
        return keep(chance(50) ? joined(x) : call(kRelu, {&batch_norm(joined(x))}));  // as in a DenseNet
    }
  }
  void keep(Value& value) { pool_.push_back(&value); }

  Value& conv(Value& from) {
    Value& x = chance(25) ? padded(from) : from;
    Conv2dAttrs attrs;
    const int64_t in = size(x, 1), kernel = std::min({size(x, 2), size(x, 3), chance(50) ? int64_t{3} : int64_t{1}});
    attrs.groups = chance(20) ? in : chance(20) && in % 2 == 0 ? 2 : 1;
    const int64_t out = chance(50) && in % attrs.groups == 0 ? in : attrs.groups * number(1, 3);
    attrs.padding = Pads(chance(60) ? kernel / 2 : 0);
    if (chance(20)) attrs.stride = Pair(2);
    const Shape shape{out, in / attrs.groups, kernel, kernel};
    const double bound = 1.5 / std::sqrt(static_cast<double>(shape[1].value() * kernel * kernel));
    Value*& shared = weights_[to_string(shape)];
    if (shared == nullptr || chance(70)) shared = &constant(shape, -bound, bound);
    std::vector<Value*> inputs{&x, shared};
    if (chance(50)) inputs.push_back(&constant({out}, -0.5, 0.5));
    return call(kConv2d, inputs, attrs);
  }

  Value& padded(Value& x) {
    PadAttrs pad{{0, 0, number(0, 1), number(0, 2)}, {0, 0, number(0, 1), number(0, 1)}, chance(80) ? 0.0 : 0.5};
    return call(kPad, {&x}, pad);
  }

  Value& batch_norm(Value& x) {
    const Shape channels{x.spec.shape[1]};
    std::vector<Value*> inputs{&x, &constant(channels, -0.5, 0.5), &constant(channels, 0.5, 1.5)};
    if (chance(70)) inputs.insert(inputs.end(), {&constant(channels, 0.5, 1.5), &constant(channels, -0.5, 0.5)});
    return call(kBatchNorm, inputs, BatchNormAttrs{1e-3});
  }

  Value& activation(Value& x) {
    static const OpDef* const kKinds[] = {&kRelu, &kRelu6,     &kSigmoid,     &kTanh, &kSilu,
                                          &kGelu, &kHardswish, &kHardsigmoid, &kMish};
    if (chance(15)) return call(kLeakyRelu, {&x}, AlphaAttrs{0.1});
    if (chance(15)) return call(kMul, {&x, &call(kSigmoid, {&x})});
    if (chance(10)) return call(kClamp, {&x}, ClampAttrs{.low = 0, .high = 6});
    return call(*kKinds[static_cast<size_t>(number(0, 8))], {&x});
  }

  /// A depthwise convolution and the 1x1 of its result, as mobile networks have them.
  Value& separable(Value& x) {
    const int64_t channels = size(x, 1), kernel = std::min({size(x, 2), size(x, 3), int64_t{3}});
    Conv2dAttrs attrs{.stride = Pair(number(1, 2)), .padding = Pads(kernel / 2), .groups = channels};
    Value& first = call(kConv2d, {&x, &constant({channels, 1, kernel, kernel}, -0.5, 0.5)}, attrs);
    Value& between = chance(60) ? activation(chance(50) ? batch_norm(first) : first) : first;
    const int64_t out = chance(50) ? channels : 2 * number(1, 3);
    Value& y = call(kConv2d, {&between, &constant({out, channels, 1, 1}, -0.5, 0.5), &constant({out}, -0.5, 0.5)});
    return chance(40) && y.spec.shape == x.spec.shape ? call(kAdd, {&y, &x}) : y;
  }

  /// 1x1 convolutions of one value, by chance with a residual or an activation, joined.
  Value& branched(Value& x) {
    const int64_t channels = size(x, 1);
    const Conv2dAttrs attrs{.stride = Pair(number(1, 2))};
    std::vector<Value*> branches;
    Value* weight = nullptr;
    for (int64_t i = number(2, 5); i > 0; --i) {
      const int64_t out = chance(50) ? channels : number(1, 3);
      if (weight == nullptr || chance(70)) weight = &constant({out, channels, 1, 1}, -0.5, 0.5);
      Value& y = call(kConv2d, {&x, weight}, attrs);
      Value& sum = y.spec.shape == x.spec.shape && chance(40) ? call(kAdd, {&y, &x}) : y;
      branches.push_back(&(chance(50) ? activation(sum) : sum));
    }
    return call(kConcat, branches, DimAttrs{1});
  }

  Value& residual(Value& x) {
    const int64_t channels = size(x, 1), kernel = chance(50) ? 3 : 1;
    Value& w = constant({channels, channels, kernel, kernel}, -0.3, 0.3);
    Value& y = call(kConv2d, {&x, &w}, Conv2dAttrs{.padding = Pads(kernel / 2)});
    Value& normal = chance(50) ? batch_norm(y) : y;
    return chance(50) ? call(kAdd, {&normal, &x}) : call(kAdd, {&x, &normal});
  }

  Value& sum(Value& x) {
    if (chance(40)) return residual(x);
    std::vector<Value*> others;
    for (Value* other : pool_)
      if (other->spec.shape == x.spec.shape) others.push_back(other);
    if (chance(20)) return call(kAdd, {&x, &constant({1, x.spec.shape[1], 1, 1}, -1, 1)});
    Value& other = *others[static_cast<size_t>(number(0, static_cast<int64_t>(others.size()) - 1))];
    return chance(50) ? call(kAdd, {&x, &other}) : call(kAdd, {&other, &x});
  }

  Value& identity(Value& x) {
    switch (number(0, 4)) {
      case 0:
        return call(kMul, {&x, &call(kAdd, {&literal(0.25), &literal(0.75)})});
      case 1:
        return call(kDropout, {&x}, DropoutAttrs{.p = 0});
      case 2:
        return call(kCast, {&x}, CastAttrs{dtype_});
      case 3:
        return call(kPermute, {&call(kPermute, {&x}, PermuteAttrs{{0, 2, 3, 1}})}, PermuteAttrs{{0, 3, 1, 2}});
      default:
        return call(kMul, {&x, &literal(0.5)});
    }
  }

  Value& pooled(Value& x) {
    if (size(x, 2) < 3 || size(x, 3) < 3) return activation(x);
    PoolAttrs attrs{.kernel = Pair(3), .stride = Pair(number(1, 2)), .padding = Pads(number(0, 1))};
    if (chance(50)) return call(kMaxPool2d, {&x}, attrs);
    attrs.count_include_pad = chance(50);
    attrs.ceil_mode = chance(20);
    return call(kAvgPool2d, {&(chance(30) ? padded(x) : x)}, attrs);
  }

  Value& joined(Value& x) {
    if (size(x, 1) < 2) return call(kConcat, {&x, &call(kTanh, {&x})}, DimAttrs{1});
    const int64_t half = size(x, 1) / 2;
    Value& a = call(kSlice, {&x}, SliceAttrs{.dim = 1, .start = 0, .end = half});
    Value& b = call(kSlice, {&x}, SliceAttrs{.dim = 1, .start = half, .end = size(x, 1)});
    return call(kConcat, {&b, &activation(a)}, DimAttrs{1});
  }

  void finish() {
    Value& x = *pool_.back();
    graph_.add_output(x, "y");
    if (chance(40)) graph_.add_output(pick());
    if (chance(50)) return;
    const int64_t features = size(x, 1) * size(x, 2) * size(x, 3), out = number(1, 6);
    Value& flat = call(kReshape, {&x}, ShapeAttrs{{2, features}});
    Value& y = call(kLinear, {&flat, &constant({out, features}, -0.2, 0.2), &constant({out}, -1, 1)});
    const Shape channels{out};
    Value& normal = chance(50) ? call(kBatchNorm, {&y, &constant(channels, -0.5, 0.5), &constant(channels, 0.5, 1.5)},
                                      BatchNormAttrs{})
                               : y;
    graph_.add_output(chance(50) ? call(kRelu, {&normal}) : normal, "z");
  }

  std::mt19937_64 random_;
  DType dtype_;
  Graph graph_;
  std::vector<Value*> pool_;
  std::map<std::string, Value*> weights_;
};

}  // namespace

Graph random_graph(uint64_t seed, DType dtype) { return Builder(seed, dtype).build(); }

}  // namespace ingot::test
