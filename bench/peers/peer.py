"""What the peers have in common: the joint with bench/peer.cpp."""
import gc
import sys
import time

THREADS = 2


def timed(*parts):
    """Runs the parts of a step and returns the milliseconds of each."""
    times = []
    for part in parts:
        start = time.perf_counter()
        part()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def serve(name, step, **commands):
    """Writes a line that names the peer; then answers each line with one of numbers. A line N runs N steps, for each of
    which step() returns the times of its parts, and answers with the least of each; another line calls one of
    `commands` with the words behind its name."""
    gc.disable()
    print(name, flush=True)
    for line in sys.stdin:
        word, *words = line.split()
        if word in commands:
            numbers = commands[word](*words) or [0]
        else:
            numbers = [min(part) for part in zip(*(step() for _ in range(int(word))))]
        print(*numbers, flush=True)
