#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/isa.h"
#include "base/parallel.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "ingot/file_datasets.h"
#include "ingot/launch.h"
#include "kernels/versions.h"

namespace ingot::cli {
namespace {

#ifdef __clang__
constexpr const char* kCompiler = __VERSION__;  // names itself
#else
constexpr const char* kCompiler = "GCC " __VERSION__;
#endif

struct Diagnosis {
  std::string version, compiler, onednn, highway;
  std::string mpi;  // "": built without
  std::string cpu, isa_detected, isa_active;
  int threads = 1, cpus = 1;
  std::string cgroup_quota;  // "" where there is none
  std::string dataset;
  bool dataset_found = false;
};

/// cgroup v2's "max 100000" or "150000 100000", or v1's quota; "" where nothing limits.
std::string cgroup_quota() {
  std::string quota;
  double period = 0;
  if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file >> quota >> period)
    return quota == "max" || period <= 0 ? "" : fmt::format("{:g} CPUs", std::stod(quota) / period);
  double microseconds = 0;
  std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (v1_quota >> microseconds && v1_period >> period && microseconds > 0 && period > 0)
    return fmt::format("{:g} CPUs", microseconds / period);
  return "";
}

bool has_test_images(const std::filesystem::path& root) {
  const std::filesystem::path plain = root / "t10k-images-idx3-ubyte";
  return std::filesystem::exists(plain) || std::filesystem::exists(plain.string() + ".gz");
}

Diagnosis diagnose() {
  const Isa active = active_isa();
  return {.version = INGOT_VERSION,
          .compiler = kCompiler,
          .onednn = kernels::onednn_version(),
          .highway = kernels::highway_version(),
          .mpi = mpi_version(),
          .cpu = cpu_name(),
          .isa_detected = std::string(name_of(detected_isa())),
          .isa_active = std::string(name_of(active)),
          .threads = num_threads(),
          .cpus = available_cpus(),
          .cgroup_quota = cgroup_quota(),
          .dataset = FashionMnist::kRoot,
          .dataset_found = has_test_images(FashionMnist::kRoot)};
}

nlohmann::ordered_json to_json(const Diagnosis& d) {
  return {{"version", d.version},
          {"cpu", d.cpu},
          {"isa", {{"detected", d.isa_detected}, {"active", d.isa_active}}},
          {"threads", d.threads},
          {"cpus", d.cpus},
          {"cgroup_quota",
           d.cgroup_quota.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(d.cgroup_quota)},
          {"libraries",
           {{"onednn", d.onednn},
            {"highway", d.highway},
            {"compiler", d.compiler},
            {"mpi", d.mpi.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(d.mpi)}}},
          {"dataset", {{"fashion_mnist", d.dataset}, {"found", d.dataset_found}}}};
}

std::string to_text(const Diagnosis& d) {
  const bool capped = d.isa_active != d.isa_detected;
  std::string out = fmt::format("Ingot        {}\nCPU          {}\n", d.version, d.cpu);
  out += fmt::format("ISA tier     {}{}\n", d.isa_active,
                     capped ? fmt::format(" (INGOT_ISA caps it, the CPU has {})", d.isa_detected) : "");
  out += fmt::format("threads      {} of {} CPUs that this process may use\n", d.threads, d.cpus);
  out += fmt::format("cgroup       {}\n", d.cgroup_quota.empty() ? "no CPU quota" : d.cgroup_quota);
  out += fmt::format("oneDNN       {}\nHighway      {}\ncompiler     {}\n", d.onednn, d.highway, d.compiler);
  out += fmt::format("MPI          {}\n", d.mpi.empty() ? "none: built without, so there is one rank" : d.mpi);
  return out + fmt::format("data set     {} {}\n", d.dataset,
                           d.dataset_found ? "found" : "not found: apt install dataset-fashion-mnist");
}

Work declare(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  add_json_option(app, *json);
  return [json] {
    const Diagnosis d = reading([] { return diagnose(); });
    write_out(*json ? to_json(d).dump() + "\n" : to_text(d));
    return kDone;
  };
}

}  // namespace

const Verb kDoctor{.name = "doctor",
                   .help = "What Ingot finds on this machine",
                   .example = "  ingot doctor --json",
                   .declare = declare};

}  // namespace ingot::cli
