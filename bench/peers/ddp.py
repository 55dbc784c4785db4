"""A peer of bench/distributed.cpp: PyTorch's DistributedDataParallel on gloo, one thread a rank.

Usage: ddp.py BATCH RANKS nchw|nhwc. Each rank trains torchvision's ResNet-18 on BATCH images of 64x64 of its own; a
step's time is rank 0's, the ranks beginning together.
"""
import os
import sys
import tempfile
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
import torchvision as tv

batch, ranks, layout = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


def train(rank, file, asked, answers):
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=ranks)
    torch.manual_seed(0)
    model, x = tv.models.resnet18().train(), torch.randn(batch, 3, 64, 64)
    if layout == "nhwc":
        model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    parallel = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    target = torch.randint(0, 1000, (batch,))
    optimizer = torch.optim.SGD(model.parameters(), 1e-9, momentum=0.9, weight_decay=1e-4, foreach=True)
    while (steps := asked.get()) > 0:
        best = 1e30
        for _ in range(steps):
            dist.barrier()
            start = time.perf_counter()
            optimizer.zero_grad()
            F.cross_entropy(parallel(x), target).backward()
            optimizer.step()
            best = min(best, 1e3 * (time.perf_counter() - start))
        if rank == 0:
            answers.put(best)
    dist.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        context = mp.get_context("spawn")
        asked, answers = [context.Queue() for _ in range(ranks)], context.Queue()
        workers = [context.Process(target=train, args=(r, folder + "/store", asked[r], answers)) for r in range(ranks)]
        for worker in workers:
            worker.start()
        print(f"PyTorch {torch.__version__} DDP on gloo {layout}", flush=True)
        for line in sys.stdin:
            for queue in asked:
                queue.put(int(line))
            print(answers.get(), flush=True)
        for queue in asked:
            queue.put(0)
        for worker in workers:
            worker.join()
