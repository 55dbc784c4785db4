"""Tensors by name, and the file that holds them."""

import json
import pathlib
import struct
import zlib

import torch

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.int64: "I64", torch.uint8: "U8"}


def save(name, tensors):
    header = {"__metadata__": {"made_by": f"scripts/golden.py with PyTorch {torch.__version__}"}}
    data = b""
    for key, x in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        x = x.detach().contiguous()
        raw = bytes(x.flatten().numpy().tobytes())
        header[key] = {"dtype": DTYPES[x.dtype], "shape": list(x.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (FOLDER / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


class Cases(dict):
    """Tensors by name; the random inputs of a case depend on its name alone."""

    def normal(self, name, *shape, scale=1.0):
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        return torch.randn(shape, generator=generator, dtype=torch.float32).double() * scale

    def uniform(self, name, *shape):
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        return torch.rand(shape, generator=generator, dtype=torch.float32).double()

    def add(self, name, fn, *inputs, wrt=None):
        """Records fn(*inputs) and the gradients of the inputs numbered `wrt` (all that are floating, where none)."""
        inputs = [x.float().double() if x.is_floating_point() else x for x in inputs]
        wrt = [i for i, x in enumerate(inputs) if x.is_floating_point()] if wrt is None else wrt
        for i in wrt:
            inputs[i].requires_grad_()
        out = fn(*inputs)
        grad = self.normal(name + "/grad", *out.shape)
        gradients = torch.autograd.grad(out, [inputs[i] for i in wrt], grad)
        for i, x in enumerate(inputs):
            self[f"{name}/in{i}"] = x.float() if x.is_floating_point() else x
        self[f"{name}/out"], self[f"{name}/grad"] = out, grad.float()
        for i, g in zip(wrt, gradients):
            self[f"{name}/d{i}"] = g
