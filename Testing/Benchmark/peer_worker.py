#!/usr/bin/env python3
"""One side of compare_peers.py, in a process of its own.

    python peer_worker.py export FOLDER --support-size S

writes the inputs, the result of PyTorch eager and the ONNX file of the network;

    python peer_worker.py SIDE FOLDER --support-size S --threads T

loads it for torch-eager, torch-compile, onnxruntime or openvino, runs it once
and then answers each line of the standard input, `run` or `targets N`, with one
JSON line on the standard output.
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
from compare_peers import peak_bytes

SIZE = 128


def make_inputs(supports):
    """The target, the images and the labels of a support set, from a fixed seed."""
    random = np.random.default_rng(20230412)
    target = random.random((1, 1, SIZE, SIZE), np.float32)
    images = random.random((1, supports, 1, SIZE, SIZE), np.float32)
    labels = (random.random((1, supports, 1, SIZE, SIZE)) > 0.5).astype(np.float32)
    return target, images, labels


def make_model():
    # Not at the top: ONNX Runtime and OpenVINO need neither torch nor its memory.
    import torch
    from torch_universeg import UniverSeg

    torch.manual_seed(0)
    return UniverSeg().eval()


def export(folder, supports):
    """With fixed shapes, which is what the runtimes optimise best."""
    import torch

    model = make_model()
    inputs = make_inputs(supports)
    tensors = tuple(torch.from_numpy(array) for array in inputs)
    with torch.inference_mode():
        np.save(folder / "expected.npy", model(*tensors).numpy())
    torch.onnx.export(
        model,
        tensors,
        str(folder / "universeg.onnx"),
        input_names=["target", "support_images", "support_labels"],
        output_names=["logits"],
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def load_torch(compiled, threads):
    import torch

    torch.set_num_threads(threads)
    model = make_model()
    if compiled:
        import torch._inductor.config as inductor

        # The weights become constants, packed once: its fastest form, for inference alone.
        inductor.freezing = True
        model = torch.compile(model, dynamic=False)

    def run(*inputs):
        with torch.inference_mode():
            return model(*(torch.from_numpy(array) for array in inputs)).numpy()

    return run, torch.__version__


def load_onnxruntime(folder, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "universeg.onnx"), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return lambda *inputs: session.run(None, dict(zip(names, inputs)))[0], onnxruntime.__version__


def load_openvino(folder, threads):
    import openvino

    core = openvino.Core()
    # float32, as the others: on some processors the default is bfloat16.
    compiled = core.compile_model(
        str(folder / "universeg.onnx"),
        "CPU",
        {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"},
    )
    request = compiled.create_infer_request()

    def run(*inputs):
        results = request.infer(dict(enumerate(inputs)), share_inputs=True)
        return next(iter(results.values()))

    return run, openvino.__version__


def load(side, folder, threads):
    if side.startswith("torch"):
        return load_torch(side == "torch-compile", threads)
    return load_onnxruntime(folder, threads) if side == "onnxruntime" else load_openvino(folder, threads)


def answer(side, folder, supports, threads, requests, replies):
    """Load, then answer requests until there are no more."""

    def reply(**values):
        values["peak_resident_bytes"] = peak_bytes(resource.getrusage(resource.RUSAGE_SELF))
        replies.write(json.dumps(values) + "\n")
        replies.flush()

    inputs = make_inputs(supports)
    start = time.perf_counter()
    run, version = load(side, folder, threads)
    # The first run compiles and fills caches; it isn't counted.
    result = run(*inputs)
    seconds = time.perf_counter() - start
    expected = np.load(folder / "expected.npy")
    if result.shape != expected.shape:
        raise ValueError(f"the result has shape {result.shape}, should have {expected.shape}")
    difference = float(np.abs(result - expected).max())
    reply(version=version, load_seconds=seconds, difference=difference if np.isfinite(difference) else None)
    for request in requests:
        name, *counts = request.split()
        count = int(counts[0]) if name == "targets" else 1
        targets = [inputs[0]]
        if count > 1:
            random = np.random.default_rng(1)
            targets = [random.random((1, 1, SIZE, SIZE), np.float32) for _ in range(count)]
        start = time.perf_counter()
        for target in targets:
            run(target, *inputs[1:])
        reply(seconds=time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("side", choices=["export", "torch-eager", "torch-compile", "onnxruntime", "openvino"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--support-size", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    # What the libraries print must not get between the replies.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if options.side == "export":
        export(options.folder, options.support_size)
    else:
        answer(options.side, options.folder, options.support_size, options.threads, sys.stdin, replies)


if __name__ == "__main__":
    main()
