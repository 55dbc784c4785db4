// ResNet-50 built and its weights loaded from files that lie in the page cache, beside PyTorch, which does the same
// from the same files: safetensors by the package of that name, .pth by torch.load. Alternating in one run. Usage:
// bench_load [alone]; `alone` runs no peer.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "exchange.h"
#include "ingot/io.h"
#include "ingot/models.h"
#include "sides.h"

namespace {

namespace fs = std::filesystem;

constexpr int kRounds = 10;

std::unique_ptr<ingot::Module> build() {
  const ingot::SkipInit skip;
  return ingot::make_model("resnet50");
}

/// Whole, model built, file read, state loaded.
std::vector<double> load(const fs::path& path) {
  std::unique_ptr<ingot::Module> model;
  ingot::TensorMap tensors;
  std::vector<double> parts{0, milliseconds([&] { model = build(); }),
                            milliseconds([&] { tensors = ingot::load_checkpoint_tensors(path); }),
                            milliseconds([&] { model->load_state_dict({tensors.begin(), tensors.end()}); })};
  parts[0] = parts[1] + parts[2] + parts[3];
  return parts;
}

void measure(const fs::path& path, bool alone) {
  std::vector<Side> sides{{"Ingot", [&](int steps) { return fastest(steps, [&] { return load(path); }); }}};
  if (!alone) sides.push_back(Side::of(std::make_shared<Peer>("load.py", std::vector{path.string()})));
  alternate(sides, kRounds, 1);
  for (const Side& side : sides)
    std::printf("%-12s %-28s %7.1f ms: model built %.1f, file read %.1f, state loaded %.1f\n", path.extension().c_str(),
                side.name.c_str(), side.best[0], side.best[1], side.best[2], side.best[3]);
}

}  // namespace

int main(int argc, char** argv) {
  const bool alone = argc > 1 && std::string(argv[1]) == "alone";
  const Scratch scratch;
  const ingot::TensorsByName state = ingot::make_model("resnet50")->state_dict();
  const ingot::TensorMap tensors(state.begin(), state.end());
  ingot::save_safetensors(scratch.folder / "resnet50.safetensors", tensors);
  ingot::save_torch(scratch.folder / "resnet50.pth", ingot::TorchValue(tensors));
  for (const char* name : {"resnet50.safetensors", "resnet50.pth"}) measure(scratch.folder / name, alone);
}
