"""A peer of bench/load.cpp: ResNet-50 built without initial values and loaded with PyTorch.

Usage: load.py FILE. The parts of a step are the whole, the model built, the file read, the state loaded.
"""
import sys

import peer
import pytorch
import torch
import torchvision as tv
from safetensors.torch import load_file

path = sys.argv[1]
model, state = None, None


def build():
    global model
    with torch.device("meta"):
        model = tv.models.resnet50()


def read():
    global state
    state = load_file(path) if path.endswith(".safetensors") else torch.load(path, mmap=True, weights_only=True)


def step():
    global model, state
    model = state = None
    parts = peer.timed(build, read, lambda: model.load_state_dict(state, assign=True))
    return [sum(parts), *parts]


pytorch.serve("", step)
