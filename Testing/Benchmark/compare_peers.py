#!/usr/bin/env python3
"""Time UniverSeg of this project against the same network in PyTorch, in turn.

Needs torch (PyPI) in the Python that runs it, and the built command:

    python3 Testing/Benchmark/compare_peers.py --command build/release/bin/universeg

Both sides run the release configuration (encoder [64, 64, 64, 64]) on one
128x128 target with random weights, on the same number of threads, alternately.
Printed are minimum and median of both and the ratio of the medians, as a
Markdown table. The network below is written from the definition in the paper
and follows the official implementation's order of operations.
"""

import argparse
import json
import resource
import statistics
import subprocess
import time

import torch
from torch import nn


class CrossConv(nn.Module):
    """z[b, i] = conv(concat(u[b], v[b, i])) for every support i."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, u, v):
        batch, supports = v.shape[:2]
        pairs = torch.cat([u.expand(batch, supports, *u.shape[2:]), v], dim=2)
        z = self.conv(pairs.flatten(0, 1))
        return z.unflatten(0, (batch, supports))


class Block(nn.Module):
    def __init__(self, in_channels, features):
        super().__init__()
        self.cross = CrossConv(in_channels, features)
        self.target = nn.Conv2d(features, features, 3, padding=1)
        self.support = nn.Conv2d(features, features, 3, padding=1)
        self.activation = nn.LeakyReLU()

    def each(self, conv, x):
        return self.activation(conv(x.flatten(0, 1))).unflatten(0, x.shape[:2])

    def forward(self, u, v):
        z = self.cross(u, v)
        return self.each(self.target, z.mean(dim=1, keepdim=True)), self.each(self.support, z)


def each_image(f, x):
    y = f(x.flatten(0, 1))
    return y.unflatten(0, x.shape[:2])


class UniverSeg(nn.Module):
    def __init__(self, features=(64, 64, 64, 64)):
        super().__init__()
        self.encoder = nn.ModuleList()
        channels = 3
        for count in features:
            self.encoder.append(Block(channels, count))
            channels = 2 * count
        self.decoder = nn.ModuleList()
        below = features[-1]
        for count in reversed(features[:-1]):
            self.decoder.append(Block(2 * (below + count), count))
            below = count
        self.out = nn.Conv2d(below, 1, 1)
        self.down = nn.MaxPool2d(2)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)

    def forward(self, target, images, labels):
        u, v = target[:, None], torch.cat([images, labels], dim=2)
        skips = []
        for level, block in enumerate(self.encoder):
            u, v = block(u, v)
            if level + 1 < len(self.encoder):
                skips.append((u, v))
                u, v = each_image(self.down, u), each_image(self.down, v)
        for block in self.decoder:
            skip_u, skip_v = skips.pop()
            u = torch.cat([each_image(self.up, u), skip_u], dim=2)
            v = torch.cat([each_image(self.up, v), skip_v], dim=2)
            u, v = block(u, v)
        return self.out(u[:, 0])


def time_torch(model, inputs):
    start = time.perf_counter()
    with torch.inference_mode():
        model(*inputs)
    return time.perf_counter() - start


def run_ours(command, supports, threads):
    text = subprocess.run(
        [command, "bench", "--network", "universeg", "--support-size", str(supports), "--repeat", "1"]
        + ["--threads", str(threads), "--json"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return json.loads(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--command", required=True, help="path of the universeg command")
    parser.add_argument("--support-sizes", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = UniverSeg().eval()
    print(f"PyTorch {torch.__version__}, {options.threads} threads, {options.repeat} alternating repetitions\n")
    print("| S | side | min s | median s | ratio of medians | peak memory |")
    print("|---|---|---|---|---|---|")
    for supports in options.support_sizes:
        inputs = (
            torch.rand(1, 1, 128, 128),
            torch.rand(1, supports, 1, 128, 128),
            torch.rand(1, supports, 1, 128, 128).round(),
        )
        time_torch(model, inputs)
        peer, ours, report = [], [], {}
        for _ in range(options.repeat):
            report = run_ours(options.command, supports, options.threads)
            ours.append(report["new_support"]["median_seconds"])
            peer.append(time_torch(model, inputs))
        ratio = statistics.median(peer) / statistics.median(ours)
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(
            f"| {supports} | PyTorch eager | {min(peer):.3f} | {statistics.median(peer):.3f} | "
            f"| {resident / 1e9:.2f} GB of the process so far |"
        )
        print(
            f"| {supports} | universeg | {min(ours):.3f} | {statistics.median(ours):.3f} "
            f"| {ratio:.2f} | {report['peak_bytes'] / 1e9:.2f} GB arena |"
        )


if __name__ == "__main__":
    main()
