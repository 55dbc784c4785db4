#include "runtime/plan_bytes.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "ops/ops.h"

namespace ingot {
namespace {

static_assert(std::endian::native == std::endian::little, "engine files are little-endian");

constexpr size_t kLongestText = 4096;  // of a size or of attributes, for which the time to parse may grow faster

template <class T>
concept Number = std::is_arithmetic_v<T>;

/// Appends to a string of bytes. The functions `pass` below serve both ways.
class Writer {
 public:
  void pass(const Number auto& value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void pass(const std::string& text) {
    pass(static_cast<uint32_t>(text.size()));
    bytes += text;
  }
  template <class T>
  void pass(const std::vector<T>& items, auto&& each) {
    pass(static_cast<uint32_t>(items.size()));
    for (const T& item : items) each(const_cast<T&>(item));
  }

  std::string bytes;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  void pass(Number auto& value) { std::memcpy(&value, take(sizeof value), sizeof value); }
  void pass(std::string& text) {
    const size_t size = count();
    text.assign(reinterpret_cast<const char*>(take(size)), size);
  }
  template <class T>
  void pass(std::vector<T>& items, auto&& each) {
    const size_t size = count();
    for (size_t i = 0; i < size; ++i) each(items.emplace_back());
  }
  bool at_end() const { return bytes_.empty(); }

 private:
  // No item takes less than a byte, so that a count beyond the bytes which are left is refused before they are read.
  size_t count() {
    uint32_t n = 0;
    pass(n);
    CHECK(n <= bytes_.size(), "the plan ends too early");
    return n;
  }
  const std::byte* take(size_t size) {
    CHECK(size <= bytes_.size(), "the plan ends too early");
    const std::byte* at = bytes_.data();
    bytes_ = bytes_.subspan(size);
    return at;
  }

  std::span<const std::byte> bytes_;
};

template <class Archive>
constexpr bool kReads = std::is_same_v<Archive, Reader>;

/// Something that is kept as text: `print` gives it, `parse` takes it.
template <class Archive>
void pass_text(Archive& a, auto&& print, auto&& parse) {
  std::string text;
  if constexpr (!kReads<Archive>) text = print();
  a.pass(text);
  CHECK(text.size() <= kLongestText, "a text of {} bytes is too long", text.size());
  if constexpr (kReads<Archive>) parse(text);
}

template <class Archive, class E>
void pass_enum(Archive& a, E& value, uint8_t most) {
  auto number = static_cast<uint8_t>(value);
  a.pass(number);
  CHECK(number <= most, "{} is outside an enumeration of {}", number, most + 1);
  value = static_cast<E>(number);
}

template <class Archive>
class PlanArchive {
 public:
  explicit PlanArchive(Archive& archive) : a_(archive) {}

  // The order of the fields in the file.
  void pass(Plan& p) {
    a_.pass(p.built_for.cpu);
    a_.pass(p.built_for.isa);
    a_.pass(p.built_for.threads);
    a_.pass(p.sizes, [&](PlanSize& s) { pass(s); });
    for (const PlanSize& s : p.sizes) examples_[s.name] = s.example;
    a_.pass(p.weights, [&](PlanWeight& w) { pass(w); });
    a_.pass(p.tensors, [&](PlanTensor& t) { pass(t); });
    pass(p.inputs);
    a_.pass(p.steps, [&](PlanStep& s) { pass(s); });
    a_.pass(p.outputs, [&](PlanOutput& o) {
      a_.pass(o.name);
      a_.pass(o.tensor);
    });
    pass(p.preprocessing);
    a_.pass(p.class_names, [&](std::string& name) { a_.pass(name); });
  }

 private:
  void pass(PlanSize& s) {
    a_.pass(s.name);
    a_.pass(s.example);
    a_.pass(s.min);
    a_.pass(s.max);
  }
  void pass(PlanWeight& w) {
    a_.pass(w.name);
    a_.pass(w.form);
    a_.pass(w.offset);
    a_.pass(w.bytes);
    a_.pass(w.hash);
  }
  void pass(PlanTensor& t) {
    a_.pass(t.name);
    pass_enum(a_, t.spec.dtype, static_cast<uint8_t>(DType::boolean));
    pass_enum(a_, t.spec.layout, static_cast<uint8_t>(Layout::channels_last));
    pass(t.spec.shape);
    pass_enum(a_, t.home, static_cast<uint8_t>(Home::computed));
    a_.pass(t.weight);
    a_.pass(t.part_of);
  }
  void pass(Shape& shape) {
    std::vector<Dim> dims(shape.begin(), shape.end());
    a_.pass(dims, [&](Dim& d) {
      pass_text(a_, [&] { return d.str(); }, [&](const std::string& text) { d = parse_dim(text, examples_); });
    });
    if constexpr (kReads<Archive>) {
      CHECK(dims.size() <= kMaxRank, "a shape has {} dimensions", dims.size());
      shape = Shape(std::span<const Dim>(dims));
    }
  }
  void pass(std::vector<TensorId>& ids) {
    a_.pass(ids, [&](TensorId& id) { a_.pass(id); });
  }
  void pass(PlanStep& s) {
    pass_text(
        a_, [&] { return std::string(s.op->name); },
        [&](const std::string& name) {
          s.op = find_op(name);
          CHECK(s.op != nullptr, "there is no op '{}'", name);
        });
    pass_text(
        a_, [&] { return to_string(s.attrs); },
        [&](const std::string& text) {
          CHECK(s.op->attrs != nullptr || text.empty(), "[{}] takes no attributes", s.op->name);
          if (s.op->attrs != nullptr) s.attrs = parse_attrs(*s.op->attrs, text, examples_);
        });
    pass(s.operands);
    pass(s.results);
    a_.pass(s.tactic);
    a_.pass(s.path);
  }
  void pass(Preprocessing& p) {
    a_.pass(p.channels);
    a_.pass(p.scale);
    for (auto* list : {&p.mean, &p.std}) a_.pass(*list, [&](double& v) { a_.pass(v); });
    for (auto* list : {&p.resize, &p.center_crop}) a_.pass(*list, [&](int64_t& v) { a_.pass(v); });
  }

  Archive& a_;
  SymbolValues examples_;
};

}  // namespace

std::string to_bytes(const Plan& plan) {
  Writer writer;
  PlanArchive(writer).pass(const_cast<Plan&>(plan));  // which only reads it
  return std::move(writer.bytes);
}

Plan plan_from_bytes(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  Plan plan;
  PlanArchive(reader).pass(plan);
  CHECK(reader.at_end(), "the plan is followed by other bytes");
  return plan;
}

}  // namespace ingot
