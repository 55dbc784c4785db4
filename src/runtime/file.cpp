#include "base/file.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "runtime/engine_data.h"
#include "runtime/packing.h"
#include "runtime/plan_bytes.h"
#include "runtime/validate.h"

// An engine file: a header of 64 bytes, the plan, zeros up to a multiple of 64, the weights' section. A weight starts
// at a multiple of 64 and is followed by zeros up to the next. Numbers are little-endian.
//
// Packed weights are stored in their packed form alone. They are mapped and used where they lie, so that a file loads
// in milliseconds and is no larger than the plain weights; should another machine want another form, they are unpacked
// and packed anew when the file is loaded.
namespace ingot {
namespace {

struct Header {
  std::array<char, 8> magic;
  uint32_t version, header_bytes;
  uint64_t plan_bytes, plan_hash;  // hashed with the zeros that follow
  uint64_t weights_offset, weights_bytes;
  uint64_t reserved;
  uint64_t hash;  // of what stands before it
};
static_assert(sizeof(Header) == 64);

// As PNG's, it tells a file that went through a text mode transfer.
constexpr std::array<char, 8> kMagic{'\x89', 'I', 'N', 'G', 'O', 'T', '\r', '\n'};
constexpr uint32_t kVersion = 2;

uint64_t round_up(uint64_t bytes) { return (bytes + kWeightAlignment - 1) / kWeightAlignment * kWeightAlignment; }
uint64_t hash_of(const Header& header) { return hash_bytes(&header, offsetof(Header, hash)); }

Header read_header(std::span<const std::byte> file) {
  CHECK(file.size() >= sizeof(Header), "not an engine file: it has {} bytes", file.size());
  Header h;
  std::memcpy(&h, file.data(), sizeof h);
  CHECK(h.magic == kMagic, "not an engine file: it does not begin with the signature");
  CHECK(h.version == kVersion, "format version {}, this program reads version {}", h.version, kVersion);
  CHECK(h.hash == hash_of(h) && h.header_bytes == sizeof h, "the header is damaged");
  const uint64_t rest = file.size() - sizeof h;
  CHECK(h.plan_bytes <= rest && h.weights_offset == sizeof h + round_up(h.plan_bytes) &&
            h.weights_offset <= file.size() && h.weights_bytes == file.size() - h.weights_offset,
        "it has {} bytes, the header speaks of {}", file.size(), h.weights_offset + h.weights_bytes);
  return h;
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

void verify_weights(const Plan& plan, std::span<const std::byte> section) {
  uint64_t end = 0;
  for (const PlanWeight& w : plan.weights) {
    CHECK(hash_bytes(section.data() + w.offset, w.bytes) == w.hash, "weight '{}' is damaged", w.name);
    const uint64_t next = std::min<uint64_t>(round_up(w.offset + w.bytes), section.size());
    CHECK(all_zero(section.subspan(w.offset + w.bytes, next - w.offset - w.bytes)), "weight '{}' is damaged", w.name);
    end = std::max(end, next);
  }
  CHECK(end == section.size(), "the weights are followed by other bytes");
}

std::shared_ptr<const EngineData> load_mapped(const std::shared_ptr<const MappedFile>& file,
                                              const LoadOptions& options) {
  const std::span<const std::byte> bytes = file->bytes();
  const Header h = read_header(bytes);
  const auto plan_bytes = bytes.subspan(sizeof h, h.weights_offset - sizeof h);
  CHECK(hash_bytes(plan_bytes.data(), plan_bytes.size()) == h.plan_hash, "the plan is damaged");
  Plan plan = plan_from_bytes(plan_bytes.first(h.plan_bytes));
  validate(plan, h.weights_bytes);
  const auto section = bytes.subspan(h.weights_offset);
  if (options.verify) verify_weights(plan, section);
  EngineData data{.plan = std::move(plan), .weights = {}, .size_sources = {}};
  for (const PlanWeight& w : data.plan.weights) data.weights.push_back({section.data() + w.offset, w.bytes, file});
  at_sizes(data.plan, data.plan.examples());
  check_packed_weights(data);
  repack_for_this_machine(data);
  return make_engine_data(std::move(data.plan), std::move(data.weights));
}

}  // namespace

Engine Engine::load(const std::filesystem::path& path, const LoadOptions& options) {
  const auto file = std::make_shared<const MappedFile>(path);
  try {
    return Engine(load_mapped(file, options));
  } catch (const Error& e) {
    fail("{}: {}", path.string(), e.what());
  }
}

void Engine::save(const std::filesystem::path& path) const {
  Plan plan = data_->plan;
  uint64_t end = 0;
  for (PlanWeight& w : plan.weights) {
    w.offset = end;
    end += round_up(w.bytes);
  }
  std::string bytes = to_bytes(plan);
  Header h{.magic = kMagic, .version = kVersion, .header_bytes = sizeof(Header), .plan_bytes = bytes.size()};
  bytes.resize(round_up(bytes.size()), '\0');
  h.plan_hash = hash_bytes(bytes.data(), bytes.size());
  h.weights_offset = sizeof h + bytes.size();
  h.weights_bytes = end;
  h.hash = hash_of(h);
  write_file_atomic(path, [&](const ByteSink& sink) {
    sink(std::as_bytes(std::span(&h, 1)));
    sink(std::as_bytes(std::span(bytes)));
    constexpr std::array<std::byte, kWeightAlignment> zeros{};
    for (const WeightData& w : data_->weights) {
      sink({w.data, w.bytes});
      sink(std::span(zeros).first(round_up(w.bytes) - w.bytes));
    }
  });
}

}  // namespace ingot
