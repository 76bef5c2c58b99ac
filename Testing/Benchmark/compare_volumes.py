#!/usr/bin/env python3
"""Time FMUNet and PCT-Net of this project against the references in PyTorch, eager and compiled, in turn.

    python3 Testing/Benchmark/compare_volumes.py --command build/release/bin/universeg

needs git, Python and pip: PyTorch and PyMIC 0.5.0 are installed from PyPI into the environment of
compare_peers.py, the sources of PCT-Net are cloned from openmedlab/MIS-FM beside it.

All sides have the demonstration's configuration with the same random weights, float32 and the same number of
threads, and take turns:

- patch: the logits of a patch of 64 x 128 x 128; the peers have run once before;
- volume: 88 x 160 x 256 voxels in windows of that size, half of it apart. The peers' time is that of PyMIC's own
  sliding windows, this project's that of the whole command, which reads PyMIC's weights and the image and writes
  the labels;
- training: a step with half Dice, half cross-entropy, and Adam, batch 1, each in a process of its own behind one
  that is not counted.

Printed are Markdown tables: medians with the minima, ratios, and the peak memory of the processes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare_peers import (
    PeerFailure,
    Worker,
    default_environment,
    last_line,
    package_version,
    positive,
    prepare_environment,
    run_measured,
    say,
    usable_cores,
)

WORKER = Path(__file__).resolve().parent / "volume_worker.py"
SIDES = {"eager": "PyTorch eager", "compile": "torch.compile", "own": "this project"}
PACKAGES = ["torch", "numpy", "scipy", "PYMIC==0.5.0", "SimpleITK", "einops"]
CONFIGURATION = """[dataset]
tensor_type = float
task_type = seg
test_dir = .
test_csv = test.csv
modal_num = 1
test_transform = [NormalizeWithMeanStd]
NormalizeWithMeanStd_channels = [0]
[network]
net_type = {net_type}
{network}
[training]
ckpt_dir = .
[testing]
ckpt_mode = 2
ckpt_name = {weights}
output_dir = result
sliding_window_enable = True
sliding_window_batch = 1
sliding_window_size = [64, 128, 128]
sliding_window_stride = [32, 64, 64]
"""


def prepare(options):
    """The peers' Python and the checkout of MIS-FM."""
    python = prepare_environment(options.environment, None)
    for package in PACKAGES:
        if package_version(python, package.split("==")[0]) is None:
            say(f"installing {package}")
            command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", package]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"pip cannot install {package}: {last_line(done.stderr)}")
    sources = options.mis_fm or options.environment / "MIS-FM"
    if "pctnet" in options.networks and not (sources / "net" / "pct_net.py").exists():
        say(f"cloning {sources}")
        address = "https://github.com/openmedlab/MIS-FM.git"
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", address, str(sources)], check=True)
    return python, sources


def make_volume(python, folder):
    code = (
        "import sys, numpy, SimpleITK\n"
        "x = numpy.random.default_rng(1).standard_normal((88, 160, 256), dtype=numpy.float32)\n"
        "SimpleITK.WriteImage(SimpleITK.GetImageFromArray(x), sys.argv[1])\n"
    )
    subprocess.run([python, "-c", code, str(folder / "volume.nii.gz")], check=True)
    (folder / "test.csv").write_text("image\nvolume.nii.gz\n")


def write_configuration(python, network, folder):
    code = f"import sys; sys.path.insert(0, {str(WORKER.parent)!r}); import json, volume_worker as w\n"
    code += f"print(json.dumps(w.DEMO[{network!r}]))"
    values = json.loads(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout)
    lines = "\n".join(f"{key} = {value}" for key, value in values.items())
    net_type = {"fmunet": "FMUNet", "pctnet": "PCTNet"}[network]
    text = CONFIGURATION.format(net_type=net_type, network=lines, weights=f"{network}.pt")
    path = folder / f"{network}.cfg"
    path.write_text(text)
    return path


def bench(options, network, *more):
    command = [options.command, "bench", "--network", network, "--threads", str(options.threads), "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {last_line(done.stderr)}")
    return json.loads(done.stdout)


