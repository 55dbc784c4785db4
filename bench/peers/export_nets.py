"""The networks of bench/nets.cpp: one of torchvision's, in the forms that each side reads.

Usage: export_nets.py NET. Writes the name of a folder under build/peers/nets/ in which lie net.onnx, net.ncnn.param and
net.ncnn.bin (not where pnnx cannot convert the network) and net.safetensors, made now unless they are there. Weights
are random, the seed is fixed; batch norms have the statistics of random images, so that no scores blow up.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

import torch
import torchvision as tv
from safetensors.torch import save_file

torch.backends.mha.set_fastpath_enabled(False)  # attention in one op that no tracer knows
CACHE = pathlib.Path(__file__).resolve().parents[2] / "build" / "peers" / "nets"
IMAGES = 4  # that the statistics are taken of


def side_of(name):
    return 299 if name == "inception_v3" else 224


def make(name):
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}  # truncated normal is slow
    model = getattr(tv.models, name)(weights=None, **options).train()
    for p in model.parameters():
        if p.min() == p.max():  # a 0 or a 1 would hide a layer
            p.data += 0.1 * torch.randn_like(p)
    for m in model.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.momentum = 1.0
        elif type(m).__name__ in ("Dropout", "StochasticDepth"):
            m.p = 0.0
    with torch.no_grad():
        model(torch.randn(IMAGES, 3, side_of(name), side_of(name)))
    return model.eval()


def write_ncnn(model, x, folder):
    """By way of TorchScript, which pnnx reads; it writes much else beside it. Prints why where it cannot be done."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        script = pathlib.Path(scratch) / "net.pt"
        try:
            torch.jit.trace(model, x).save(script)
            shape = ",".join(str(size) for size in x.shape)
            subprocess.run(["pnnx", script, f"inputshape=[{shape}]", "fp16=0"], cwd=scratch, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for name in ("net.ncnn.param", "net.ncnn.bin"):
                shutil.move(script.with_name(name), folder / name)
        except Exception as error:
            print(f"no form for ncnn: {str(error).splitlines()[0]}", file=sys.stderr)


def write(name, folder):
    model, x = make(name), torch.randn(1, 3, side_of(name), side_of(name))
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "net.safetensors")
    torch.onnx.export(model, (x,), str(folder / "net.onnx"), dynamo=False, opset_version=17, input_names=["x"],
                      output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})
    write_ncnn(model, x, folder)


def folder_of(name):
    """Whole, or not there: it is written under another name."""
    folder = CACHE / name
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}.", dir=CACHE))
        try:
            write(name, unfinished)
            os.rename(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    print(folder_of(sys.argv[1]), flush=True)
