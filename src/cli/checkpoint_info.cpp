#include "cli/checkpoint_info.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/convert.h"
#include "base/file.h"
#include "base/visit_dtype.h"
#include "cli/output.h"
#include "diagnose/html.h"
#include "io/torch_format.h"
#include "tensor/each_element.h"
#include "tensor/impl.h"

namespace ingot::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Statistics {
  double min = std::numeric_limits<double>::infinity(), max = -min, sum = 0;
  int64_t finite = 0, other = 0;
};

Statistics statistics(const Tensor& x) {
  Statistics s;
  visit_dtype(x.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* const data = x.data<T>();
    each_element(array_of(x), [&](int64_t, int64_t at) {
      const double v = convert<double>(data[at]);
      if (!std::isfinite(v)) {
        ++s.other;
        return;
      }
      s.min = std::min(s.min, v), s.max = std::max(s.max, v), s.sum += v;
      ++s.finite;
    });
  });
  return s;
}

Json tensor_info(const std::string& name, const Tensor& x) {
  const Statistics s = statistics(x);
  const auto known = [&](double v) { return s.finite > 0 ? Json(v) : Json(nullptr); };
  Json shape = Json::array();
  for (const Dim d : x.shape()) shape.push_back(d.value());
  return {{"name", name},         {"dtype", name_of(x.dtype())},
          {"shape", shape},       {"min", known(s.min)},
          {"max", known(s.max)},  {"mean", known(s.sum / static_cast<double>(std::max<int64_t>(s.finite, 1)))},
          {"not_finite", s.other}};
}

std::string cell(const Json& value) { return value.is_null() ? "-" : html::number(value.get<double>()); }

/// A number or text in words; "" for what is neither.
struct Words {
  std::string operator()(bool b) const { return b ? "True" : "False"; }
  std::string operator()(int64_t number) const { return std::to_string(number); }
  std::string operator()(double number) const { return fmt::format("{}", number); }
  std::string operator()(const std::string& text) const { return text; }
  std::string operator()(std::monostate) const { return "None"; }
  std::string operator()(const auto&) const { return ""; }
};

/// What a dict says besides tensors, by dotted paths. Lists are left out: they are long.
void collect_metadata(const TorchValue& value, const std::string& path, std::map<std::string, std::string>& out) {
  if (const auto* const dict = value.get_if<TorchValue::Dict>()) {
    for (const auto& [key, item] : dict->entries) {
      const auto* const number = std::get_if<int64_t>(&key);
      const std::string name = number != nullptr ? std::to_string(*number) : std::get<std::string>(key);
      collect_metadata(item, path.empty() ? name : fmt::format("{}.{}", path, name), out);
    }
  } else if (const std::string text = std::visit(Words(), value.data()); !text.empty()) {
    out.emplace(path, text);
  }
}

FileKind kind_of(const std::filesystem::path& path) { return file_kind(MappedFile(path).bytes()); }

}  // namespace

bool is_checkpoint(const std::filesystem::path& path) {
  const std::string ending = path.extension().string();
  if (ending == ".safetensors" || ending == ".pth" || ending == ".pt") return true;
  return std::filesystem::is_regular_file(path) && kind_of(path) != FileKind::other;
}

CheckpointContent read_checkpoint(const std::filesystem::path& path, bool verify) {
  const FileKind kind = kind_of(path);
  if (kind == FileKind::zip || kind == FileKind::legacy) {
    const TorchValue value = load_torch(path, {.verify = verify});
    CheckpointContent content{.format = "torch", .tensors = tensors_of(value)};
    collect_metadata(value, "", content.metadata);
    return content;
  }
  Safetensors file = load_safetensors(path);
  if (verify) verify_content_hash(file, path);
  return {.format = "safetensors", .tensors = std::move(file.tensors), .metadata = std::move(file.metadata)};
}

Json checkpoint_info(const std::filesystem::path& path, bool verify) {
  const CheckpointContent content = read_checkpoint(path, verify);
  Json tensors = Json::array();
  for (const auto& [name, tensor] : content.tensors) tensors.push_back(tensor_info(name, tensor));
  return {{"file", path.string()}, {"format", content.format}, {"metadata", content.metadata}, {"tensors", tensors}};
}

std::string checkpoint_text(const Json& info) {
  std::vector<std::vector<std::string>> rows{{"tensor", "dtype", "shape", "min", "max", "mean", "not finite"}};
  for (const Json& t : info.at("tensors"))
    rows.push_back({t.at("name"), t.at("dtype"), t.at("shape").dump(), cell(t.at("min")), cell(t.at("max")),
                    cell(t.at("mean")), t.at("not_finite").dump()});
  std::string out = table(rows) + fmt::format("{} tensors\n", rows.size() - 1);
  for (const auto& [key, value] : info.at("metadata").items()) {
    constexpr size_t kShown = 100;
    const std::string text = value.get<std::string>();
    out += fmt::format("{}: {}{}\n", key, text.substr(0, kShown), text.size() > kShown ? "..." : "");
  }
  return out;
}

}  // namespace ingot::cli
