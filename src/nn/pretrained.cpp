#include "nn/pretrained.h"

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "ingot/io.h"

namespace ingot {
namespace {

/// The first names of a list, and how many more there are.
std::string some(const std::vector<std::string>& names) {
  constexpr size_t kMost = 20;
  if (names.size() <= kMost) return join(names, ", ");
  return fmt::format("{} and {} more", join(std::span(names).first(kMost), ", "), names.size() - kMost);
}

std::vector<std::string> names_of(const TensorMap& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

/// The tensors below `prefix`, without it; a "." at its end may be left out.
TensorMap below(const TensorMap& tensors, std::string prefix, const std::string& file) {
  if (prefix.empty()) return tensors;
  if (!prefix.ends_with('.')) prefix += '.';
  TensorMap found;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix)) found.emplace(name.substr(prefix.size()), tensor);
  CHECK(!found.empty(), "{}: has no tensor below the prefix '{}'; its tensors are {}", file, prefix,
        some(names_of(tensors)));
  return found;
}

struct Comparison {
  TensorsByName fitting;
  std::vector<std::string> missing, unexpected, shapes;

  /// One line each of what does not fit.
  std::vector<std::string> differences() const {
    std::vector<std::string> lines;
    if (!missing.empty()) lines.push_back("not in the file: " + some(missing));
    if (!unexpected.empty()) lines.push_back("not in the module: " + some(unexpected));
    if (!shapes.empty()) lines.push_back("of another shape: " + some(shapes));
    return lines;
  }
};

Comparison compare(const Module& module, const TensorMap& tensors) {
  Comparison c;
  TensorMap left = tensors;
  for (const auto& [name, own] : module.state_dict()) {
    const auto it = left.find(name);
    if (it == left.end()) {
      c.missing.push_back(name);
      continue;
    }
    const Shape &there = it->second.shape(), &here = own.shape();
    if (there == here)
      c.fitting.emplace_back(name, it->second);
    else
      c.shapes.push_back(fmt::format("{} is {} there, {} here", name, to_string(there), to_string(here)));
    left.erase(it);
  }
  c.unexpected = names_of(left);
  return c;
}

}  // namespace

std::set<std::string> load_pretrained(Module& module, const PretrainedInit& from) {
  const std::string file = from.checkpoint.string();
  const TensorMap tensors = below(load_checkpoint_tensors(from.checkpoint), from.prefix, file);
  const Comparison c = compare(module, tensors);
  CHECK(!c.fitting.empty(), "{}: none of its tensors fits {}; {}", file, module.type_name(),
        join(c.differences(), "; "));
  module.load_state_dict(c.fitting, false);
  log_info("{}: tensors loaded into {}: {}", file, module.type_name(), c.fitting.size());
  for (const std::string& line : c.differences()) log_warning("{}: left out as {}", file, line);

  std::set<std::string> loaded;
  for (const auto& [name, tensor] : c.fitting) loaded.insert(name);
  return loaded;
}

}  // namespace ingot
