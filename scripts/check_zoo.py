#!/usr/bin/python3
"""Compares every network that torchvision has too with torchvision's: scores in eval mode, and one training step.

Usage: check_zoo.py [--program build/release/zoo_check] [MODEL...]

Needs Debian 12's python3-torch (1.13) and python3-torchvision (0.14), or later ones, and the program zoo_check, which
`cmake --build --preset release` builds. Prints a line for each network and fails where a difference is above 1e-4, but
for scores in f32 of a network in which torchvision's own f32 is further off than half of that: these may be twice as
far off as those, since rounding differs by chance; it is the scores in f64 that tell whether the network is the same.

The truth is torchvision in f64. Each difference is relative to the largest value of the tensor that it is found in:
  eval   the scores in f32, with running statistics near those of the images
  f64    the same in f64
  torch  the same for torchvision in f32: what rounding alone does
  loss   in f32, of a training step in which nothing is dropped
  step   all parameters and buffers after that step in f64. Each parameter has a learning rate of its own, so large that
         SGD moves it by as much as it is large: this compares gradients too
  f32    the same as step in f32, not judged: where rounding moves one number over the kink of a ReLU, or another to the
         top of a pool's window, a gradient jumps
  torch  the same as f32 for torchvision, which jumps too
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOLERANCE = 1e-4
AUX_WEIGHT = 0.3
# Side of the images and their number. Most networks take any size: small images leave batch norm enough values.
USUAL = (64, 8)
SIZES = {"inception_v3": (299, 4)}
DTYPES = {"F64": np.float64, "F32": np.float32, "I64": np.int64}
NAMES = """vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn resnet18 resnet34 resnet50 resnet101 resnet152
    resnext50_32x4d resnext101_32x8d resnext101_64x4d wide_resnet50_2 wide_resnet101_2 mobilenet_v2 mobilenet_v3_large
    mobilenet_v3_small efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5
    efficientnet_b6 efficientnet_b7 vit_b_16 vit_b_32 vit_l_16 vit_l_32 densenet121 densenet161 densenet169 densenet201
    shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 googlenet inception_v3 squeezenet1_0
    squeezenet1_1""".split()


def save(path, tensors):
    """https://github.com/huggingface/safetensors: 8 bytes of length, a JSON header, the data."""
    header, blobs, at = {}, [], 0
    codes = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
    for name, x in tensors.items():
        array = np.ascontiguousarray(x.detach().numpy())
        header[name] = {"dtype": codes[array.dtype], "shape": list(x.shape), "data_offsets": [at, at + array.nbytes]}
        blobs.append(array.tobytes())
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


