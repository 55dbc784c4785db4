"""Statistics of initial values, and those values that are determined."""

import math

import torch
from torch import nn


def initialisers(tensors):
    """The mean, the standard deviation and the mean magnitude of values: enough to tell distributions apart."""
    torch.manual_seed(0)

    def note(name, x):
        tensors[name] = torch.stack([x.mean(), x.std(), x.abs().mean()]).double()

    layers = {"linear": nn.Linear(150, 400), "conv": nn.Conv2d(16, 600, (3, 5), groups=2)}
    for name, layer in layers.items():
        note(name + "/weight", layer.weight)
        note(name + "/bias", layer.bias)
    x = torch.empty(256, 64, 3, 3)
    note("xavier_uniform", nn.init.xavier_uniform_(x, 2.0))
    note("xavier_normal", nn.init.xavier_normal_(x))
    note("kaiming_uniform", nn.init.kaiming_uniform_(x, math.sqrt(5)))
    note("kaiming_uniform.fan_out", nn.init.kaiming_uniform_(x, mode="fan_out", nonlinearity="relu"))
    note("kaiming_normal", nn.init.kaiming_normal_(x))
    note("kaiming_normal.fan_out", nn.init.kaiming_normal_(x, 0.2, mode="fan_out"))
    note("normal", nn.init.normal_(x, 1, 3))
    note("uniform", nn.init.uniform_(x, -1, 3))
    note("trunc_normal", nn.init.trunc_normal_(x, 0.5, 2, -1, 2))
    note("caffe2_xavier", nn.init.kaiming_uniform_(x, a=1, mode="fan_in", nonlinearity="leaky_relu"))  # MMEngine's
    note("sparse", nn.init.sparse_(torch.empty(300, 100), 0.35, std=2))


def determined_initialisers(tensors):
    """Orthogonal matrices with the normal ones that they are made of, and what has no random part."""
    for shape, gain in (((5, 3), 1.0), ((3, 5), 1.0), ((4, 4), 2.5), ((4, 2, 3, 3), 1.0), ((40, 40), 1.0)):
        name = "orthogonal/" + "x".join(map(str, shape))
        x = torch.empty(shape, dtype=torch.float64)
        torch.manual_seed(1)
        tensors[name + "/drawn"] = x.new(shape[0], x.numel() // shape[0]).normal_(0, 1)
        torch.manual_seed(1)
        tensors[name + "/out"] = nn.init.orthogonal_(x, gain)
        tensors[name + "/gain"] = torch.tensor(gain, dtype=torch.float64)
    for shape, groups in (((3, 3, 3), 1), ((4, 6, 3, 3), 2), ((6, 2, 4, 5), 3), ((5, 2, 2, 3, 3), 1), ((2, 2, 1, 1), 1)):
        tensors[f"dirac/{'x'.join(map(str, shape))}/{groups}"] = nn.init.dirac_(torch.empty(shape), groups)
    tensors["eye/3x5"], tensors["eye/4x2"] = nn.init.eye_(torch.empty(3, 5)), nn.init.eye_(torch.empty(4, 2))
    for name in ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
                 "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        tensors["gain/" + name] = torch.tensor(nn.init.calculate_gain(name), dtype=torch.float64)
    tensors["gain/leaky_relu/0.2"] = torch.tensor(nn.init.calculate_gain("leaky_relu", 0.2), dtype=torch.float64)
