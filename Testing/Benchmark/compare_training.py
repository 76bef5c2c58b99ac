#!/usr/bin/env python3
"""Time a training step of UniverSeg against PyTorch eager, in turn.

    python3 Testing/Benchmark/compare_training.py --command build/release/bin/universeg

needs nothing but Python and pip, as compare_peers.py. Both sides train the release
configuration on one target of 128 x 128 with soft Dice and Adam, in float32, on the
same number of threads, each in a process of its own, alternately; a step that is
not counted comes first. Printed is a Markdown table: medians with the minima, the
ratio, and the peak memory of each process.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from compare_peers import default_environment, install, peak_bytes, positive, prepare_environment, say, usable_cores


def train_steps(supports, threads, repeat):
    """The part of PyTorch, in its own process."""
    import torch
    from peer_worker import make_inputs
    from torch_universeg import UniverSeg

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = UniverSeg()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    target, images, labels = (torch.from_numpy(array) for array in make_inputs(supports))
    label = (target > 0.5).float()
    seconds = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        optimizer.zero_grad()
        p = torch.sigmoid(model(target, images, labels))
        both = (p * label).sum()
        loss = 1 - (2 * both + 1e-7) / ((p * p).sum() + (label * label).sum() + 1e-7)
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    peak = peak_bytes(resource.getrusage(resource.RUSAGE_SELF))
    print(json.dumps({"seconds": seconds[1:], "peak_resident_bytes": peak, "version": torch.__version__}))


def run_own(command, supports, threads, repeat, more=()):
    done = subprocess.run(
        [command, "bench", "--training", "--support-size", str(supports), "--threads", str(threads)]
        + ["--repeat", str(repeat), "--json", *more],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default="build/release/bin/universeg", help="the universeg command")
    parser.add_argument("--support-sizes", type=positive, nargs="+", default=[16, 64])
    parser.add_argument("--threads", type=positive, default=usable_cores())
    parser.add_argument("--turns", type=positive, default=5, help="of each side")
    parser.add_argument("--environment", type=Path, default=default_environment())
    parser.add_argument("--worker", type=positive, nargs=2, metavar=("SUPPORTS", "REPEAT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return train_steps(options.worker[0], options.threads, options.worker[1])
    python = prepare_environment(options.environment, None)
    _, reasons = install(python, ["torch-eager"])
    if reasons:
        sys.exit("; ".join(reasons.values()))
    version = ""
    rows = []
    for supports in options.support_sizes:
        own, peer = [], []
        memory = {"own": 0, "recompute": 0, "peer": 0}
        for turn in range(options.turns):
            say(f"support size {supports}, turn {turn + 1} of {options.turns}")
            result = run_own(options.command, supports, options.threads, 1)
            own.append(result["training_step"]["min_seconds"])
            memory["own"] = max(memory["own"], result["peak_resident_bytes"])
            done = subprocess.run(
                [python, __file__, "--threads", str(options.threads), "--worker", str(supports), "1"],
                capture_output=True,
                text=True,
                check=True,
                env=dict(os.environ, OMP_NUM_THREADS=str(options.threads)),
            )
            answer = json.loads(done.stdout.splitlines()[-1])
            peer += answer["seconds"]
            memory["peer"] = max(memory["peer"], answer["peak_resident_bytes"])
            version = answer["version"]
        again = run_own(options.command, supports, options.threads, 3, ["--recompute"])
        rows.append((supports, own, peer, memory, again))
    print(f"Threads: {options.threads}; PyTorch {version}; {options.turns} turns of each side\n")
    print("| S | PyTorch eager, s | this project, s | ratio | memory, GB | recomputing: s, GB |")
    print("|---|---|---|---|---|---|")
    for supports, own, peer, memory, again in rows:
        mine, theirs = statistics.median(own), statistics.median(peer)
        print(
            f"| {supports} | {theirs:.2f} ({min(peer):.2f}) | {mine:.2f} ({min(own):.2f}) | {theirs / mine:.1f} "
            f"| {memory['peer'] / 1e9:.2f}; {memory['own'] / 1e9:.2f} "
            f"| {again['training_step']['median_seconds']:.2f}, {again['peak_resident_bytes'] / 1e9:.2f} |"
        )


if __name__ == "__main__":
    main()
