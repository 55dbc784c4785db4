"""A peer of bench/ops.cpp: PyTorch's ops, forward and backward.

Usage: ops.py nchw|nhwc. `case OP FOLDER SHAPE...` takes up an op, whose inputs are in FOLDER/in0, in1, ... and the
gradient of whose result is in FOLDER/grad, raw f32; `write FOLDER` writes the result and the gradients of the inputs to
FOLDER/out0, out1, ... The parts of a step are forward and backward.
"""
import sys

import numpy as np
import peer
import pytorch
import torch
import torch.nn.functional as F

LAYOUT = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}[sys.argv[1]]


def batch_norm(x, gamma, beta):
    return F.batch_norm(x, statistics[0], statistics[1], gamma, beta, training=True)


OPS = {
    "batch_norm": batch_norm,
    "batch_norm_add_relu": lambda x, gamma, beta, z: F.relu_(batch_norm(x, gamma, beta).add_(z)),
    "layer_norm": lambda x, gamma, beta: F.layer_norm(x, gamma.shape, gamma, beta),
    "softmax": lambda x: F.softmax(x, -1),
    "cross_entropy": lambda x: F.cross_entropy(x, labels),
    "cross_entropy_smoothed": lambda x: F.cross_entropy(x, labels, label_smoothing=0.1),
    "gelu": F.gelu,
    "max_pool_3x3_s2": lambda x: F.max_pool2d(x, 3, stride=2, padding=1),
    "avg_pool_2x2": lambda x: F.avg_pool2d(x, 2),
    "global_pool": lambda x: F.adaptive_avg_pool2d(x, 1),
}
op, inputs, grad, statistics, labels, y = None, [], None, [], None, None


def tensor(path, shape):
    x = torch.from_numpy(np.fromfile(path, np.float32)).reshape(shape)
    return x.contiguous(memory_format=LAYOUT) if x.dim() == 4 else x


def case(name, folder, *shapes):
    global op, inputs, grad, statistics, labels
    op = OPS[name]
    inputs = [tensor(f"{folder}/in{i}", [int(size) for size in shape.split("x")]).requires_grad_()
              for i, shape in enumerate(shapes)]
    channels = inputs[0].shape[1]
    statistics = torch.zeros(channels), torch.ones(channels)
    labels = torch.arange(len(inputs[0])) * 7 % channels
    grad = tensor(f"{folder}/grad", op(*inputs).shape)


def forward():
    global y
    y = op(*inputs)


def backward():
    y.backward(grad)


def step():
    global y
    y = None
    for x in inputs:
        x.grad = None
    return peer.timed(forward, backward)


def write(folder):
    step()
    for i, x in enumerate([y, *(x.grad for x in inputs)]):
        x.detach().contiguous().numpy().tofile(f"{folder}/out{i}")


pytorch.serve(f" {sys.argv[1]}", step, case=case, write=write)
