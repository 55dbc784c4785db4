#!/usr/bin/env python3
"""Checks with PyTorch, of any version from 1.13 on, that it reads what Ingot writes: weights and optimizer states.

Usage: check_torch.py [BUILD_FOLDER]   (build/release, where `ingot` and `test_optim` are built)
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
NEW = int(torch.__version__.split(".")[0]) >= 2  # 1.13 has no floats in weights_only pickles


def load(path, weights_only=True):
    return torch.load(path, weights_only=weights_only and (NEW or weights_only == "always"))


def check_weights(build, folder):
    """.pth of PyTorch to safetensors and back to .pth: the same tensors, read as weights_only."""
    for name in ("checkpoint", "checkpoint_protocol4", "checkpoint_legacy"):
        there, back = folder / f"{name}.safetensors", folder / f"{name}.pth"
        for source, target in ((ROOT / "tests" / "golden" / f"{name}.pth", there), (there, back)):
            subprocess.run([build / "ingot", "convert", source, target], check=True, stdout=subprocess.DEVNULL)
        found = load(back, "always")
        expected = torch.load(ROOT / "tests" / "golden" / f"{name}.pth", weights_only=False)["state_dict"]
        assert sorted(found) == sorted(expected), name
        for key, x in expected.items():
            assert found[key].dtype == x.dtype and torch.equal(found[key], x), (name, key)
        print(f"{name}: {len(found)} tensors are the same")


def check_optimizer(path):
    """Loads the state into PyTorch's optimizer and goes on: the parameters are those of Ingot's next steps."""
    saved = load(path)
    params = [x.clone().requires_grad_() for x in saved["params"]]
    optimizer = getattr(torch.optim, saved["type"])([{"params": [x]} for x in params], lr=7.0)
    optimizer.load_state_dict(saved["optimizer"])
    if saved["type"] == "NAdam" and not NEW:
        return print(f"{path.stem}: is loaded; PyTorch 1.13 steps otherwise")
    for step, expected in enumerate(saved["next"], 7):
        for x in params:
            x.grad = torch.cos(2 * x.detach() + step) + 0.5 * x.detach()
        optimizer.step()
        torch.testing.assert_close(torch.cat(params).detach(), expected, rtol=1e-9, atol=1e-9)
    print(f"{path.stem}: goes on the same")


def main():
    torch.set_default_dtype(torch.float64)  # in which ASGD keeps its numbers
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "release")
    print("PyTorch", torch.__version__)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_weights(build, folder)
        subprocess.run([build / "test_optim", "--gtest_brief=1", "--gtest_filter=*TorchState.*"], check=True,
                       env={**os.environ, "TEST_TMPDIR": name}, stdout=subprocess.DEVNULL)
        paths = sorted((folder / "ingot_torch_state").glob("*.pth"))
        assert paths
        for path in paths:
            check_optimizer(path)


if __name__ == "__main__":
    main()
