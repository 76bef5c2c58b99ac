#!/usr/bin/env python3
"""Time and memory from a cold start to the first segmentation, in turn: PyTorch
with the official model's equal, the Python function on arrays, the wrapped
filter on itk images, and the command.

Needs torch and NumPy in the Python that runs it, and the wheel in one without
torch, since ITK imports torch where it finds it:

    python3 Testing/Benchmark/compare_startup.py --python venv/bin/python

Every run is a process of its own. Printed are the median wall time and the
median of the largest resident memory, as a Markdown table, with the ratio to
PyTorch, and the installed size of what each side needs.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
IMAGES = """
import numpy as np
from compare_peers import run_measured
random = np.random.default_rng(0)
images = [random.integers(0, 255, (128, 128), np.uint8) for _ in range({supports} + 1)]
masks = [(image > 128).astype(np.uint8) for image in images]
"""
TORCH = """
import sys
sys.path.insert(0, {here!r})
import torch
from torch_universeg import UniverSeg
model = UniverSeg().eval()
stack = lambda arrays: torch.from_numpy(np.stack(arrays))[None, :, None].float()
with torch.inference_mode():
    result = torch.sigmoid(model(stack(images[:1])[:, 0] / 255, stack(images[1:]) / 255, stack(masks[1:]))) > 0.5
assert result.shape == (1, 1, 128, 128)
"""
FUNCTION = """
import itk
assert itk.universeg_segment(images[0], images[1:], masks[1:]).shape == (128, 128)
"""
FILTER = """
import itk
supports = itk.UniverSegSupportSet.New()
for image, mask in zip(images[1:], masks[1:]):
    supports.PushBackSupport(itk.image_from_array(image), itk.image_from_array(mask))
segment = itk.UniverSegImageFilter.New(itk.image_from_array(images[0]), SupportSet=supports)
segment.Update()
"""
FILES = """
import itk, sys
for i, (image, mask) in enumerate(zip(images, masks)):
    itk.imwrite(itk.image_from_array(image), f"{{sys.argv[1]}}/{{i}}.png")
    itk.imwrite(itk.image_from_array(mask), f"{{sys.argv[1]}}/{{i}}_mask.png")
"""


def run(command):
    """Seconds and megabytes of a process."""
    seconds, peak = run_measured(command)
    return seconds, peak / 2**20


SIZES = """
import importlib.metadata, re, sys
from pathlib import Path
done, waiting = {}, [sys.argv[1]]
while waiting:
    name = re.split(r"[^A-Za-z0-9._-]", waiting.pop())[0].lower().replace("_", "-")
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        continue
    if name not in done:
        files = [Path(distribution.locate_file(file)) for file in distribution.files or ()]
        done[name] = sum(file.stat().st_size for file in files if file.is_file())
        waiting += [r for r in distribution.requires or () if "extra ==" not in r]
print(round(sum(done.values()) / 1e6), round(done[sys.argv[1]] / 1e6))
"""


def installed_size(python, name):
    """Megabytes of a distribution with all that it requires, and of itself."""
    done = subprocess.run([python, "-c", SIZES, name], check=True, capture_output=True, text=True)
    return done.stdout.split()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--python", required=True, help="a Python with the wheel and without torch")
    parser.add_argument("--support-size", type=int, default=16)
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        images = IMAGES.format(supports=options.support_size)

        def python(code, interpreter=options.python):
            return [interpreter, "-c", images + code.format(here=str(HERE))]

        subprocess.run([*python(FILES), folder], check=True)
        command = Path(options.python).parent / "universeg"
        binary = subprocess.run(
            [options.python, "-c", "import itk_universeg.__main__ as m; print(m.COMMAND)"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        files = ["segment", "--image", f"{folder}/0.png", "--output", f"{folder}/result.mha", "--support-images"]
        files += [f"{folder}/{i}.png" for i in range(1, options.support_size + 1)] + ["--support-labels"]
        files += [f"{folder}/{i}_mask.png" for i in range(1, options.support_size + 1)]
        sides = {
            "PyTorch, official model": python(TORCH, sys.executable),
            "import torch alone": [sys.executable, "-c", "import torch"],
            "itk.universeg_segment, arrays": python(FUNCTION),
            "itk.UniverSegImageFilter, itk images": python(FILTER),
            "the command, by its Python script": [str(command), *files],
            "the command itself": [binary, *files],
        }
        measured = {name: [] for name in sides}
        for repetition in range(options.repeat + 1):
            for name, arguments in sides.items():
                result = run(arguments)
                # The first one fills the file cache.
                if repetition > 0:
                    measured[name].append(result)

    print(f"{options.support_size} supports of 128 x 128, {options.repeat} alternating repetitions\n")
    print("| side | median s | min s | ratio | median MB | ratio |")
    print("|---|---|---|---|---|---|")
    peer = [statistics.median(values) for values in zip(*measured["PyTorch, official model"])]
    for name, runs in measured.items():
        seconds, megabytes = (statistics.median(values) for values in zip(*runs))
        print(
            f"| {name} | {seconds:.3f} | {min(runs)[0]:.3f} | {seconds / peer[0]:.2f} | {megabytes:.0f} | "
            f"{megabytes / peer[1]:.2f} |"
        )
    torch_size = installed_size(sys.executable, "torch")
    our_size = installed_size(options.python, "itk-universeg")
    print(f"\nInstalled with all that it requires: torch {torch_size[0]} MB, itk-universeg {our_size[0]} MB, of which")
    print(f"its own {our_size[1]} MB")


if __name__ == "__main__":
    main()
