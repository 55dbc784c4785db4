#include "ops/random_case.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <regex>
#include <set>
#include <sstream>

#include "autograd/op_def.h"

namespace ingot::test {
namespace {

constexpr int kCells = 4096;
constexpr int64_t kMostElements = 40, kMostSize = 5;

uint64_t hash(const std::string& name) {
  return std::accumulate(name.begin(), name.end(), uint64_t{14695981039346656037U},
                         [](uint64_t h, char c) { return (h ^ static_cast<unsigned char>(c)) * 1099511628211U; });
}

std::vector<int64_t> places(int64_t rank) {
  std::vector<int64_t> out(static_cast<size_t>(rank));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

/// The ops and attributes that a case comes down to, as far as it runs.
std::string ops_of(const RandomCase& drawn, const Body& body) {
  struct CalledOps : Recorder {
    void record(const Call& call) override {
      text += fmt::format(" {}({})", call.op.name, call.attrs ? to_string(call.attrs) : "");
    }
    std::string text;
  } called;
  const RecorderScope scope(called);
  try {
    if (body) body(drawn.operands(drawn.leaves()));
  } catch (const Error&) {
    called.text += " ...";
  }
  return called.text;
}

}  // namespace

RandomCase::RandomCase(const std::string& name, uint64_t seed) : random_(hash(name) + seed), cells_(kCells) {
  std::iota(cells_.begin(), cells_.end(), 0);
}

int64_t RandomCase::number(int64_t low, int64_t high) {
  return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
}

Shape RandomCase::shape(int64_t least_rank, int64_t most_rank) {
  Shape out;
  int64_t left = kMostElements;
  for (int64_t rank = number(least_rank, most_rank); rank > 0; --rank) {
    out.push_back(chance(20) ? 1 : number(1, std::min(kMostSize, left)));
    left /= out.back().value();
  }
  return out;
}

Shape RandomCase::broadcast(const Shape& shape) {
  Shape out;
  const bool leading = chance(30);
  for (size_t d = leading ? static_cast<size_t>(number(0, static_cast<int64_t>(shape.size()))) : 0; d < shape.size();
       ++d)
    out.push_back(chance(25) ? Dim(1) : shape[d]);
  return out;
}

std::vector<int64_t> RandomCase::dims(int64_t rank) {
  std::vector<int64_t> all = places(rank);
  std::shuffle(all.begin(), all.end(), random_);
  all.resize(static_cast<size_t>(number(0, rank)));
  for (int64_t& d : all)
    if (chance(30)) d -= rank;
  return all;
}

/// Multiples of 1/32 of a cell: f32 holds them too.
Tensor RandomCase::values(const Shape& shape, Range range) {
  std::vector<double> out(static_cast<size_t>(numel(shape).value()));
  for (double& v : out) {
    std::swap(cells_.at(static_cast<size_t>(number(0, static_cast<int64_t>(cells_.size()) - 1))), cells_.back());
    v = range.low + (cells_.back() + 0.5 + static_cast<double>(number(-4, 4)) / 32) * range.step();
    cells_.pop_back();
  }
  return from_vector(out, shape);
}

/// How a tensor of this shape lies in a larger buffer, whose shape this decides.
RandomCase::View RandomCase::arrangement(const Shape& shape, Shape& buffer) {
  const auto rank = static_cast<int64_t>(shape.size());
  std::vector<int64_t> order = places(rank), inverse = order;
  if (chance()) std::shuffle(order.begin(), order.end(), random_);
  for (int64_t d = 0; d < rank; ++d) inverse[static_cast<size_t>(order[static_cast<size_t>(d)])] = d;
  buffer = {};
  for (const int64_t d : order) buffer.push_back(shape[static_cast<size_t>(d)]);
  if (rank == 0) return [](const Tensor& x) { return x; };
  const int64_t cut = number(0, rank - 1), size = buffer[static_cast<size_t>(cut)].value();
  const int64_t start = chance(60) ? 0 : number(0, 1), step = chance(60) ? 1 : number(2, 3);
  const int64_t end = start + (size - 1) * step + 1;
  buffer[static_cast<size_t>(cut)] = end + number(0, 1);
  return [=](const Tensor& x) { return permute(slice(x, cut, start, end, step), inverse); };
}

Operand RandomCase::operand(const Shape& shape, Range range) {
  Shape small = shape, buffer;
  if (chance(15))
    for (Dim& d : small)
      if (chance()) d = 1;
  const View lies = arrangement(small, buffer);
  Tensor base = values(buffer, range);
  if (buffer.size() == 4 && chance()) {
    Tensor other = empty(buffer, DType::f64, Layout::row_major);
    copy_into(other, base);
    base = other;
  }
  Made made{.view = [=](const Tensor& x) { return expand(x, shape); }};
  if (chance(30))
    made.view = [=](const Tensor& x) { return expand(lies(x), shape); };
  else
    base = detach(lies(base));
  if (chance(85)) {
    made.leaf = leaves_.size();
    leaves_.push_back(base);
  } else {
    made.constant = base;
  }
  made_.push_back(made);
  return {made_.size() - 1};
}

Operand RandomCase::maybe_operand(const Shape& shape, Range range) {
  return chance(70) ? operand(shape, range) : Operand{.given = false};
}

Tensor RandomCase::indices(const Shape& shape, int64_t below, int64_t low) {
  Shape buffer;
  const View lies = arrangement(shape, buffer);
  std::vector<int64_t> out(static_cast<size_t>(numel(buffer).value()));
  for (int64_t& v : out) v = number(low, below - 1);
  return lies(from_vector(out, buffer));
}

Tensor RandomCase::booleans(const Shape& shape) { return indices(shape, 2) > 0.0; }
Tensor RandomCase::signs(const Shape& shape) { return cast(indices(shape, 2) * 2.0 - 1.0, DType::f64); }

Operands RandomCase::operands(const Tensors& leaves) const {
  Tensors all;
  for (const Made& x : made_) all.push_back(x.view(x.constant.defined() ? x.constant : leaves.at(x.leaf)));
  return Operands(all);
}

std::string RandomCase::text() const {
  const Operands all = operands(leaves_);
  std::ostringstream out;
  for (size_t i = 0; i < made_.size(); ++i) {
    const Tensor& x = all[{i}];
    out << (i > 0 ? ", " : "") << (made_[i].constant.defined() ? "constant " : "") << to_string(x.shape())
        << " in steps of " << testing::PrintToString(std::vector(x.strides().begin(), x.strides().end()));
  }
  return out.str();
}

void PrintTo(const GradientCases& cases, std::ostream* out) { *out << cases.name; }

std::string wrong_gradient(const GradientCases& cases, int count) {
  // A power of 2 as eps, so that nothing is rounded on the way to either side of a value.
  constexpr GradcheckOptions kOptions{.eps = 0x1p-17, .atol = 1e-6, .rtol = 1e-5, .second = true};
  for (int seed = 0; seed < count; ++seed) {
    RandomCase drawn(cases.name, static_cast<uint64_t>(seed));
    Body body;
    try {
      body = cases.draw(drawn);
      const auto run = [&](const Tensors& in) { return Tensors{body(drawn.operands(in))}; };
      if (!drawn.leaves().empty()) gradcheck(run, drawn.leaves(), kOptions);
    } catch (const Error& error) {
      return fmt::format("{}, seed {}: {}\nof{}\non {}", cases.name, seed, error.what(), ops_of(drawn, body),
                         drawn.text());
    }
  }
  return "";
}

std::vector<std::string> functions_of(const std::string& header) {
  std::ifstream file(std::string(INGOT_SOURCE_DIR "/include/ingot/") + header);
  const std::regex declaration(R"(^(?:Tensor|LossSum|BatchNormResult) (\w+)\()");
  std::set<std::string> names;
  std::smatch match;
  for (std::string line; std::getline(file, line);)
    if (std::regex_search(line, match, declaration)) names.insert(match[1]);
  return {names.begin(), names.end()};
}

}  // namespace ingot::test
