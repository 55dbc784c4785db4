#include "io/pickle.h"

#include "base/check.h"
#include "io/byte_reader.h"
#include "io/pickle_globals.h"
#include "io/utf8.h"

namespace ingot::pickle {
namespace {

constexpr int kNewestProtocol = 5;

/// pickletools' names. The opcodes of protocols 0 and 1 that are text, and those that run code by another road than a
/// global's name (INST, OBJ, EXT), are not among them.
enum Op : uint8_t {
  kMark = '(',
  kStop = '.',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kBinFloat = 'G',
  kBinUnicode = 'X',
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinString = 'T',
  kShortBinString = 'U',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kBinBytes8 = 0x8e,
  kByteArray8 = 0x96,
  kEmptyList = ']',
  kEmptyTuple = ')',
  kEmptyDict = '}',
  kEmptySet = 0x8f,
  kAppend = 'a',
  kAppends = 'e',
  kAddItems = 0x90,
  kSetItem = 's',
  kSetItems = 'u',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kBinPut = 'q',
  kLongBinPut = 'r',
  kMemoize = 0x94,
  kBinGet = 'h',
  kLongBinGet = 'j',
  kGlobal = 'c',
  kStackGlobal = 0x93,
  kReduce = 'R',
  kNewObj = 0x81,
  kBuild = 'b',
  kBinPersId = 'Q',
  kProto = 0x80,
  kFrame = 0x95,
};

class Machine {
 public:
  explicit Machine(std::span<std::byte> bytes) : in_(bytes) {}

  Pickle run() {
    for (;;) {
      op_at_ = in_.at();
      const auto op = in_.number<uint8_t>();
      if (op == kStop) break;
      const bool known = header(op) || constant(op) || number(op) || text(op) || memo(op) || collect(op) || make(op);
      CHECK(known, "opcode 0x{:02x} is not one of a checkpoint", op);
    }
    CHECK(stack_.size() == 1 && marks_.empty(), "it ends with {} values and {} marks on the stack, not one value",
          stack_.size(), marks_.size());
    builder_.out.root = stack_.back();
    builder_.out.bytes = in_.at();
    return std::move(builder_.out);
  }
  size_t op_at() const { return op_at_; }

 private:
  // ---- The stack. Nothing below the last mark is within reach.

  void push(Value value) { stack_.push_back(builder_.add(std::move(value))); }
  void need(size_t count) const {
    const size_t reach = stack_.size() - (marks_.empty() ? 0 : marks_.back());
    CHECK(reach >= count, "{} values are wanted from the stack, it has {}", count, reach);
  }
  Ref top() const { return need(1), stack_.back(); }
  Ref pop() {
    const Ref ref = top();
    stack_.pop_back();
    return ref;
  }
  std::vector<Ref> pop_many(size_t count) {
    need(count);
    const auto from = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<Ref> out(from, stack_.end());
    stack_.erase(from, stack_.end());
    return out;
  }
  std::vector<Ref> pop_mark() {
    CHECK(!marks_.empty(), "there is no mark on the stack");
    auto out = pop_many(stack_.size() - marks_.back());
    marks_.pop_back();
    return out;
  }
  template <class T>
  T& top_as(std::string_view what) {
    builder_.get<T>(top(), what);
    return std::get<T>(builder_.out.values[top()]);
  }

  // ---- Opcodes, by what they do. Each function says whether the opcode is one of its own.

  bool header(uint8_t op) {
    if (op == kProto) {
      const auto protocol = in_.number<uint8_t>();
      CHECK(protocol <= kNewestProtocol, "it is of protocol {}, {} is the newest", protocol, kNewestProtocol);
    } else if (op == kFrame) {
      const auto bytes = in_.number<uint64_t>();
      CHECK(bytes <= in_.left(), "a frame has {} bytes, {} are left: it is truncated", bytes, in_.left());
    } else {
      return false;
    }
    return true;
  }

  bool constant(uint8_t op) {
    switch (op) {
      case kNone:
        return push(std::monostate()), true;
      case kNewTrue:
        return push(true), true;
      case kNewFalse:
        return push(false), true;
      case kEmptyList:
      case kEmptySet:
        return push(List()), true;
      case kEmptyTuple:
        return push(Tuple()), true;
      case kEmptyDict:
        return push(Dict()), true;
      default:
        return false;
    }
  }

  bool number(uint8_t op) {
    switch (op) {
      case kBinInt:
        return push(int64_t{in_.number<int32_t>()}), true;
      case kBinInt1:
        return push(int64_t{in_.number<uint8_t>()}), true;
      case kBinInt2:
        return push(int64_t{in_.number<uint16_t>()}), true;
      case kLong1:
        return push(whole_number(in_.number<uint8_t>())), true;
      case kLong4:
        return push(whole_number(in_.number<uint32_t>())), true;
      case kBinFloat:
        return push(std::bit_cast<double>(__builtin_bswap64(in_.number<uint64_t>()))), true;
      default:
        return false;
    }
  }
  /// Little-endian two's complement of any length.
  int64_t whole_number(uint64_t length) {
    const std::string_view bytes = in_.text(length);
    const int64_t sign = !bytes.empty() && static_cast<signed char>(bytes.back()) < 0 ? -1 : 0;
    int64_t value = sign;
    std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
    bool fits = bytes.size() <= sizeof value || (value < 0) == (sign < 0);
    for (size_t i = sizeof value; i < bytes.size(); ++i) fits &= bytes[i] == static_cast<char>(sign);
    CHECK(fits, "a whole number has {} bytes, at most 8 are supported", length);
    return value;
  }