class Comparison:
    def __init__(self, options, python, sources, folder):
        self.options = options
        self.python = python
        self.sources = sources
        self.folder = folder
        self.torch = ""

    def start(self, network, task, side):
        command = [self.python, str(WORKER), network, task, side, "--folder", str(self.folder)]
        worker = Worker(command + ["--sources", str(self.sources)], self.options.threads, self.options.timeout)
        self.torch = worker.facts["torch"]
        return worker

    def own(self, network, task):
        if task == "patch":
            model = self.folder / f"{network}.pt"
            result = bench(self.options, network, "--model", str(model), "--repeat", "1")
            return result["run"]["min_seconds"], result["peak_resident_bytes"]
        if task == "training":
            result = bench(self.options, network, "--training", "--repeat", "1")
            return result["training_step"]["min_seconds"], result["peak_resident_bytes"]
        command = [self.options.command, "segment", "--config", str(self.configuration)]
        return run_measured([*command, "--threads", str(self.options.threads)], self.folder)

    def measure(self, network, task, turns):
        """Of each side its seconds and its peak memory."""
        self.configuration = write_configuration(self.python, network, self.folder)
        seconds = {side: [] for side in SIDES if side == "own" or side in self.options.sides}
        peaks = dict.fromkeys(seconds, 0)
        stays = task != "training"
        workers = {}
        for side in list(seconds):
            if stays and side != "own":
                say(f"{network}, {task}: preparing {SIDES[side]}")
                workers[side] = self.start(network, task, side)
        for turn in range(turns):
            for side in list(seconds):
                say(f"{network}, {task}, turn {turn + 1} of {turns}: {SIDES[side]}")
                try:
                    if side == "own":
                        value, peak = self.own(network, task)
                    else:
                        worker = workers[side] if stays else self.start(network, task, side)
                        value = worker.ask("run")
                        peak = worker.facts["peak_resident_bytes"]
                        if not stays:
                            worker.stop()
                    seconds[side].append(value)
                    peaks[side] = max(peaks[side], peak)
                except PeerFailure as failure:
                    say(f"{SIDES[side]} is left out: {failure}")
                    seconds.pop(side)
                    workers.pop(side, None)
        for worker in workers.values():
            worker.stop()
        return seconds, peaks

    def compare_labels(self, network):
        """Voxels in which the last results differ."""
        code = (
            "import sys, numpy, SimpleITK\n"
            "own = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(sys.argv[1]))\n"
            "print(int((own != numpy.load(sys.argv[2])).sum()), own.size)\n"
        )
        arguments = [str(self.folder / "result" / "volume.nii.gz"), str(self.folder / "peer_labels.npy")]
        return subprocess.run(
            [self.python, "-c", code, *arguments], check=True, capture_output=True, text=True
        ).stdout.split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default="build/release/bin/universeg", help="the universeg command")
    parser.add_argument("--networks", nargs="+", choices=["fmunet", "pctnet"], default=["fmunet", "pctnet"])
    parser.add_argument(
        "--tasks", nargs="+", choices=["patch", "volume", "training"], default=["patch", "volume", "training"]
    )
    parser.add_argument("--sides", nargs="+", choices=["eager", "compile"], default=["eager", "compile"])
    parser.add_argument("--threads", type=positive, default=usable_cores())
    parser.add_argument("--turns", type=positive, default=5, help="of each side")
    parser.add_argument("--timeout", type=positive, default=1800, help="seconds that a peer may take")
    parser.add_argument("--environment", type=Path, default=default_environment())
    parser.add_argument("--mis-fm", type=Path, help="a checkout of openmedlab/MIS-FM")
    options = parser.parse_args()
    options.command = str(Path(options.command).resolve())
    python, sources = prepare(options)
    rows = []
    start = time.time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_volume(python, folder)
        comparison = Comparison(options, python, sources, folder)
        for network in options.networks:
            for task in options.tasks:
                seconds, peaks = comparison.measure(network, task, options.turns)
                rows.append((network, task, seconds, peaks))
                if task == "volume" and options.sides:
                    differ, of = comparison.compare_labels(network)
                    say(f"{network}: labels differ in {differ} of {of} voxels")
    print(f"Threads: {options.threads}; PyTorch {comparison.torch}; {options.turns} turns of each side; ")
    print(f"{(time.time() - start) / 60:.0f} minutes in all\n")
    sides = ["own", *options.sides]
    print("| network | task | " + " | ".join(f"{SIDES[s]}, s" for s in sides) + " | ratios | memory, GB |")
    print("|---|---|" + "---|" * (len(sides) + 2))
    for network, task, seconds, peaks in rows:
        present = [side for side in sides if side in seconds]
        medians = {side: statistics.median(seconds[side]) for side in present}
        cells = [f"{medians[s]:.2f} ({min(seconds[s]):.2f})" if s in medians else "-" for s in sides]
        ratios = ", ".join(f"{medians[s] / medians['own']:.1f}" for s in present[1:])
        memory = "; ".join(f"{peaks[s] / 1e9:.2f}" for s in present)
        print(f"| {network} | {task} | " + " | ".join(cells) + f" | {ratios} | {memory} |", flush=True)


if __name__ == "__main__":
    main()
