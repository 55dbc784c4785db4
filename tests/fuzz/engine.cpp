#include <unistd.h>

#include <cstring>

#include "base/file.h"
#include "base/hash.h"
#include "fuzz/fuzz.h"
#include "ingot/engine.h"
#include "ingot/ops.h"
#include "runtime/engine_data.h"

// Plans as a stranger may write them, with right hashes: what loading accepts, a run must survive.
namespace ingot::fuzz {
namespace {

// A fuzzer should not wait longer for a run.
constexpr size_t kMostMemory = size_t{1} << 16, kMostSteps = 40;

Tensor random(const Shape& shape, uint64_t key) { return uniform(shape, -1, 1, RandomKey{key}); }

Tensors convolutions(const Tensors& in) {
  const Tensor h = relu(conv2d(in[0], random({8, 3, 3, 3}, 1), random({8}, 2), {.padding = 1}));
  const Tensor c = concat({tanh(h), h * 0.5}, 1);
  return {linear(flatten(max_pool2d(c, {.kernel = 2}), 1), random({5, 64}, 3)), mean(c, {2, 3})};
}

Tensors views(const Tensors& in) {
  const Tensor x = pad(in[0], {0, 0, 1, 2}, {0, 0, 0, 1}, -1);
  const Tensor y = avg_pool2d(batch_norm(x, random({3}, 1), abs(random({3}, 2)), random({3}, 3), random({3}, 4)),
                              {.kernel = 2, .stride = Pair(1)});
  const Tensor z = where(y > 0.0, slice(y, 2, 0, 4), leaky_relu(y, 0.1));
  return {softmax(matmul(reshape(z, {0, 3, 24}), random({24, 2}, 5)), 1), argmax(permute(z, {0, 2, 3, 1}), 3),
          pow(amax(z, {1}), maximum(sum(z, {1}), mean(sigmoid(z), {1})))};
}

constexpr size_t kHeaderBytes = 64, kAlignment = 64;
template <class T>
T header_field(const std::string& file, size_t at) {
  T value;
  std::memcpy(&value, file.data() + at, sizeof value);
  return value;
}

struct File {
  std::string header, plan, weights;
};

File file_of(const TracedFunction& network) {
  const TraceOptions options{.ranges = {{"n", {.example = 2, .min = 1, .max = 8}}}};
  const Graph graph = trace(network, {{"image", DType::f32, {Dim::symbol("n", 2), 3, 4, 4}}}, {}, options).graph;
  const Engine engine = compile(graph, {.time_tactics = false, .class_names = {"cat", "dog"}});
  const auto path = std::filesystem::temp_directory_path() / fmt::format("ingot_fuzz_{}", ::getpid());
  engine.save(path);
  const std::string bytes = read_file(path);
  std::filesystem::remove(path);
  return {bytes.substr(0, kHeaderBytes), bytes.substr(kHeaderBytes, header_field<uint64_t>(bytes, 16)),
          bytes.substr(header_field<uint64_t>(bytes, 32))};
}

const std::vector<File>& files() {
  static const std::vector<File> files{file_of(convolutions), file_of(views)};
  return files;
}

/// runtime/file.cpp tells what is where.
std::string with_plan(const File& file, std::string plan) {
  const uint64_t size = plan.size();
  plan.resize((size + kAlignment - 1) / kAlignment * kAlignment, '\0');
  std::string out = file.header.substr(0, 16) + bytes_of(size) + bytes_of(hash_bytes(plan.data(), plan.size())) +
                    bytes_of(uint64_t{kHeaderBytes + plan.size()}) + bytes_of(uint64_t{file.weights.size()}) +
                    file.header.substr(48, 8);
  out += bytes_of(hash_bytes(out.data(), out.size()));
  return out + plan + file.weights;
}

size_t bytes_in_all(const MemoryPlan& m) { return m.sum + m.inputs + m.outputs; }

void run(const Engine& engine, int64_t size) {
  SymbolValues sizes;
  for (const PlanSize& s : engine.data().plan.sizes) sizes[s.name] = size;
  if (bytes_in_all(engine.memory(sizes)) > kMostMemory) return;
  Tensors in;
  for (const TensorInfo& info : engine.inputs()) {
    Shape shape = info.shape;
    for (Dim& d : shape) d = substitute(d, sizes);
    in.push_back(full(shape, 1, info.dtype));
  }
  Context(engine, {.guard = true}).run(in);
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> out;
  for (const File& file : files()) out.push_back(static_cast<char>(out.size()) + file.plan);
  return out;
}

/// The first byte chooses the network whose weights go with the plan.
void read(std::string_view input) {
  if (input.empty()) return;
  const File& file = files()[static_cast<uint8_t>(input[0]) % files().size()];
  const Engine engine = Engine::load(MemoryFile(with_plan(file, std::string(input.substr(1)))).path());
  engine.text();
  if (engine.data().plan.steps.size() > kMostSteps) return;
  for (const int64_t size : {1, 3, 8}) try {
      run(engine, size);
    } catch (const Error&) {
    }
}

}  // namespace ingot::fuzz