  bool text(uint8_t op) {
    switch (op) {
      case kShortBinUnicode:
        return push_unicode(in_.number<uint8_t>()), true;
      case kBinUnicode:
        return push_unicode(in_.number<uint32_t>()), true;
      case kBinUnicode8:
        return push_unicode(in_.number<uint64_t>()), true;
      case kShortBinString:
      case kShortBinBytes:
        return push(utf8_of_bytes(in_.text(in_.number<uint8_t>()))), true;
      case kBinString:
      case kBinBytes:
        return push(utf8_of_bytes(in_.text(in_.number<uint32_t>()))), true;
      case kBinBytes8:
      case kByteArray8:
        return push(utf8_of_bytes(in_.text(in_.number<uint64_t>()))), true;
      default:
        return false;
    }
  }
  void push_unicode(uint64_t length) {
    const std::string_view text = in_.text(length);
    CHECK(is_utf8(text), "text is not UTF-8");
    push(std::string(text));
  }

  bool memo(uint8_t op) {
    switch (op) {
      case kBinPut:
        return put(in_.number<uint8_t>()), true;
      case kLongBinPut:
        return put(in_.number<uint32_t>()), true;
      case kMemoize:
        return put(memo_.size()), true;
      case kBinGet:
        return get(in_.number<uint8_t>()), true;
      case kLongBinGet:
        return get(in_.number<uint32_t>()), true;
      default:
        return false;
    }
  }
  void put(size_t place) {
    CHECK(place < kMaxMemo, "place {} of the memo is too high, at most {} are supported", place, kMaxMemo);
    if (place >= memo_.size()) memo_.resize(place + 1, kNothing);
    memo_[place] = top();
  }
  void get(size_t place) {
    CHECK(place < memo_.size() && memo_[place] != kNothing, "place {} of the memo is empty", place);
    stack_.push_back(memo_[place]);
  }

  bool collect(uint8_t op) {
    switch (op) {
      case kMark:
        CHECK(marks_.size() < kMaxMarks, "it is nested deeper than {} levels", kMaxMarks);
        return marks_.push_back(stack_.size()), true;
      case kTuple:
        return push(Tuple{pop_mark()}), true;
      case kTuple1:
        return push(Tuple{pop_many(1)}), true;
      case kTuple2:
        return push(Tuple{pop_many(2)}), true;
      case kTuple3:
        return push(Tuple{pop_many(3)}), true;
      case kAppend:
        return append(pop_many(1)), true;
      case kAppends:
      case kAddItems:
        return append(pop_mark()), true;
      case kSetItem:
        return set_items(pop_many(2)), true;
      case kSetItems:
        return set_items(pop_mark()), true;
      default:
        return false;
    }
  }
  void append(const std::vector<Ref>& items) {
    auto& list = top_as<List>("what is appended to").items;
    list.insert(list.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<Ref>& items) {
    auto& dict = top_as<Dict>("what an item is set of").entries;
    CHECK(items.size() % 2 == 0, "{} keys and values are set, one is missing", items.size());
    for (size_t i = 0; i < items.size(); i += 2) {
      builder_.check_key(items[i]);
      dict.emplace_back(items[i], items[i + 1]);
    }
  }

  bool make(uint8_t op) {
    switch (op) {
      case kGlobal: {
        const std::string_view module = in_.line(), name = in_.line();
        return push_global(module, name), true;
      }
      case kStackGlobal: {
        const Ref name = pop(), module = pop();
        const auto& in = builder_.get<std::string>(module, "the module of a global");
        push_global(in, builder_.get<std::string>(name, "the name of a global"));
        return true;
      }
      case kReduce:
      case kNewObj:
        return call(), true;
      case kBuild:
        return build(), true;
      case kBinPersId:
        return stack_.push_back(builder_.storage(pop())), true;
      default:
        return false;
    }
  }
  void push_global(std::string_view module, std::string_view name) {
    const std::string full = fmt::format("{}.{}", module, name);
    const Global* const global = find_global(full);
    CHECK(global != nullptr, "it names '{}', which is not one of the types of a checkpoint; nothing of it was run",
          shown(full));
    push(global);
  }
  void call() {
    const Ref args = pop();
    const Global& global = *builder_.get<const Global*>(pop(), "what is called");
    const auto& given = builder_.get<Tuple>(args, "the arguments of a call").items;
    CHECK(given.size() <= kMaxArguments, "{} is called with {} arguments", global.name, given.size());
    const std::vector<Ref> copy = given;  // the call adds values, which moves all
    stack_.push_back(builder_.call(global, copy));
  }
  /// Sets attributes of an object, of which dicts alone have any here (a state_dict's _metadata): they are dropped.
  void build() {
    pop();
    top_as<Dict>("what attributes are set of");
  }

  static constexpr size_t kMaxArguments = 8;
  static constexpr Ref kNothing = static_cast<Ref>(-1);
  ByteReader in_;
  size_t op_at_ = 0;
  Builder builder_;
  std::vector<Ref> stack_, memo_;
  std::vector<size_t> marks_;
};

}  // namespace

Pickle read_pickle(std::span<std::byte> bytes, const std::string& what) {
  Machine machine(bytes);
  try {
    return machine.run();
  } catch (const Error& error) {
    fail("{}: the pickle, byte {}: {}", what, machine.op_at(), error.what());
  }
}

}  // namespace ingot::pickle
