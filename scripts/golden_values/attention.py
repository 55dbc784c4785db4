"""Attention modules, written after their papers with PyTorch's layers and Ingot's names."""

import torch
from torch import nn
from torch.nn import functional as F

from .layers import record


def gate(x, identity):
    return 2 * torch.sigmoid(x) if identity else torch.sigmoid(x)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed, identity=False):
        super().__init__()
        self.fc1, self.fc2, self.identity = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1), identity

    def forward(self, x):
        return x * gate(self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))), self.identity)


class ECA(nn.Module):
    def __init__(self, kernel):
        super().__init__()
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x):
        mixed = self.conv(x.mean((2, 3)).unsqueeze(1))
        return x * torch.sigmoid(mixed).squeeze(1)[..., None, None]


class ChannelGate(nn.Module):
    def __init__(self, channels, reduction):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(channels, channels // reduction), nn.Linear(channels // reduction, channels)

    def forward(self, x):
        mlp = lambda pooled: self.fc2(F.relu(self.fc1(pooled)))
        return x * torch.sigmoid(mlp(x.mean((2, 3))) + mlp(x.amax((2, 3))))[..., None, None]


class SpatialGate(nn.Module):
    def __init__(self, kernel=7):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, x):
        pooled = torch.stack((x.amax(1), x.mean(1)), 1)
        return x * torch.sigmoid(self.bn(self.conv(pooled)))


class CBAM(nn.Module):
    def __init__(self, channels, reduction):
        super().__init__()
        self.channel, self.spatial = ChannelGate(channels, reduction), SpatialGate()

    def forward(self, x):
        return self.spatial(self.channel(x))


class TripletAttention(nn.Module):
    def __init__(self, kernel):
        super().__init__()
        self.channel_height, self.channel_width, self.spatial = (SpatialGate(kernel) for _ in range(3))

    def forward(self, x):
        height = self.channel_height(x.permute(0, 2, 1, 3)).permute(0, 2, 1, 3)
        width = self.channel_width(x.permute(0, 3, 2, 1)).permute(0, 3, 2, 1)
        return (height + width + self.spatial(x)) / 3


class SimAM(nn.Module):
    def forward(self, x):
        distance = (x - x.mean((2, 3), keepdim=True)) ** 2
        variance = distance.sum((2, 3), keepdim=True) / (x.shape[2] * x.shape[3] - 1)
        return x * torch.sigmoid(distance / (4 * (variance + 1e-4)) + 0.5)


class BAM(nn.Module):
    def __init__(self, channels, reduction, dilation):
        super().__init__()
        h = channels // reduction
        self.channel = nn.Sequential(nn.Linear(channels, h), nn.BatchNorm1d(h), nn.ReLU(), nn.Linear(h, channels))
        dilated = lambda: (nn.Conv2d(h, h, 3, padding=dilation, dilation=dilation), nn.BatchNorm2d(h), nn.ReLU())
        self.spatial = nn.Sequential(nn.Conv2d(channels, h, 1), nn.BatchNorm2d(h), nn.ReLU(), *dilated(), *dilated(),
                                     nn.Conv2d(h, 1, 1))

    def forward(self, x):
        return x * (1 + torch.sigmoid(self.channel(x.mean((2, 3)))[..., None, None] + self.spatial(x)))


class CoordAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, 8, 1), nn.BatchNorm2d(8)
        self.conv_h, self.conv_w = nn.Conv2d(8, channels, 1), nn.Conv2d(8, channels, 1)

    def forward(self, x):
        rows, columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)
        both = F.hardswish(self.bn1(self.conv1(torch.cat((rows, columns), 2))))
        by_row, by_column = both.split((x.shape[2], x.shape[3]), 2)
        return x * torch.sigmoid(self.conv_h(by_row)) * torch.sigmoid(self.conv_w(by_column.transpose(2, 3)))


class GlobalContext(nn.Module):
    def __init__(self, channels, reduction):
        super().__init__()
        h = channels // reduction
        self.mask, self.conv1, self.conv2 = nn.Conv2d(channels, 1, 1), nn.Conv2d(channels, h, 1), nn.Conv2d(h, channels, 1)
        self.norm = nn.LayerNorm((h, 1, 1))

    def forward(self, x):
        weights = self.mask(x).flatten(2).softmax(-1)
        context = torch.einsum("ncp,nop->nc", x.flatten(2), weights)[..., None, None]
        return x + self.conv2(F.relu(self.norm(self.conv1(context))))


