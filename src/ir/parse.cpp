#include <algorithm>

#include "ir/scanner.h"
#include "ir/text.h"
#include "ops/ops.h"

namespace ingot {
namespace {

bool is_word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool is_number_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '+' || c == '.'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
  return first == std::string_view::npos ? "" : text.substr(first, last - first + 1);
}

class Parser {
 public:
  Parser(std::string_view text, const std::map<std::string, Tensor>& data) : in_(text), data_(data) {}

  Graph run() {
    while (!in_.take("graph")) header_line();
    inputs();
    in_.expect("{");
    while (!in_.take("return")) node();
    outputs();
    in_.expect("}");
    if (!in_.at_end()) in_.refuse("there is text after the graph");
    return std::move(graph_);
  }

 private:
  void header_line() {
    if (in_.take("size")) return size_line();
    if (in_.take("const")) return constant_line();
    in_.refuse("a line begins with 'size', 'const' or 'graph'");
  }

  void size_line() {
    const std::string name(in_.run("the name of a size", is_word_char));
    SizeRange range;
    in_.expect("=");
    range.example = whole_number();
    in_.expect("in");
    range.min = whole_number();
    in_.expect("..");
    if (const auto max = in_.run_or_nothing(is_digit); !max.empty()) range.max = in_.number<int64_t>(max);
    if (examples_.contains(name)) in_.refuse("the size '{}' is given twice", name);
    in_.at_line([&] { graph_.add_size(name, range); });
    examples_[name] = range.example;
  }

  void constant_line() {
    in_.expect("@");
    const std::string name = this->name();
    in_.expect(":");
    const Spec wanted = spec();
    const auto data = data_.find(name);
    if (data == data_.end()) in_.refuse("there is no data for the constant '{}'", name);
    if (graph_.find_constant(name) != nullptr) in_.refuse("the constant '{}' is given twice", name);
    const Spec given = normalised(spec_of(data->second));
    if (!same_spec(given, wanted))
      in_.refuse("the constant '{}' is {}, its data is {}", name, to_string(wanted), to_string(given));
    in_.at_line([&] { graph_.add_constant(data->second, name); });
  }

  void inputs() {
    in_.expect("(");
    for (bool first = true; !in_.take(")"); first = false) {
      if (!first) in_.expect(",");
      in_.expect("%");
      const std::string name = this->name();
      in_.expect(":");
      const Spec spec = this->spec();
      in_.at_line([&] { graph_.add_input(name, spec); });
    }
  }

  // %a, %b | %saved = op(operands) {attributes}: specs | specs  # path
  void node() {
    std::vector<std::string> names;
    size_t visible = 0;
    do names.push_back(result_name(names));
    while (in_.take(","));
    visible = names.size();
    if (in_.take("|")) do
        names.push_back(result_name(names));
      while (in_.take(","));
    in_.expect("=");
    const OpDef& op = this->op();
    const std::vector<Value*> operands = this->operands();
    const Attrs attrs = this->attrs(op);
    in_.expect(":");
    const std::vector<Spec> specs = this->specs(visible, names.size());
    const std::string path = in_.take("#") ? name() : "";
    const Node& made = in_.at_line([&]() -> std::reference_wrapper<Node> {
      return graph_.add_node({.op = op, .inputs = operands, .attrs = attrs, .path = path, .names = names});
    });
    check_results(made, visible, specs);
  }

  std::string result_name(const std::vector<std::string>& so_far) {
    in_.expect("%");
    std::string name = this->name();
    if (graph_.find_value(name) != nullptr || std::count(so_far.begin(), so_far.end(), name) > 0)
      in_.refuse("'%{}' is made twice", name);
    return name;
  }

  const OpDef& op() {
    const auto name = in_.run("the name of an op", is_word_char);
    const OpDef* op = find_op(name);
    if (op == nullptr) in_.refuse("there is no op '{}'", name);
    return *op;
  }

  std::vector<Value*> operands() {
    std::vector<Value*> out;
    in_.expect("(");
    while (!in_.take(")")) {
      if (!out.empty()) in_.expect(",");
      out.push_back(operand());
    }
    return out;
  }

  Value* operand() {
    if (in_.take("%")) return known(name(), '%');
    if (in_.take("@")) return known(name(), '@');
    const auto word = in_.run("%value, @constant, a literal or _", is_word_char);
    return word == "_" ? nullptr : &literal(word);
  }

  Value* known(const std::string& name, char kind) {
    Value* value = kind == '%' ? graph_.find_value(name) : graph_.find_constant(name);
    if (value == nullptr) in_.refuse("'{}{}' is read before it is made", kind, name);
    return value;
  }

