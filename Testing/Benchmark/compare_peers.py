#!/usr/bin/env python3
"""Time UniverSeg of this project against the same network in its peers, in turn:
PyTorch eager, torch.compile, ONNX Runtime and OpenVINO.

    python3 Testing/Benchmark/compare_peers.py --command build/release/bin/universeg

needs nothing but Python and pip: the peers are installed from PyPI into an
environment of their own, which later runs use again. A peer that cannot be
installed or fails is left out with the reason.

All sides run the release configuration (encoder [64, 64, 64, 64]) on one target
of 128 x 128 with random weights, in float32, on the same number of threads,
alternately, each peer in a process that loads the network once. The peers are
also compared with PyTorch eager's result. Printed are Markdown tables: medians
with the minima, the peers' ratios to this project with a new and with a cached
support set, and the peak memory of each side's process from its start, loading
and compilation included. Then each side segments many targets with one support
set, the peers one after the other: their network knows no shared support set.
"""

import argparse
import json
import os
import platform
import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKER = HERE / "peer_worker.py"
NEW, CACHED = "universeg, new support set", "universeg, cached support set"
PEERS = {
    "torch-eager": ("PyTorch eager", ["torch", "numpy"]),
    "torch-compile": ("torch.compile, frozen", ["torch", "numpy"]),
    "onnxruntime": ("ONNX Runtime", ["torch", "numpy", "onnx", "onnxscript", "onnxruntime"]),
    "openvino": ("OpenVINO", ["torch", "numpy", "onnx", "onnxscript", "openvino"]),
}
ISA_FLAGS = ["sse4_2", "avx", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16"]
ISA_FLAGS += ["amx_tile", "amx_bf16", "asimd", "sve"]


class PeerFailure(Exception):
    """Why a peer takes no part."""


def say(text):
    """Progress, apart from the tables."""
    print(text, file=sys.stderr, flush=True)


def positive(text):
    """The type of an option."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} should be at least 1")
    return int(text)


def usable_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def peak_bytes(usage):
    """Of resource.getrusage() or os.wait4(), which say kB on Linux, bytes on macOS."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def run_measured(command, folder=None):
    """Seconds of a process and the peak of its memory in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{command[:2]} failed: {error.decode()}")
    return seconds, peak_bytes(usage)


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def default_environment():
    cache = os.environ.get("UNIVERSEG_CACHE_DIR")
    if not cache:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "itk-universeg"
    return Path(cache) / "peers"


def prepare_environment(folder, base):
    """Its Python. With base the packages of that Python are seen in it."""
    python = folder / "bin" / "python"
    if not python.exists():
        say(f"making {folder}")
        subprocess.run([base or sys.executable, "-m", "venv", str(folder)], check=True)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip())
    link = own / "base.pth"
    if base:
        link.write_text(subprocess.run([base, "-c", code], check=True, capture_output=True, text=True).stdout)
    elif link.exists():
        link.unlink()
    return str(python)


def package_version(python, package):
    """None when it is not installed."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def install(python, sides):
    """Versions of the packages that the sides need, reasons for those that cannot be had."""
    versions, reasons = {}, {}
    for package in dict.fromkeys(package for side in sides for package in PEERS[side][1]):
        versions[package] = package_version(python, package)
        if versions[package] is None:
            say(f"installing {package}")
            done = subprocess.run(
                [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", package],
                capture_output=True,
                text=True,
            )
            versions[package] = package_version(python, package)
            if versions[package] is None:
                reasons[package] = f"pip cannot install {package}: {last_line(done.stderr)}"
    return versions, reasons


class Worker:
    """A peer's process."""

    def __init__(self, command, threads, timeout):
        self.timeout = timeout
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*command, "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=dict(os.environ, OMP_NUM_THREADS=str(threads)),
        )
        self.facts = self.read()

    def read(self):
        ready, _, _ = select.select([self.process.stdout], [], [], self.timeout)
        line = self.process.stdout.readline() if ready else b""
        if line:
            return json.loads(line)
        if not ready:
            self.stop()
            raise PeerFailure(f"no answer after {self.timeout} s")
        status = self.process.wait()
        self.log.seek(0)
        raise PeerFailure(f"ended with status {status}: {last_line(self.log.read())}")

    def ask(self, request):
        try:
            self.process.stdin.write(request.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.read()
        self.facts["peak_resident_bytes"] = answer["peak_resident_bytes"]
        return answer["seconds"]

    def stop(self):
        self.process.kill()
        self.process.wait()


class Ours:
    """The built command: a process for each turn, after one run that isn't counted."""

    def __init__(self, command, threads):
        self.command = command
        self.threads = threads

    def run(self, supports, runs, *more):
        arguments = [self.command, "bench", "--network", "universeg", "--support-size", str(supports)]
        arguments += ["--repeat", str(runs), "--threads", str(self.threads), "--json", *more]
        done = subprocess.run(arguments, capture_output=True, text=True)
        if done.returncode != 0:
            raise OurFailure(done.returncode, f"{' '.join(arguments)}: {last_line(done.stderr)}")
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError as error:
            raise OurFailure(0, f"{' '.join(arguments)} printed no JSON: {error}") from error


class OurFailure(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def summary(turns, peak, **more):
    """Of the turns, each a list of seconds: least of all, median of the turns' medians."""
    medians = [statistics.median(turn) for turn in turns]
    values = {"min_seconds": min(map(min, turns)), "median_seconds": statistics.median(medians)}
    return {**values, "peak_resident_bytes": peak, "turns": turns, **more}


class Comparison:
    def __init__(self, options, python, sides, ours):
        self.options = options
        self.python = python
        self.sides = list(sides)
        self.ours = ours
        self.reasons = {}

    def drop(self, side, workers, reason):
        say(f"{PEERS[side][0]} is left out: {reason}")
        self.reasons.setdefault(side, []).append(str(reason))
        if side in workers:
            workers.pop(side).stop()

    def start_workers(self, supports, folder):
        workers = {}
        done = None
        if self.sides:
            say(f"S={supports}: exporting")
            command = [self.python, str(WORKER), "export", str(folder), "--support-size", str(supports)]
            done = subprocess.run(command, capture_output=True, text=True)
        for side in self.sides:
            try:
                # Eager gives the expected result before the network is exported.
                needed = folder / ("expected.npy" if side.startswith("torch") else "universeg.onnx")
                if not needed.exists():
                    raise PeerFailure(f"{needed.name} was not written: {last_line(done.stderr)}")
                say(f"S={supports}: loading {PEERS[side][0]}")
                command = [self.python, str(WORKER), side, str(folder), "--support-size", str(supports)]
                workers[side] = Worker(command, self.options.threads, self.options.timeout)
            except PeerFailure as failure:
                self.drop(side, workers, f"S={supports}: {failure}")
        return workers

    def ask(self, side, workers, request, turns, supports, runs):
        try:
            turns.setdefault(side, []).append([workers[side].ask(request) for _ in range(runs)])
        except PeerFailure as failure:
            turns.pop(side, None)
            self.drop(side, workers, f"S={supports}: {failure}")

    def measure(self, supports):
        """One support size: what each side's row holds."""
        options = self.options
        with tempfile.TemporaryDirectory() as folder:
            workers = self.start_workers(supports, Path(folder))
            turns, reports = {}, []
            try:
                for turn in range(options.repeat):
                    say(f"S={supports}: turn {turn + 1} of {options.repeat}")
                    reports.append(self.ours.run(supports, options.runs))
                    for side in list(workers):
                        self.ask(side, workers, "run", turns, supports, options.runs)
                rows = {}
                for side in turns:
                    facts = workers[side].facts
                    more = {key: facts[key] for key in ("version", "load_seconds", "difference")}
                    rows[side] = summary(turns[side], facts["peak_resident_bytes"], **more)
            finally:
                for worker in workers.values():
                    worker.stop()
        peak = max(report["peak_resident_bytes"] for report in reports)
        for name, key in ((NEW, "new_support"), (CACHED, "cached_support")):
            rows[name] = summary([[report[key]["median_seconds"]] for report in reports], peak)
            rows[name]["min_seconds"] = min(report[key]["min_seconds"] for report in reports)
            rows[name]["arena_bytes"] = reports[0]["peak_bytes"]
        return rows

    def measure_targets(self):
        """Many targets with one support set; a reason instead of our row when the command has no such figure."""
        options = self.options
        supports, count = options.targets_support_size, options.targets
        reason = None
        with tempfile.TemporaryDirectory() as folder:
            reports = []
            turns = {}
            workers = self.start_workers(supports, Path(folder))
            try:
                for turn in range(options.targets_repeat):
                    say(f"{count} targets: turn {turn + 1} of {options.targets_repeat}")
                    if reason is None:
                        try:
                            reports.append(self.ours.run(supports, 1, "--targets", str(count)))
                            if "targets" not in reports[-1]:
                                reason = "this command's bench reports no targets"
                        except OurFailure as failure:
                            # Wrong usage: a command that was built before the option came.
                            if failure.status != 2:
                                raise
                            reason = "this command's bench has no option --targets"
                    for side in list(workers):
                        self.ask(side, workers, f"targets {count}", turns, supports, 1)
                rows = {side: summary(turns[side], workers[side].facts["peak_resident_bytes"]) for side in turns}
            finally:
                for worker in workers.values():
                    worker.stop()
        if reason is None:
            turns = [[report["targets"]["median_seconds"]] for report in reports]
            rows[CACHED] = summary(turns, max(report["peak_resident_bytes"] for report in reports))
            rows[CACHED]["min_seconds"] = min(report["targets"]["min_seconds"] for report in reports)
        return rows, reason


def describe_machine():
    facts = {"cpu": platform.processor() or platform.machine(), "isa": [], "memory_bytes": None}
    facts["cores"] = usable_cores()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = (part.strip() for part in line.partition(":"))
            if key == "model name":
                facts["cpu"] = value
            elif key in ("flags", "Features"):
                facts["isa"] = [flag for flag in ISA_FLAGS if flag in value.split()]
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                facts["memory_bytes"] = int(line.split()[1]) * 1024
    except OSError:
        pass
    facts["system"] = platform.platform()
    facts["python"] = platform.python_version()
    return facts


def side_name(side):
    return PEERS[side][0] if side in PEERS else side


def print_table(title, columns, rows):
    """Rows: the name and one text a column. None without rows."""
    if not rows:
        return
    print(f"\n{title}\n\n| side | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, cells in rows:
        print(f"| {name} | {' | '.join(cells)} |")


def seconds(row):
    return f"{row['median_seconds']:.3f} ({row['min_seconds']:.3f})" if row else "-"


def ratio(row, ours):
    return f"{row['median_seconds'] / ours['median_seconds']:.2f}" if row and ours else "-"


def print_results(results):
    columns = {f"S={supports}": rows for supports, rows in results["supports"].items()}
    sides = [side for side in [*PEERS, NEW, CACHED] if any(side in rows for rows in columns.values())]
    peers = [side for side in sides if side in PEERS]

    def table(title, text, chosen):
        cells = [(side_name(side), [text(side, rows) for rows in columns.values()]) for side in chosen]
        print_table(title, columns, cells)

    table("Seconds, median (least)", lambda side, rows: seconds(rows.get(side)), sides)
    for title, ours in (("with a new support set", NEW), ("with a cached support set", CACHED)):
        table(
            f"Times as long as universeg {title}, medians",
            lambda side, rows, ours=ours: ratio(rows.get(side), rows.get(ours)),
            peers,
        )
    table(
        "Peak resident memory, GB",
        lambda side, rows: f"{rows[side]['peak_resident_bytes'] / 1e9:.2f}" if side in rows else "-",
        peers + [NEW],
    )
    table(
        "Largest difference to PyTorch eager's logits",
        lambda side, rows: (
            "-" if side not in rows else "not finite" if (d := rows[side]["difference"]) is None else f"{d:.1e}"
        ),
        peers,
    )
    targets = results["targets"]
    if targets:
        rows = targets["sides"]
        ours = rows.get(CACHED)
        table_rows = []
        for side in [side for side in [*PEERS, CACHED] if side in rows]:
            memory = f"{rows[side]['peak_resident_bytes'] / 1e9:.2f}"
            table_rows.append((side_name(side), [seconds(rows[side]), ratio(rows[side], ours), memory]))
        if targets["reason"]:
            table_rows.append((CACHED, [f"not measured: {targets['reason']}", "-", "-"]))
        title = f"{targets['count']} targets with one support set of {targets['support_size']}, the peers one by one"
        print_table(title, ["seconds, median (least)", "ratio", "GB"], table_rows)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--command", required=True, help="path of the universeg command")
    parser.add_argument("--environment", type=Path, default=default_environment(), help="default: %(default)s")
    parser.add_argument("--python", help="a Python whose packages, torch for example, the environment shall use")
    parser.add_argument("--sides", nargs="*", choices=list(PEERS), default=list(PEERS), help="default: all peers")
    parser.add_argument("--support-sizes", type=positive, nargs="+", default=[1, 16, 64], help="default: 1 16 64")
    parser.add_argument("--repeat", type=positive, default=5, help="turns of each side (default 5)")
    parser.add_argument("--runs", type=positive, default=1, help="counted runs of a side in its turn (default 1)")
    parser.add_argument("--threads", type=positive, default=usable_cores(), help="default: all cores")
    parser.add_argument("--targets", type=int, default=100, help="targets with one support set; 0: none (default 100)")
    parser.add_argument("--targets-support-size", type=positive, default=16, help="its size (default 16)")
    parser.add_argument("--targets-repeat", type=positive, help="turns of each side with it (default: as --repeat)")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds a peer may take for an answer")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args()
    if options.targets_repeat is None:
        options.targets_repeat = options.repeat

    ours = Ours(options.command, options.threads)
    try:
        version = subprocess.run([options.command, "--version"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{options.command} does not run: {error}")
    results = {"machine": describe_machine(), "threads": options.threads, "repeat": options.repeat}
    results["runs_per_turn"] = options.runs
    versions, reasons, sides, python = {}, {}, [], None
    if options.sides:
        try:
            python = prepare_environment(options.environment, options.python)
            versions, missing = install(python, options.sides)
            for side in options.sides:
                reason = next((missing[package] for package in PEERS[side][1] if package in missing), None)
                if reason:
                    say(f"{PEERS[side][0]} is left out: {reason}")
                    reasons[side] = [reason]
                else:
                    sides.append(side)
        except (OSError, subprocess.CalledProcessError) as error:
            reasons = {side: [f"{options.environment} cannot be made: {error}"] for side in options.sides}
            say(f"{options.environment} cannot be made: {error}")
    results["versions"] = {"universeg": version.stdout.split()[-1], **versions}

    comparison = Comparison(options, python, sides, ours)
    comparison.reasons = reasons
    try:
        results["supports"] = {supports: comparison.measure(supports) for supports in options.support_sizes}
        results["targets"] = None
        if options.targets > 0:
            rows, reason = comparison.measure_targets()
            size = options.targets_support_size
            results["targets"] = {"count": options.targets, "support_size": size, "sides": rows, "reason": reason}
    except OurFailure as failure:
        sys.exit(str(failure))
    results["left_out"] = comparison.reasons

    machine = results["machine"]
    memory = f", {machine['memory_bytes'] / 1e9:.0f} GB" if machine["memory_bytes"] else ""
    print(f"{machine['cpu']}, {machine['cores']} cores{memory}; {' '.join(machine['isa'])}; {machine['system']}\n")
    print("; ".join(f"{name} {number}" for name, number in results["versions"].items() if number) + "\n")
    print(f"{options.threads} threads, {options.repeat} alternating turns of {options.runs}, float32, 128 x 128")
    print_results(results)
    for side, texts in comparison.reasons.items():
        print(f"\n{PEERS[side][0]} was left out: {'; '.join(texts)}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
