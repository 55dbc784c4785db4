"""A peer of bench/train_step.cpp: PyTorch's training step on two threads.

Usage: train_step.py small|NETWORK BATCH nchw|nhwc, NETWORK one of torchvision's. The parts of a step are the whole,
forward, backward, optimiser.
"""
import sys

import peer
import pytorch
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision as tv


def small():
    def block(i, o):
        return [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, 10))


torch.manual_seed(0)
which, batch, layout = sys.argv[1], int(sys.argv[2]), sys.argv[3]
model = (small() if which == "small" else getattr(tv.models, which)()).train()
x = torch.randn(batch, 1, 28, 28) if which == "small" else torch.randn(batch, 3, 224, 224)
y = torch.randint(0, 10, (batch,))
if layout == "nhwc":
    model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-4, foreach=True)
loss = None


def forward():
    global loss
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)


def step():
    parts = peer.timed(forward, lambda: loss.backward(), optimizer.step)
    return [sum(parts), *parts]


pytorch.serve(f" {layout}", step)
