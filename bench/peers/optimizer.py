"""A peer of bench/optimizer.cpp: a step of PyTorch's optimisers over ResNet-50's parameters.

Usage: optimizer.py SGD|Adam|AdamW foreach|fused
"""
import sys

import peer
import pytorch
import torch
import torchvision as tv

kind, form = sys.argv[1:]
parameters = list(tv.models.resnet50().parameters())
for p in parameters:
    p.grad = torch.randn_like(p)
options = {"momentum": 0.9} if kind == "SGD" else {}
optimizer = getattr(torch.optim, kind)(parameters, lr=1e-3, **{form: True}, **options)
pytorch.serve(f", {form}", lambda: peer.timed(optimizer.step))
