#!/usr/bin/env python3
"""Times the networks on a GPU beside PyTorch: eager and torch.compile, in one run.

    python3 compare_cuda.py --command build/release/bin/universeg [--sources MIS-FM] [--json FILE]

needs a PyTorch for CUDA in the Python that runs it; FMUNet also PyMIC, PCT-Net a checkout of
openmedlab/MIS-FM: networks whose definition is not there are left out, with the reason. Each side
runs in a process of its own, one after the other in turns; what is compared are the medians of the
turns' medians. Inputs are on the GPU before and results stay there (universeg bench --resident);
steps of training get their batch from the host here (universeg bench --training), and have it there in
PyTorch; weights and optimiser are on the GPU on both sides.
"""

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PRECISIONS = ["float32", "tf32", "bfloat16"]
PATCH = (64, 128, 128)

# Dense peaks in TFLOP/s, from the vendor's data sheets.
PEAKS = {
    "H100 80GB HBM3": {"float32": 67, "tf32": 494, "bfloat16": 989},
    "H200": {"float32": 67, "tf32": 494, "bfloat16": 989},
    "A100": {"float32": 19.5, "tf32": 156, "bfloat16": 312},
}


def cases():
    """Name, arguments of bench, arguments of the worker."""
    for batch in (1, 8, 32):
        for supports in (16, 64):
            arguments = ["--support-size", str(supports), "--batch", str(batch)]
            yield f"UniverSeg, S = {supports}, batch {batch}", arguments, ["universeg", str(supports), str(batch)]
    yield "UniverSeg, S = 16, training", ["--support-size", "16", "--training"], ["universeg", "16", "1", "--training"]
    for network in ("fmunet", "pctnet"):
        yield f"{network}, patch", ["--network", network], [network, "1", "1"]
        yield f"{network}, training", ["--network", network, "--training"], [network, "1", "1", "--training"]


def missing(network, sources):
    """Why PyTorch's side of a network cannot be made; empty when it can."""
    if network == "fmunet" and importlib.util.find_spec("pymic") is None:
        return "there is no package pymic"
    if network == "pctnet" and not (sources and (sources / "net" / "pct_net.py").exists()):
        return "--sources is no checkout of openmedlab/MIS-FM"
    return ""


def work(options):
    """PyTorch's side of one case: a line of JSON with seconds."""
    import torch

    sys.path.insert(0, str(HERE))
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = options.precision == "tf32"
    torch.backends.cudnn.allow_tf32 = options.precision == "tf32"
    torch.backends.cudnn.benchmark = True
    device = torch.device("cuda")
    if options.network == "universeg":
        from torch_universeg import UniverSeg

        network = UniverSeg()
        size = (128, 128)
        inputs = [
            torch.rand(options.batch, 1, *size),
            torch.rand(options.batch, options.supports, 1, *size),
            (torch.rand(options.batch, options.supports, 1, *size) > 0.5).float(),
        ]
        label = (torch.rand(options.batch, 1, *size) > 0.5).float()
    else:
        from volume_worker import first, make_network

        network = make_network(options.network, options.sources)
        inputs = [torch.randn(1, 1, *PATCH)]
        label = torch.nn.functional.one_hot(torch.randint(0, 2, (1, *PATCH)), 2).movedim(-1, 1).float().contiguous()
    network = network.to(device)
    network = network.train() if options.training else network.eval()
    inputs = [tensor.to(device) for tensor in inputs]
    label = label.to(device)
    run = torch.compile(network, mode=options.compile_mode) if options.mode == "compile" else network
    half = torch.autocast("cuda", dtype=torch.bfloat16, enabled=options.precision == "bfloat16")

    def forward():
        with half:
            result = run(*inputs)
        return result if torch.is_tensor(result) else result[0]

    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

    def step():
        if not options.training:
            with torch.inference_mode():
                return forward()
        optimizer.zero_grad()
        logits = forward().float()
        p = torch.sigmoid(logits) if label.shape[1] == 1 else torch.softmax(logits, 1)
        axes = tuple(range(2, p.dim()))
        loss = (1 - (2 * (p * label).sum(axes) + 1e-5) / (p.sum(axes) + label.sum(axes) + 1e-5)).mean()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(5):
        step()
    torch.cuda.synchronize()
    seconds = []
    for _ in range(options.repeat):
        begin = time.perf_counter()
        step()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    peak = torch.cuda.max_memory_allocated()
    print(json.dumps({"seconds": statistics.median(seconds), "bytes": peak, "device": torch.cuda.get_device_name()}))


