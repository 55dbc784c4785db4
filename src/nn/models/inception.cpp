#include <algorithm>

#include "base/check.h"
#include "ingot/models.h"
#include "nn/models/blocks.h"

namespace ingot {
namespace {

/// A convolution of a block by its name in torchvision.
struct Unit {
  const char* name;
  int64_t out;
  Pair kernel = 1;
  int64_t stride = 1;
  Pads padding{};
};
enum class Pooled { no, average, max };
/// From the block's input, pooled or not, one unit after another; then those of `fork` side by side.
struct Branch {
  std::vector<Unit> chain, fork;
  Pooled pooled = Pooled::no;
};
using Branches = std::vector<Branch>;

Unit rows(const char* name, int64_t out, int64_t length) {
  return {.name = name, .out = out, .kernel = {1, length}, .padding = {0, length / 2, 0, length / 2}};
}
Unit columns(const char* name, int64_t out, int64_t length) {
  return {.name = name, .out = out, .kernel = {length, 1}, .padding = {length / 2, 0, length / 2, 0}};
}
Unit square(const char* name, int64_t out, int64_t side) {
  return {.name = name, .out = out, .kernel = side, .padding = side / 2};
}
/// Halves the plane.
Unit halving(const char* name, int64_t out) { return {.name = name, .out = out, .kernel = 3, .stride = 2}; }
Branch pooled_branch(int64_t out) { return {.chain = {{"branch_pool", out}}, .pooled = Pooled::average}; }

/// What the branches make of x, side by side.
class Mixed : public ModuleOf<Mixed> {
 public:
  Mixed(int64_t in, Branches branches) : branches_(std::move(branches)) {
    for (const Branch& branch : branches_) {
      int64_t width = in;
      for (const Unit& unit : branch.chain) {
        add(width, unit);
        width = unit.out;
      }
      for (const Unit& unit : branch.fork) add(width, unit);
    }
  }
  Tensor forward(const Tensor& x) {
    Tensors parts;
    size_t at = 0;
    for (const Branch& branch : branches_) {
      Tensor y = pooled(x, branch.pooled);
      for (size_t i = 0; i < branch.chain.size(); ++i) y = child_at(at++)->call({y})[0];
      for (size_t i = 0; i < branch.fork.size(); ++i) parts.push_back(child_at(at++)->call({y})[0]);
      if (branch.fork.empty()) parts.push_back(y);
    }
    return concat(parts, 1);
  }

 private:
  void add(int64_t in, const Unit& unit) {
    own(unit.name, std::make_unique<BasicConv2d>(in, unit.out, unit.kernel, unit.stride, unit.padding));
  }
  static Tensor pooled(const Tensor& x, Pooled how) {
    if (how == Pooled::average) return avg_pool2d(x, {.kernel = 3, .stride = 1, .padding = 1});
    return how == Pooled::max ? max_pool2d(x, {.kernel = 3, .stride = 2}) : x;
  }

  Branches branches_;
};

// Figures 5 to 7 of the paper, and the two that halve the plane (figure 10).
Branches block_a(int64_t pool_features) {
  return {{.chain = {{"branch1x1", 64}}},
          {.chain = {{"branch5x5_1", 48}, square("branch5x5_2", 64, 5)}},
          {.chain = {{"branch3x3dbl_1", 64}, square("branch3x3dbl_2", 96, 3), square("branch3x3dbl_3", 96, 3)}},
          pooled_branch(pool_features)};
}
Branches block_b() {
  return {{.chain = {halving("branch3x3", 384)}},
          {.chain = {{"branch3x3dbl_1", 64}, square("branch3x3dbl_2", 96, 3), halving("branch3x3dbl_3", 96)}},
          {.pooled = Pooled::max}};
}
Branches block_c(int64_t width) {
  return {{.chain = {{"branch1x1", 192}}},
          {.chain = {{"branch7x7_1", width}, rows("branch7x7_2", width, 7), columns("branch7x7_3", 192, 7)}},
          {.chain = {{"branch7x7dbl_1", width},
                     columns("branch7x7dbl_2", width, 7),
                     rows("branch7x7dbl_3", width, 7),
                     columns("branch7x7dbl_4", width, 7),
                     rows("branch7x7dbl_5", 192, 7)}},
          pooled_branch(192)};
}
Branches block_d() {
  return {{.chain = {{"branch3x3_1", 192}, halving("branch3x3_2", 320)}},
          {.chain = {{"branch7x7x3_1", 192},
                     rows("branch7x7x3_2", 192, 7),
                     columns("branch7x7x3_3", 192, 7),
                     halving("branch7x7x3_4", 192)}},
          {.pooled = Pooled::max}};
}
Branches block_e() {
  return {{.chain = {{"branch1x1", 320}}},
          {.chain = {{"branch3x3_1", 384}}, .fork = {rows("branch3x3_2a", 384, 3), columns("branch3x3_2b", 384, 3)}},
          {.chain = {{"branch3x3dbl_1", 448}, square("branch3x3dbl_2", 384, 3)},
           .fork = {rows("branch3x3dbl_3a", 384, 3), columns("branch3x3dbl_3b", 384, 3)}},
          pooled_branch(192)};
}

class AuxHead : public ModuleOf<AuxHead> {
 public:
  AuxHead(int64_t in, int64_t classes) : conv0(in, 128, 1), conv1(128, 768, 5), fc(768, classes) {
    child("conv0", conv0);
    child("conv1", conv1);
    child("fc", fc);
  }
  Tensor forward(const Tensor& x) {
    const Tensor y = conv1(conv0(avg_pool2d(x, {.kernel = 5, .stride = 3})));
    return fc(flatten(adaptive_avg_pool2d(y, 1), 1));
  }

