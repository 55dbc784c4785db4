"""What the peers that run PyTorch have in common."""
import peer
import torch

torch.set_num_threads(peer.THREADS)


def serve(name, step, **commands):
    """As peer.serve, behind PyTorch's name and version."""
    peer.serve(f"PyTorch {torch.__version__}{name}", step, **commands)