def load(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        array = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors


def norms(model):
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


def make(name, side):
    """torchvision's network in f64 with nothing left at a value that hides it, such as a 0 or a 1."""
    options = {"image_size": side} if name.startswith("vit") else {}
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False  # by trunc_normal_, which takes minutes in old versions
    model = getattr(torchvision.models, name)(weights=None, **options)
    for p in model.parameters():
        if p.max() == p.min():
            p.data += 0.1 * torch.randn_like(p)
    for m in model.modules():
        if type(m).__name__ in ("Dropout", "StochasticDepth"):
            m.p = 0.0
    return model.double()


def take_statistics(model, x):
    """Running statistics near those of x, layer by layer in eval mode: what is changed in one layer is taken into
    account by the next, else deep networks blow up, and with their scores the rounding."""

    def fit(norm, inputs):
        var, mean = torch.var_mean(inputs[0], (0, 2, 3))
        norm.running_mean.copy_(mean + 0.2 * var.sqrt() * torch.randn_like(mean))
        norm.running_var.copy_(var * (0.5 + torch.rand_like(var)))
        norm.num_batches_tracked.fill_(7)

    hooks = [m.register_forward_pre_hook(fit) for m in norms(model)]
    model.eval()
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.data.copy_(tensor.data.float())


def training_loss(model, x, target):
    scores = model(x)
    if torch.is_tensor(scores):
        return F.cross_entropy(scores, target)
    loss = F.cross_entropy(scores.logits, target)
    for name in scores._fields[1:]:
        loss = loss + AUX_WEIGHT * F.cross_entropy(getattr(scores, name), target)
    return loss


def learning_rates(model):
    """One for each parameter: the step is as large as the parameter, unless its gradient is 0 but for rounding."""
    rates = {name: (p.abs().max() / p.grad.abs().max()).item() for name, p in model.named_parameters()}
    most = 1000 * float(np.median(list(rates.values())))
    return {name: min(rate, most) for name, rate in rates.items()}


def run(model, x, target, rates=None):
    """The results that zoo_check writes, and the learning rates where none are given."""
    model.eval()
    with torch.no_grad():
        results = {"eval": model(x)}
    model.train()
    model.zero_grad(set_to_none=True)
    loss = training_loss(model, x, target)
    loss.backward()
    rates = rates or learning_rates(model)
    torch.optim.SGD([{"params": [p], "lr": rates[name]} for name, p in model.named_parameters()], lr=1.0).step()
    results["loss"] = loss.detach()
    results.update({"after." + name: value.clone() for name, value in model.state_dict().items()})
    return results, rates


def difference(a, b):
    """The largest one of two tensors, relative to the largest value."""
    a, b = a.double(), b.double()
    if a.shape != b.shape or not (torch.isfinite(a).all() and torch.isfinite(b).all()):
        return float("inf")
    return ((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).item()


def worst(results, truth):
    """The largest difference of a state, and where it is."""
    if set(results) != set(truth):
        sys.exit(f"the results are not of the same names: {sorted(set(results) ^ set(truth))[:5]}")
    return max((difference(results[key], truth[key]), key) for key in truth if key.startswith("after."))


def check(name, program, folder):
    torch.manual_seed(NAMES.index(name))
    side, count = SIZES.get(name, USUAL)
    model = make(name, side)
    x, target = torch.randn(count, 3, side, side), torch.randint(1000, (count,))
    take_statistics(model, x.double())
    weights = {key: value.float() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    weights = {key: value.clone() for key, value in weights.items()}
    save(folder / "weights", weights)
    truth, rates = run(model, x.double(), target)
    in_f32 = model.float()
    in_f32.load_state_dict(weights)
    rounded, _ = run(in_f32, x, target, rates)
    lrs = {"lr." + key: torch.tensor(rate, dtype=torch.float64) for key, rate in rates.items()}
    save(folder / "input", {"x": x, "target": target, **lrs})
    single, double = (ingot(program, name, folder, dtype) for dtype in ("f32", "f64"))
    eval_, loss = (difference(single[key], truth[key]) for key in ("eval", "loss"))
    exact = difference(double["eval"], truth["eval"])
    torch_eval = difference(rounded["eval"], truth["eval"])
    step, where = worst(double, truth)
    passed = max(exact, loss, step) <= TOLERANCE and eval_ <= max(TOLERANCE, 2 * torch_eval)
    figures = (eval_, exact, torch_eval, loss, step, worst(single, truth)[0], worst(rounded, truth)[0])
    print(f"{name:20}" + "".join(f" {x:8.1e}" for x in figures)
          + ("" if passed else f"  above {TOLERANCE}; step's is in {where}"), flush=True)
    return passed


def ingot(program, name, folder, dtype):
    command = [program, name, folder / "weights", folder / "input", folder / "results", dtype]
    subprocess.run([str(part) for part in command], check=True)
    return load(folder / "results")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build/release/zoo_check")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="all where none is named")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(f"{'model':20}" + "".join(f" {column:>8}" for column in ("eval", "f64", "torch", "loss", "step", "f32", "torch")))
    with tempfile.TemporaryDirectory() as folder:
        passed = [check(name, args.program, pathlib.Path(folder)) for name in args.models or NAMES]
    sys.exit(not all(passed))


if __name__ == "__main__":
    main()
