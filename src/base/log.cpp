#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace ingot {

void log_line(std::string_view level, std::string_view text) {
  static const auto logger = [] {
    auto made = std::make_shared<spdlog::logger>("ingot", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("ingot: %v");
    return made;
  }();
  logger->log(level == "warning" ? spdlog::level::warn : spdlog::level::info, "{}{}",
              level == "warning" ? "warning: " : "", text);
}

}  // namespace ingot
