#include "engine/timing_cache.h"

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/file.h"

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
    for (const auto& [call, tactics] : json.at("calls").items())
      for (const auto& [tactic, seconds] : tactics.items()) times_[call].push_back({tactic, seconds.get<double>()});
  } catch (const Json::exception& e) {
    fail("{}: not a timing cache: {}", path_->string(), e.what());
  } catch (const Error& e) {
    fail("{}: not a timing cache: {}", path_->string(), e.what());
  }
}

const std::vector<TacticTime>* TimingCache::find(const std::string& call) const {
  const auto it = times_.find(call);
  return it == times_.end() ? nullptr : &it->second;
}

void TimingCache::add(const std::string& call, std::vector<TacticTime> times) {
  times_[call] = std::move(times);
  changed_ = true;
}

void TimingCache::save() const {
  if (!path_ || !changed_) return;
  Json calls = Json::object();
  for (const auto& [call, times] : times_)
    for (const TacticTime& t : times) calls[call][t.tactic] = t.seconds;
  write_file_atomic(*path_, Json{{"ingot_timing_cache", kVersion}, {"calls", calls}}.dump(1) + "\n");
}

}  // namespace ingot
