#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "ingot/ops.h"

namespace ingot::test {

/// Where values lie. No two values of a case come closer than 0.7 / 4096 of the range, and none closer than 0.3 / 4096
/// to one of the 4096 edges between them: kinks are put there.
struct Range {
  double low, high;
  double step() const { return (high - low) / 4096; }
};
constexpr Range kAny{-2, 2}, kWide{-8, 8}, kPositive{0.5, 2.5}, kProbability{0.125, 0.875};

/// An operand of a case that may be differentiated.
struct Operand {
  size_t at = 0;
  bool given = true;  // false: an optional one that is left out
};

/// The operands' tensors at one evaluation.
class Operands {
 public:
  explicit Operands(Tensors all) : all_(std::move(all)) {}
  const Tensor& operator[](Operand x) const { return all_.at(x.at); }
  std::optional<Tensor> optional(Operand x) const { return x.given ? std::optional(all_.at(x.at)) : std::nullopt; }

 private:
  Tensors all_;
};

/// What a random case computes of its operands. Everything else that was drawn it holds itself.
using Body = std::function<Tensor(const Operands&)>;

/// Draws the shapes, attributes and operands of one case from a seed. Operands lie in memory in random ways: permuted,
/// with gaps, in either layout, expanded, as views of a larger leaf. Some are constants.
class RandomCase {
 public:
  RandomCase(const std::string& name, uint64_t seed);

  int64_t number(int64_t low, int64_t high);  // both included
  bool chance(int64_t percent = 50) { return number(1, 100) <= percent; }
  double real(double low, double high) { return low + (high - low) * static_cast<double>(number(0, 1000)) / 1000; }
  template <class T>
  T pick(std::initializer_list<T> all) {
    return all.begin()[number(0, static_cast<int64_t>(all.size()) - 1)];
  }

  /// Sizes from 1 to 5, of at most 40 elements.
  Shape shape(int64_t least_rank, int64_t most_rank);
  /// A shape that broadcasts to `shape`: sizes of 1, missing leading dimensions.
  Shape broadcast(const Shape& shape);
  /// One of `rank` dimensions, counted from either end.
  int64_t dim(int64_t rank) { return number(-rank, rank - 1); }
  /// Some of `rank` dimensions in any order; none stands for all.
  std::vector<int64_t> dims(int64_t rank);
  /// A place for a kink of values in `range`, and one for a kink of differences between two of them.
  double edge(Range range) { return range.low + static_cast<double>(number(1, 4095)) * range.step(); }
  double gap(Range range) { return (static_cast<double>(number(0, 4095)) + 0.5) * range.step(); }

  Operand operand(const Shape& shape, Range range = kAny);
  Operand maybe_operand(const Shape& shape, Range range = kAny);
  /// Not differentiated: i64 in [low, below), true or false, +1 or -1.
  Tensor indices(const Shape& shape, int64_t below, int64_t low = 0);
  Tensor booleans(const Shape& shape);
  Tensor signs(const Shape& shape);

  /// Which operands are differentiated, as leaves, and all operands made of these or of others in their place.
  const Tensors& leaves() const { return leaves_; }
  Operands operands(const Tensors& leaves) const;
  /// Shapes and strides of all operands.
  std::string text() const;

 private:
  using View = std::function<Tensor(const Tensor&)>;
  struct Made {
    View view;
    Tensor constant;  // undefined: a leaf
    size_t leaf = 0;
  };
  Tensor values(const Shape& shape, Range range);
  View arrangement(const Shape& shape, Shape& buffer);

  std::mt19937_64 random_;
  std::vector<int> cells_;  // of a range's 4096, those that no value has yet
  std::vector<Made> made_;
  Tensors leaves_;
};

/// A family of random cases, named after its function.
struct GradientCases {
  std::string name;
  std::function<Body(RandomCase&)> draw;
};
void PrintTo(const GradientCases& cases, std::ostream* out);

/// Draws `count` cases and compares first and second gradients with differences. What is wrong with the first that
/// fails, with its seed; "" where none does.
std::string wrong_gradient(const GradientCases& cases, int count);
/// The functions that a public header declares with a Tensor as their result, or a LossSum, in alphabetical order.
std::vector<std::string> functions_of(const std::string& header);

}  // namespace ingot::test
