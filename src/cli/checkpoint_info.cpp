#include "cli/checkpoint_info.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/output.h"
#include "diagnose/html.h"
#include "ingot/io.h"

namespace ingot::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Statistics {
  double min = std::numeric_limits<double>::infinity(), max = -min, sum = 0;
  int64_t finite = 0, other = 0;
};

Statistics statistics(const Tensor& x) {
  Statistics s;
  for (const double v : x.to_vector<double>()) {
    if (!std::isfinite(v)) {
      ++s.other;
      continue;
    }
    s.min = std::min(s.min, v), s.max = std::max(s.max, v), s.sum += v;
    ++s.finite;
  }
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

}  // namespace

Json checkpoint_info(const std::filesystem::path& path, bool verify) {
  const Safetensors file = load_safetensors(path);
  if (verify) verify_content_hash(file, path);
  Json tensors = Json::array();
  for (const auto& [name, tensor] : file.tensors) tensors.push_back(tensor_info(name, tensor));
  return {{"file", path.string()}, {"metadata", file.metadata}, {"tensors", tensors}};
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
