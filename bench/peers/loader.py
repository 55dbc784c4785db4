"""A peer of bench/loader.cpp: PyTorch's DataLoader over Fashion-MNIST in memory, from bytes to normalised floats.

Usage: loader.py sample|batch WORKERS BATCH ORDER. `sample` fetches image by image and collates; `batch` gives the data set
the indices of a whole batch at once, which is the fastest form that PyTorch has. ORDER is a file of i64 indices. A
step is an epoch, timed whole and until the first batch; `write FILE` writes the first 64 batches as raw f32.
"""
import gzip
import sys
import time

import numpy as np
import pytorch
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset

FOLDER = "/usr/share/datasets/fashion-mnist/train-"


def idx(name, offset):
    return torch.from_numpy(np.frombuffer(gzip.open(FOLDER + name).read(), np.uint8, offset=offset).copy())


class Images(Dataset):
    """An index gives an image, a list of them a batch."""
    images, labels = idx("images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28), idx("labels-idx1-ubyte.gz", 8).long()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i].float().div_(255).sub_(0.286).div_(0.353), self.labels[i]


form, workers, batch, order = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), np.fromfile(sys.argv[4], np.int64).tolist()
torch.set_num_threads(1 if form == "sample" or workers else 2)
if form == "sample":
    loader = DataLoader(Images(), batch_size=batch, sampler=order, num_workers=workers)
else:
    loader = DataLoader(Images(), batch_size=None, sampler=BatchSampler(order, batch, False), num_workers=workers)


def epoch():
    start, first, count = time.perf_counter(), None, 0
    for x, y in loader:
        first = first or time.perf_counter() - start
        count += len(y)
    assert count == len(order)
    return 1e3 * (time.perf_counter() - start), 1e3 * first


def write(path):
    with open(path, "wb") as file:
        for (x, _), _ in zip(loader, range(64)):
            file.write(x.numpy().tobytes())


pytorch.serve(f", by {form}, {workers} workers", epoch, write=write)
