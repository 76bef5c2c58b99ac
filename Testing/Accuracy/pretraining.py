#!/usr/bin/env python3
"""Does Volume Fusion help? Pre-train without labels, fine-tune with few, compare with training from scratch.

    python3 Testing/Accuracy/pretraining.py DATA/msd_task04_hippocampus OUT --command build/release/bin/universeg

DATA has the folders imagesTr and labelsTr of Task 4 of the Medical Segmentation Decathlon. Of its cases, in an
order from a fixed seed, 40 are for the test, 10 for validation and the others for both trainings: all without their
labels for the first, SIZES of them for the second, drawn for each seed. Settings are those of
Examples/Training/pretraining. What is in OUT already is not computed again, so that an interrupted comparison goes
on. Written are OUT/table.md, OUT/curves.csv and OUT/curves.svg; needs nothing but Python.
"""

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

SETTINGS = Path(__file__).resolve().parents[2] / "Examples" / "Training" / "pretraining"
STARTS = {"scratch": "from scratch", "pretrained": "pre-trained"}
STRUCTURES = {"1": "anterior", "2": "posterior", "1+2": "whole"}
COLORS = {"scratch": "#c44e52", "pretrained": "#4c72b0"}


def say(text):
    print(text, file=sys.stderr, flush=True)


def write_list(path, names, has_labels=True):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "label"] if has_labels else ["image"])
        for name in names:
            writer.writerow([f"imagesTr/{name}", f"labelsTr/{name}"] if has_labels else [f"imagesTr/{name}"])


def make_lists(data, out, sizes, seeds):
    """The names of the test's cases."""
    names = sorted(p.name for p in (data / "imagesTr").glob("*.nii.gz") if not p.name.startswith("."))
    if len(names) < 50 + max(sizes):
        sys.exit(f"{data}/imagesTr has {len(names)} images; {50 + max(sizes)} or more are needed")
    random.Random(0).shuffle(names)
    test, validation, pool = sorted(names[:40]), sorted(names[40:50]), sorted(names[50:])
    write_list(out / "validation.csv", validation)
    write_list(out / "unlabelled.csv", pool, False)
    for seed in seeds:
        cases = list(pool)
        random.Random(100 + seed).shuffle(cases)
        for size in sizes:
            write_list(out / f"train_{size}_{seed}.csv", cases[:size])
    return test


def run(command, *arguments):
    say(" ".join(map(str, arguments[:5])))
    done = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command} {' '.join(map(str, arguments))}: {done.stderr.strip()}")


def settings(name, path, data, **lists):
    """The settings of the repository with their data."""
    lines = ["", "[data]"]
    for key, value in lists.items():
        lines += [f'{key} = "{value.resolve()}"', f'{key}-folder = "{data.resolve()}"']
    path.write_text((SETTINGS / name).read_text() + "\n".join(lines) + "\n")
    return path


