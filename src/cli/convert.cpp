#include "base/check.h"
#include "cli/checkpoint_info.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "diagnose/html.h"

namespace ingot::cli {
namespace {

struct Options {
  std::string input, output;
  bool verify = false, json = false;
};

struct Conversion {
  std::string input, output, from, to;
  size_t tensors = 0, left_out = 0;
  uint64_t bytes = 0;
};

/// "safetensors" or "torch", by the name's ending.
std::string format_of(const std::filesystem::path& output) {
  const std::string ending = output.extension().string();
  if (ending == ".safetensors") return "safetensors";
  if (ending == ".pth" || ending == ".pt") return "torch";
  throw Refusal(fmt::format("{}: the ending says what to write: .safetensors, .pth or .pt", output.string()));
}

Conversion convert(const Options& options) {
  Conversion done{.input = options.input, .output = options.output, .to = format_of(options.output)};
  const TensorMap weights = reading([&] {
    const CheckpointContent all = read_checkpoint(options.input, options.verify);
    TensorMap found = load_checkpoint_tensors(options.input);
    CHECK(!found.empty(), "{}: there are no tensors in it", options.input);
    done.from = all.format;
    done.left_out = all.tensors.size() - found.size();
    return found;
  });
  if (done.to == "torch") {
    save_torch(options.output, TorchValue(weights));
  } else {
    save_safetensors(options.output, weights);
  }
  done.tensors = weights.size();
  done.bytes = std::filesystem::file_size(options.output);
  return done;
}

int work(const Options& options) {
  const Conversion c = convert(options);
  if (options.json) {
    const nlohmann::ordered_json json{
        {"input", c.input},     {"output", c.output}, {"from", c.from},        {"to", c.to},
        {"tensors", c.tensors}, {"bytes", c.bytes},   {"left_out", c.left_out}};
    write_out(json.dump() + "\n");
    return kDone;
  }
  print("{}: {} tensors, {}\n", c.output, c.tensors, html::bytes(static_cast<double>(c.bytes)));
  if (c.left_out > 0) print("left out: {} more of {}, not of its state_dict\n", c.left_out, c.input);
  return kDone;
}

Work declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("input", options->input, "A .safetensors, .pth or .pt file; its content says what it is")->required();
  app.add_option("output", options->output, "The file to write: .safetensors, .pth or .pt")->required();
  app.add_flag("--verify", options->verify, "Refuse an input whose hash or checksums are wrong");
  add_json_option(app, options->json);
  return [options] { return work(*options); };
}

}  // namespace

const Verb kConvert{.name = "convert",
                    .help = "Write the weights of a checkpoint as safetensors, or as PyTorch's torch.load reads them",
                    .example =
                        "  ingot convert weights.pth weights.safetensors\n"
                        "  ingot convert runs/demo/best.safetensors demo.pth",
                    .declare = declare};

}  // namespace ingot::cli