class NonLocal2d(nn.Module):
    def __init__(self, channels, gaussian=True, sub_sample=False):
        super().__init__()
        h = channels // 2
        self.g, self.theta, self.phi = (nn.Conv2d(channels, h, 1) for _ in range(3))
        self.out, self.gaussian, self.sub_sample = nn.Conv2d(h, channels, 1), gaussian, sub_sample

    def forward(self, x):
        pool = lambda y: (F.max_pool2d(y, 2) if self.sub_sample else y).flatten(2)
        scores = torch.einsum("nhi,nhj->nij", self.theta(x).flatten(2), pool(self.phi(x)))
        weights = scores.softmax(-1) if self.gaussian else scores / scores.shape[-1]
        y = torch.einsum("nij,nhj->nhi", weights, pool(self.g(x)))
        return x + self.out(y.unflatten(2, x.shape[2:]))


class SelectiveKernel(nn.Module):
    def __init__(self, channels, out, stride, groups, hidden):
        super().__init__()
        path = lambda d: nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, padding=d, dilation=d, groups=groups, bias=False),
            nn.BatchNorm2d(out), nn.ReLU())
        self.paths = nn.ModuleList((path(1), path(2)))
        self.reduce = nn.Sequential(nn.Conv2d(out, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU())
        self.select = nn.Conv2d(hidden, 2 * out, 1, bias=False)

    def forward(self, x):
        seen = torch.stack([path(x) for path in self.paths], 1)
        scores = self.select(self.reduce(seen.sum(1).mean((2, 3), keepdim=True)))
        return (seen * scores.unflatten(1, (2, -1)).softmax(1)).sum(1)


class MHSA(nn.Module):
    """With the relative positions' logits by plain loops."""

    def __init__(self, channels, out, heads, size=None, stride=1):
        super().__init__()
        self.qkv, self.heads, self.stride = nn.Conv2d(channels, 3 * out, 1, bias=False), heads, stride
        if size:
            self.rel_height = nn.Parameter(torch.zeros(2 * size[0] - 1, out // heads))
            self.rel_width = nn.Parameter(torch.zeros(2 * size[1] - 1, out // heads))

    def forward(self, x):
        q, k, v = (y.unflatten(1, (self.heads, -1)) for y in self.qkv(x).chunk(3, 1))  # [N,heads,d,H,W]
        q = q / q.shape[2] ** 0.5
        height, width = x.shape[2:]
        scores = torch.einsum("nhdij,nhdkl->nhijkl", q, k)
        if hasattr(self, "rel_height"):
            rows = torch.stack([torch.einsum("nhdij,dk->nhijk", q[:, :, :, i:i + 1], self.rel_height[
                height - 1 - i:2 * height - 1 - i].T).squeeze(2) for i in range(height)], 2)
            columns = torch.stack([torch.einsum("nhdij,dl->nhijl", q[..., j:j + 1], self.rel_width[
                width - 1 - j:2 * width - 1 - j].T).squeeze(3) for j in range(width)], 3)
            scores = scores + rows[..., None] + columns[..., None, :]
        weights = scores.flatten(4).softmax(-1).unflatten(4, (height, width))
        y = torch.einsum("nhijkl,nhdkl->nhdij", weights, v).flatten(1, 2)
        return F.avg_pool2d(y, self.stride) if self.stride > 1 else y


def attention(tensors):
    x = tensors.normal("attention/x", 3, 8, 6, 5)
    layer = lambda name, module, **options: record(tensors, name, module, x, **options)
    layer("SE", SqueezeExcitation(8, 2))
    layer("SE.identity", SqueezeExcitation(8, 2, identity=True))
    layer("ECA", ECA(3))
    layer("CBAM", CBAM(8, 4), train=True)
    layer("CBAM.eval", CBAM(8, 4))
    layer("BAM", BAM(8, 4, 2), train=True)
    layer("CoordAttention", CoordAttention(8), train=True)
    layer("TripletAttention", TripletAttention(3), train=True)
    layer("SimAM", SimAM())
    layer("GC", GlobalContext(8, 4))
    layer("NonLocal", NonLocal2d(8))
    layer("NonLocal.dot_product", NonLocal2d(8, gaussian=False))
    layer("NonLocal.sub_sample", NonLocal2d(8, sub_sample=True))
    layer("SK", SelectiveKernel(8, 12, 2, 2, 6), train=True)
    layer("MHSA", MHSA(8, 12, 3))
    layer("MHSA.relative", MHSA(8, 8, 2, size=(6, 5), stride=2))
