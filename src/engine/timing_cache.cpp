#include "engine/timing_cache.h"

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "kernels/versions.h"

namespace ingot {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;

}  // namespace

TimingCache::TimingCache(std::optional<std::filesystem::path> path) : path_(std::move(path)) {
  if (!path_ || !std::filesystem::exists(*path_)) return;
  try {
    const Json json = Json::parse(read_file(*path_));
    CHECK(json.at("ingot_timing_cache") == kVersion, "it is of version {}, this is {}",
          json.at("ingot_timing_cache").dump(), kVersion);
    if (json.value("kernels", "") != kernels::kernels_version()) {
      log_info("{}: its times are of other kernels, all are measured again", path_->string());
      return;
    }
    for (const auto& [call, tactics] : json.at("calls").items())
      for (const auto& [tactic, seconds] : tactics.items()) seconds_[call][tactic] = seconds.get<double>();
  } catch (const Json::exception& e) {
    fail("{}: not a timing cache: {}", path_->string(), e.what());
  } catch (const Error& e) {
    fail("{}: not a timing cache: {}", path_->string(), e.what());
  }
}

std::optional<std::vector<TacticTime>> TimingCache::find(const std::string& call,
                                                         const std::vector<std::string>& tactics) const {
  const auto known = seconds_.find(call);
  if (known == seconds_.end()) return {};
  std::vector<TacticTime> times;
  for (const std::string& tactic : tactics) {
    const auto it = known->second.find(tactic);
    if (it == known->second.end()) return {};
    times.push_back({tactic, it->second});
  }
  return times;
}

void TimingCache::add(const std::string& call, const std::vector<TacticTime>& times) {
  for (const TacticTime& t : times) seconds_[call][t.tactic] = t.seconds;
  changed_ = true;
}

void TimingCache::save() const {
  if (!path_ || !changed_) return;
  write_file_atomic(
      *path_,
      Json{{"ingot_timing_cache", kVersion}, {"kernels", kernels::kernels_version()}, {"calls", seconds_}}.dump(1) +
          "\n");
}

}  // namespace ingot