  Value& literal(std::string_view dtype_name) {
    const auto dtype = parse_dtype(dtype_name);
    if (!dtype) in_.refuse("'{}' is neither a value nor an element type", dtype_name);
    in_.expect("(");
    const auto text = in_.run("a number", is_number_char);
    in_.expect(")");
    return graph_.add_constant(literal_of(*dtype, text));
  }

  Tensor literal_of(DType dtype, std::string_view text) const {
    const auto checked = [&](Tensor x) {
      const std::string back = literal_text(x), wanted = fmt::format("{}({})", name_of(dtype), text);
      if (!is_floating(dtype) && back != wanted) in_.refuse("{} does not fit its type", wanted);
      return x;
    };
    if (dtype == DType::boolean) {
      if (text != "true" && text != "false") in_.refuse("'{}' is neither true nor false", text);
      return scalar(text == "true", dtype);
    }
    if (dtype == DType::f64) return scalar(in_.number<double>(text), dtype);
    if (is_floating(dtype)) return scalar(static_cast<double>(in_.number<float>(text)), dtype);
    if (dtype == DType::i64) return from_vector<int64_t>({in_.number<int64_t>(text)}, {});
    return checked(scalar(static_cast<double>(in_.number<int32_t>(text)), dtype));
  }

  Attrs attrs(const OpDef& op) {
    if (!in_.take("{")) return {};
    const auto text = in_.until("}");
    in_.expect("}");
    if (op.attrs == nullptr) in_.refuse("[{}] has no attributes", op.name);
    return in_.at_line([&] { return parse_attrs(*op.attrs, text, examples_); });
  }

  std::vector<Spec> specs(size_t visible, size_t count) {
    std::vector<Spec> out;
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) in_.expect(i == visible ? "|" : ",");
      out.push_back(spec());
    }
    return out;
  }

  void check_results(const Node& node, size_t visible, const std::vector<Spec>& specs) const {
    if (node.visible != visible || specs.size() > node.outputs.size())
      in_.refuse("[{}] gives {} results and {} saved values", node.op->name, node.visible,
                 node.outputs.size() - node.visible);
    for (size_t i = 0; i < specs.size(); ++i)
      if (!same_spec(specs[i], node.result(i).spec))
        in_.refuse("'%{}' is written as {}, it is {}", node.result(i).name, to_string(specs[i]),
                   to_string(node.result(i).spec));
  }

  void outputs() {
    if (in_.take("}")) in_.refuse("the graph returns nothing");
    do {
      Value* value = operand();
      if (value == nullptr) in_.refuse("an output cannot be absent");
      const std::string name = in_.take("as") ? this->name() : "";
      in_.at_line([&] { graph_.add_output(*value, name); });
    } while (in_.take(","));
  }

  Spec spec() {
    const auto dtype_name = in_.run("an element type", is_word_char);
    const auto dtype = parse_dtype(dtype_name);
    if (!dtype) in_.refuse("'{}' is not an element type", dtype_name);
    Spec out{.shape = {}, .dtype = *dtype};
    in_.expect("[");
    if (!in_.take("]")) {
      do {
        const Dim d = dim(trimmed(in_.until(",]")));
        in_.at_line([&] { out.shape.push_back(d); });
      } while (in_.take(","));
      in_.expect("]");
    }
    out.layout = default_layout(out.shape.size());
    if (in_.take("row_major"))
      out.layout = Layout::row_major;
    else if (in_.take("channels_last"))
      out.layout = Layout::channels_last;
    if (out.layout == Layout::channels_last && out.shape.size() != 4)
      in_.refuse("only 4-D shapes can be channels_last");
    return normalised(out);
  }

  Dim dim(std::string_view text) const {
    constexpr size_t kLongest = 256;
    if (text.size() > kLongest) in_.refuse("a size of {} characters", text.size());
    const Dim d = in_.at_line([&] { return parse_dim(text, examples_); });
    if (d.is_number() && d.value() < 0) in_.refuse("a size is {}", d.value());
    return d;
  }

  std::string name() {
    std::string out = in_.take("\"") ? in_.quoted() : std::string(in_.run("a name", is_bare_name_char));
    if (out.empty()) in_.refuse("a name is empty");
    return out;
  }
  int64_t whole_number() { return in_.number<int64_t>(in_.run("a whole number", is_digit)); }

  Scanner in_;
  const std::map<std::string, Tensor>& data_;
  SymbolValues examples_;
  Graph graph_;
};

}  // namespace

Graph parse_graph(std::string_view text, const std::map<std::string, Tensor>& data) { return Parser(text, data).run(); }

}  // namespace ingot