def fine_tune(options, start, size, seed, test):
    """Mean Dice of each structure."""
    out = options.out / f"{start}_{size}_{seed}"
    scores = out / "scores.json"
    if not scores.exists():
        train, validation = options.out / f"train_{size}_{seed}.csv", options.out / "validation.csv"
        path = settings(
            "finetune.toml", options.out / f"{out.name}.toml", options.data, train=train, validation=validation
        )
        arguments = ["train", "--config", path, "--output", out, "--seed", seed + 1]
        if start == "pretrained":
            arguments += ["--model", options.out / "pretrain" / "model.safetensors"]
        run(options.command, *arguments, *options.more)
        images = [options.data / "imagesTr" / name for name in test]
        results = out / "results"
        results.mkdir(exist_ok=True)
        model = out / "best.safetensors"
        run(options.command, "segment", "--model", model, "--output", results, "--image", *images)
        predictions = [next(results.glob(name.split(".")[0] + "_seg.*")) for name in test]
        references = [options.data / "labelsTr" / name for name in test]
        arguments = ["--labels", ",".join(STRUCTURES), "--metric", "dice", "--csv", out / "scores.csv"]
        run(options.command, "evaluate", "--prediction", *predictions, "--reference", *references, *arguments)
        with open(out / "scores.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        found = {s: statistics.mean(float(r["dice"]) for r in rows if r["label"] == s) for s in STRUCTURES}
        scores.write_text(json.dumps(found))
    return json.loads(scores.read_text())


def read_curve(folder):
    """Steps and scores of the validation."""
    points = []
    for line in (folder / "log.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "validation-dice" in entry:
            points.append((entry["step"], entry["validation-dice"]))
    return points


def draw(curves, path):
    """A plot of each size: validation Dice against steps, one line a seed."""
    sizes = sorted({size for _, size, _ in curves})
    width, height, left, bottom = 260, 200, 46, 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(sizes)}" height="{height + 24}" '
        'font-family="sans-serif" font-size="11">'
    ]
    last = max(step for points in curves.values() for step, _ in points)
    for column, size in enumerate(sizes):
        x0, y0, w, h = column * width + left, 22, width - left - 12, height - bottom - 22
        parts.append(f'<text x="{x0}" y="14">{size} labelled cases</text>')
        for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
            y = y0 + h * (1 - tick)
            parts.append(f'<line x1="{x0}" x2="{x0 + w}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
            parts.append(f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
        for (start, of, _), points in curves.items():
            if of == size:
                line = " ".join(f"{x0 + w * step / last:.1f},{y0 + h * (1 - score):.1f}" for step, score in points)
                parts.append(f'<polyline points="{line}" fill="none" stroke="{COLORS[start]}" stroke-width="1.5"/>')
        parts.append(f'<text x="{x0}" y="{y0 + h + 16}">0</text>')
        parts.append(f'<text x="{x0 + w}" y="{y0 + h + 16}" text-anchor="end">{last} steps</text>')
    for row, (start, label) in enumerate(STARTS.items()):
        parts.append(f'<text x="{left + row * 110}" y="{height + 16}" fill="{COLORS[start]}">{label}</text>')
    parts.append("</svg>")
    path.write_text("\n".join(parts) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--command", default="build/release/bin/universeg", help="the universeg command")
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 10, 20], help="numbers of labelled cases")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("more", nargs="*", help="behind '--': more options of the trainings")
    options = parser.parse_args()
    options.command = os.path.abspath(options.command)
    options.out.mkdir(parents=True, exist_ok=True)
    test = make_lists(options.data, options.out, options.sizes, options.seeds)
    if not (options.out / "pretrain" / "model.safetensors").exists():
        path = settings(
            "pretrain.toml", options.out / "pretrain.toml", options.data, train=options.out / "unlabelled.csv"
        )
        run(options.command, "pretrain", "--config", path, "--output", options.out / "pretrain", *options.more)
    found, curves = {}, {}
    for seed in options.seeds:
        for size in options.sizes:
            for start in STARTS:
                found[start, size, seed] = fine_tune(options, start, size, seed, test)
                curves[start, size, seed] = read_curve(options.out / f"{start}_{size}_{seed}")
                say(f"  {start}, {size} cases, seed {seed}: {found[start, size, seed]}")
    lines = ["| labelled cases | start | " + " | ".join(STRUCTURES.values()) + " | whole, each seed |"]
    lines.append("|---|---|" + "---|" * (len(STRUCTURES) + 1))
    for size in options.sizes:
        for start, label in STARTS.items():
            runs = [found[start, size, seed] for seed in options.seeds]
            cells = []
            for structure in STRUCTURES:
                values = [r[structure] for r in runs]
                cells.append(f"{statistics.mean(values):.3f} ± {statistics.pstdev(values):.3f}")
            each = ", ".join(f"{r['1+2']:.3f}" for r in runs)
            lines.append(f"| {size} | {label} | " + " | ".join(cells) + f" | {each} |")
    (options.out / "table.md").write_text("\n".join(lines) + "\n")
    with open(options.out / "curves.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["start", "cases", "seed", "step", "dice"])
        writer.writerows([*key, *point] for key, points in curves.items() for point in points)
    draw(curves, options.out / "curves.svg")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
