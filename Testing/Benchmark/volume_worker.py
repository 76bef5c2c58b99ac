"""PyMIC's side of compare_volumes.py: one network, eager or compiled, in a process of its own.

Prints a line of facts when it is ready, then answers each line of its input with seconds and the
peak of its memory."""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy
import torch
from compare_peers import peak_bytes

DEMO = {
    "fmunet": {
        "in_chns": 1,
        "class_num": 2,
        "feature_chns": [32, 64, 128, 256, 512],
        "dropout": 0.2,
        "depth": 2,
        "res_mode": 0,
        "multiscale_pred": False,
    },
    "pctnet": {
        "in_chns": 1,
        "class_num": 2,
        "input_size": [64, 128, 128],
        "feature_chns": [24, 48, 128, 256, 512],
        "dropout": [0, 0, 0.2, 0.2, 0.2],
        "resolution_mode": 1,
        "multiscale_pred": False,
    },
}
PATCH = (64, 128, 128)
STRIDE = (32, 64, 64)


def make_network(name, sources):
    torch.manual_seed(0)
    if name == "fmunet":
        from pymic.net.net3d.fmunetv3 import FMUNetV3

        return FMUNetV3(dict(DEMO[name]))
    sys.path.insert(0, str(sources))
    from net.pct_net import PCTNet

    return PCTNet(dict(DEMO[name]))


def first(result):
    return result[0] if isinstance(result, (list, tuple)) else result


class Patch:
    """One patch, for its logits."""

    def __init__(self, network, options):
        self.network = network.eval()
        self.input = torch.from_numpy(numpy.random.default_rng(0).standard_normal((1, 1, *PATCH), dtype=numpy.float32))

    def run(self):
        with torch.no_grad():
            return first(self.network(self.input))


class Volume:
    """A volume in windows, by PyMIC's own code; only the network and the merging are timed."""

    def __init__(self, network, options):
        import SimpleITK
        from pymic.net_run.infer_func import Inferer

        image = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(options.folder / "volume.nii.gz")))
        image = image.astype(numpy.float32)
        self.input = torch.from_numpy((image - image.mean()) / image.std())[None, None]
        self.network = network.eval()
        self.inferer = Inferer(
            {
                "sliding_window_enable": True,
                "sliding_window_size": list(PATCH),
                "sliding_window_stride": list(STRIDE),
                "class_num": 2,
                "tta_mode": 0,
            }
        )
        self.folder = options.folder

    def run(self):
        with torch.no_grad():
            result = first(self.inferer.run(self.network, self.input))
            labels = result.argmax(1)[0].to(torch.uint8).numpy()
        numpy.save(self.folder / "peer_labels.npy", labels)
        return labels


class Training:
    """A step with PyMIC's default loss and optimiser."""

    def __init__(self, network, options):
        generator = numpy.random.default_rng(0)
        self.input = torch.from_numpy(generator.standard_normal((1, 1, *PATCH), dtype=numpy.float32))
        label = torch.from_numpy(generator.integers(0, 2, (1, *PATCH)))
        self.label = torch.nn.functional.one_hot(label, 2).permute(0, 4, 1, 2, 3).float().contiguous()
        self.network = network.train()
        self.optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-5)

    def run(self):
        self.optimizer.zero_grad()
        p = torch.softmax(first(self.network(self.input)), 1)
        y = self.label
        axes = (0, 2, 3, 4)
        dice = (2 * (p * y).sum(axes) + 1e-5) / (p.sum(axes) + y.sum(axes) + 1e-5)
        cross_entropy = -(y * torch.log(0.999 * p + 5e-4)).sum(1).mean()
        loss = 0.5 * (1 - dice).mean() + 0.5 * cross_entropy
        loss.backward()
        self.optimizer.step()
        return loss.item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=DEMO)
    parser.add_argument("task", choices=["patch", "volume", "training"])
    parser.add_argument("mode", choices=["eager", "compile"])
    parser.add_argument("--folder", type=Path, required=True, help="of the volume and for weights and labels")
    parser.add_argument("--sources", type=Path, help="checkout of openmedlab/MIS-FM, for pctnet")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = make_network(options.network, options.sources)
    weights = options.folder / f"{options.network}.pt"
    if not weights.exists():
        torch.save({"model_state_dict": network.state_dict()}, weights)
    task = {"patch": Patch, "volume": Volume, "training": Training}[options.task]
    task = task(torch.compile(network) if options.mode == "compile" else network, options)
    if options.task != "volume":
        task.run()
    elif options.mode == "compile":
        with torch.no_grad():
            task.network(torch.ones(1, 1, *PATCH))
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        task.run()
        seconds = time.perf_counter() - start
        peak = peak_bytes(resource.getrusage(resource.RUSAGE_SELF))
        print(json.dumps({"seconds": seconds, "peak_resident_bytes": peak}), flush=True)


if __name__ == "__main__":
    main()