  BasicConv2d conv0, conv1;
  Linear fc;
};

constexpr int64_t kFeatures = 2048;

}  // namespace

Inception3::Inception3(const Inception3Options& o) : Inception3(o, SkipInit()) { draw_initial_values(); }

Inception3::Inception3(const Inception3Options& o, const SkipInit&)
    : options(o), avgpool(1), dropout(o.dropout), fc(kFeatures, o.num_classes) {
  CHECK(!o.transform_input || o.in_channels == 3, "transform_input is for 3 channels, in_channels is {}",
        o.in_channels);
  const auto conv = [&](const char* name, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1,
                        int64_t padding = 0) {
    own(name, std::make_unique<BasicConv2d>(in, out, kernel, stride, padding));
  };
  const auto mixed = [&](const char* name, int64_t in, Branches branches) {
    own(name, std::make_unique<Mixed>(in, std::move(branches)));
  };
  const auto pool = [&](const char* name) {
    own(name, std::make_unique<MaxPool2d>(PoolOptions{.kernel = 3, .stride = 2}));
  };
  conv("Conv2d_1a_3x3", o.in_channels, 32, 3, 2);
  conv("Conv2d_2a_3x3", 32, 32, 3);
  conv("Conv2d_2b_3x3", 32, 64, 3, 1, 1);
  pool("maxpool1");
  conv("Conv2d_3b_1x1", 64, 80, 1);
  conv("Conv2d_4a_3x3", 80, 192, 3);
  pool("maxpool2");
  mixed("Mixed_5b", 192, block_a(32));
  mixed("Mixed_5c", 256, block_a(64));
  mixed("Mixed_5d", 288, block_a(64));
  mixed("Mixed_6a", 288, block_b());
  mixed("Mixed_6b", 768, block_c(128));
  mixed("Mixed_6c", 768, block_c(160));
  mixed("Mixed_6d", 768, block_c(160));
  mixed("Mixed_6e", 768, block_c(192));
  if (o.aux_logits) own("AuxLogits", std::make_unique<AuxHead>(768, o.num_classes));
  mixed("Mixed_7a", 768, block_d());
  mixed("Mixed_7b", 1280, block_e());
  mixed("Mixed_7c", kFeatures, block_e());
  child("avgpool", avgpool);
  child("dropout", dropout);
  child("fc", fc);
}

Tensors Inception3::run(const Tensor& x, bool with_aux) {
  Tensor y = run_children(*this, options.transform_input ? renormalized(x) : x, "Conv2d_1a_3x3", "Mixed_6e");
  Tensors scores(1);
  if (with_aux) scores.push_back(submodule("AuxLogits").call({y})[0]);
  y = run_children(*this, y, "Mixed_7a", "Mixed_7c");
  scores[0] = fc(dropout(flatten(avgpool(y), 1)));
  return scores;
}

Tensor Inception3::forward(const Tensor& x) { return run(x, false)[0]; }

Tensors Inception3::all_scores(const Tensor& x) { return run(x, options.aux_logits); }

void Inception3::reset_parameters(RandomKey key) {
  draw_layers(*this, key, [](std::string_view name, Module& layer, RandomKey own) {
    return draw_trunc_normal(layer, own, name == "AuxLogits.fc" ? 0.001 : 0.1);
  });
}

}  // namespace ingot
