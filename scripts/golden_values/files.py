"""Checkpoints and images as files, and what Pillow reads and resizes."""

import collections
import io

import numpy as np
import torch
from PIL import Image
from torch import nn

from .cases import FOLDER


def checkpoint():
    """Of each kind that a checkpoint may hold; the tests know the numbers."""
    x = torch.arange(24.0)
    tensors = {
        "plain": x.reshape(4, 6),
        "transposed": x.reshape(4, 6).t(),
        "slice": x[5:9],
        "expanded": torch.tensor([7.0]).expand(2, 3),
        "channels_last": torch.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "flags": torch.tensor([True, False, True]),
        "parameter": nn.Parameter(torch.full((2,), -1.0)),
    }
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int32, torch.uint8,
                  torch.int8):
        tensors[str(dtype).split(".")[1]] = torch.arange(5).to(dtype)
    tensors["tied"] = tensors["plain"]
    state = collections.OrderedDict(tensors)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return {"state_dict": state, "epoch": 3, "lr": 0.1, "done": False, "none": None, "text": "h\u00e9llo",
            "numbers": [-1, 255, 65535, -70000, 2**40, -(2**62)], "pair": (1, "two"), "size": torch.Size([2, 3]),
            "dtype": torch.float32, 5: {"nested": [torch.ones(2)]}}


def checkpoints():
    """What torch.save writes: zip archives, the older file, and a newer pickle."""
    torch.save(checkpoint(), FOLDER / "checkpoint.pth")
    torch.save(checkpoint(), FOLDER / "checkpoint_protocol4.pth", pickle_protocol=4)
    legacy = FOLDER / "checkpoint_legacy.pth"
    if not legacy.exists():  # the keys of its storages are addresses, which differ in each run
        torch.save(checkpoint(), legacy, _use_new_zipfile_serialization=False)


def picture(width, height, mode):
    """Gradients, an edge and some noise, which is what decoders and filters can differ in."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(width * height).integers(0, 60, (height, width, 3))
    waves = np.stack([x * 7 + y * 2, 255 - x * 3, (x * y) % 256], 2)
    pixels = np.clip(np.where((x > y)[..., None], waves % 256, 40) + noise, 0, 255).astype(np.uint8)
    if mode == "CMYK":
        return Image.fromarray(np.dstack([pixels, (x * 5 + y).astype(np.uint8)]), mode)
    return Image.fromarray(pixels, "RGB").convert(mode)


def planes(image):
    """[C,H,W]"""
    return torch.from_numpy(np.atleast_3d(np.asarray(image)).transpose(2, 0, 1).copy())


def jpegs(tensors):
    """Files and what Pillow reads from them, as it is and in colour and grey."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees: nobody does it unasked
    kinds = {"420": ("RGB", dict(quality=75)), "422": ("RGB", dict(quality=90, subsampling=1)),
             "444": ("RGB", dict(quality=95, subsampling=0)), "gray": ("L", dict(quality=80)),
             "progressive": ("RGB", dict(quality=75, progressive=True)), "turned": ("RGB", dict(quality=50, exif=exif)),
             "progressive_gray": ("L", dict(quality=60, progressive=True)), "cmyk": ("CMYK", dict(quality=75))}
    for name, (mode, options) in kinds.items():
        file = io.BytesIO()
        picture(37, 29, mode).save(file, "JPEG", **options)
        tensors[f"{name}/file"] = torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)
        read = Image.open(file)
        tensors[f"{name}/out"] = planes(read if mode == "L" else read.convert("RGB"))
        tensors[f"{name}/gray"] = planes(read.convert("RGB").convert("L"))


def resizes(tensors):
    for mode in ("RGB", "L"):
        image = picture(37, 29, mode)
        tensors[f"resize/{mode}/in"] = planes(image)
        for h, w in ((29, 12), (11, 37), (11, 12), (58, 80), (64, 9), (1, 1), (28, 38)):
            tensors[f"resize/{mode}/{h}x{w}"] = planes(image.resize((w, h), Image.BILINEAR))