def run_json(arguments):
    """The last line of a program's output as JSON, or why there is none."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return {"error": lines[-1] if lines else f"exit code {done.returncode}"}
    return json.loads(done.stdout.strip().splitlines()[-1])


def ours(options, case, precision):
    arguments = [options.command, "bench", "--json", "--device", "cuda", "--precision", precision]
    training = "--training" in case
    result = run_json(arguments + ["--repeat", str(options.repeat)] + case + ([] if training else ["--resident"]))
    if "error" in result:
        return result
    timing = result.get("training_step") or result.get("run") or result["new_support"]
    answer = {"seconds": timing["median_seconds"], "bytes": result["peak_bytes"], "flops": result["flops"]}
    if "cached_support" in result:
        answer["cached"] = result["cached_support"]["median_seconds"]
    return answer


def peer(options, case, precision, mode):
    reason = missing(case[0], options.sources)
    if reason:
        return {"error": reason}
    arguments = [sys.executable, __file__, "--worker", *case, "--mode", mode, "--precision", precision]
    arguments += ["--repeat", str(options.repeat), "--compile-mode", options.compile_mode]
    return run_json(arguments + (["--sources", str(options.sources)] if options.sources else []))


def median(answers, key="seconds"):
    values = [answer[key] for answer in answers if key in answer]
    return statistics.median(values) if values else None


def milliseconds(value):
    return "" if value is None else f"{1e3 * value:.2f}"


def print_case(name, precision, sides, peaks):
    """One row of the table, and below it what failed."""
    own, eager, compiled = (median(sides[side]) for side in ("ours", "eager", "compile"))
    flops = median(sides["ours"], "flops")
    rate = flops / own / 1e12 if own and flops else None
    share = f"{100 * rate / peaks[precision]:.0f} %" if rate and precision in peaks else ""
    columns = [name, precision, milliseconds(own), milliseconds(median(sides["ours"], "cached")), milliseconds(eager)]
    columns += [milliseconds(compiled), f"{compiled / own:.2f}" if own and compiled else ""]
    columns += [f"{rate:.1f}" if rate else "", share]
    print("| " + " | ".join(columns) + " |", flush=True)
    for side, answers in sides.items():
        for error in sorted({answer["error"] for answer in answers if "error" in answer}):
            print(f"<!-- {side}: {error} -->", flush=True)


def compare(options):
    found = run_json(
        [sys.executable, "-c", "import json, torch; print(json.dumps({'name': torch.cuda.get_device_name()}))"]
    )
    name = found.get("name", "unknown: " + found.get("error", ""))
    peaks = next((peak for key, peak in PEAKS.items() if key in name), {})
    print(f"Device: {name}. {options.turns} turns of {options.repeat} runs; milliseconds.\n")
    print("| case | precision | ours | cached supports | eager | compile | compile / ours | TFLOP/s | of the peak |")
    print("|---|---|---|---|---|---|---|---|---|")
    results = []
    for name, own, other in cases():
        if options.only and options.only not in name:
            continue
        for precision in options.precisions:
            sides = {"ours": [], "eager": [], "compile": []}
            for _ in range(options.turns):
                sides["ours"].append(ours(options, own, precision))
                for mode in ("eager", "compile"):
                    sides[mode].append(peer(options, other, precision, mode))
            print_case(name, precision, sides, peaks)
            results.append({"case": name, "precision": precision, **sides})
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", help="the universeg command")
    parser.add_argument("--sources", type=Path, help="a checkout of openmedlab/MIS-FM")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--compile-mode", default="max-autotune", help="of torch.compile")
    parser.add_argument("--only", help="cases with this in their names")
    parser.add_argument("--json", type=Path, help="also write all figures here")
    parser.add_argument("--worker", nargs=3, metavar=("NETWORK", "SUPPORTS", "BATCH"), help=argparse.SUPPRESS)
    parser.add_argument("--training", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--mode", default="eager", help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="float32", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        options.network = options.worker[0]
        options.supports, options.batch = int(options.worker[1]), int(options.worker[2])
        work(options)
        return
    if not options.command:
        parser.error("--command is missing")
    compare(options)


if __name__ == "__main__":
    main()
