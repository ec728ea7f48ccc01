"""What bench_infer.py measures: its subjects, one measurement, and how far answers are from ONNX Runtime's."""

import collections
import contextlib
import math
import statistics
import time
from array import array

import bench_env
from bench_child import Child, Refused
from bench_env import BenchError
from bench_report import median_ratio, milliseconds

PROFILES = 5
# Below this, a run that does not count goes before each one that does: it brings the caches back to what they are
# where the same network runs again and again.
SHORT_NS = 200_000_000

Subject = collections.namedtuple("Subject", "name options environment", defaults=({},))
OURS = (
    Subject("onednn", ["--kind", "onednn"]),
    Subject("onednn-active", ["--kind", "onednn"], {"OMP_WAIT_POLICY": "active"}),
    Subject("onednn-bf16", ["--kind", "onednn", "--compute", "bf16"]),
    Subject("darknet", ["--kind", "darknet"]),
    Subject("stock", ["--kind", "stock"]),
    Subject("bare", ["--kind", "bare"]),
    Subject("bare-bf16", ["--kind", "bare", "--compute", "bf16"]),
    Subject("bare-winograd", ["--kind", "bare-winograd"]),
)
# Those that tell how long each kind of layers takes begin so.
TELL_KINDS = ("onednn", "bare", "darknet")
SINGLE_THREADED = ("darknet", "stock")
OTHERS = ("onnxruntime", *bench_env.OPENCV)
# Processors without bf16, and networks that OpenCV does not take, are no failure.
MAY_REFUSE = ("onednn-bf16", "bare-bf16", *bench_env.OPENCV)
SUBJECTS = tuple(subject.name for subject in OURS) + OTHERS


class Measurement:
    """What came out for one model and thread count: times of each subject, in the order of rounds; why a subject is
    not there; what the first run gave; sums for each kind of layers, of the subjects that tell."""

    def __init__(self, model, threads):
        self.model = model
        self.threads = threads
        self.times = {}
        self.refused = {}
        self.outputs = {}
        self.profiles = {}

    def cell(self, name):
        """The table's entry for a subject."""
        if name in self.times:
            times = self.times[name]
            return f"{milliseconds(statistics.median(times))} ({milliseconds(min(times))})"
        return "refused" if name in self.refused else "-"

    def ratio(self, above, below):
        if above not in self.times or below not in self.times:
            return None
        return median_ratio(self.times[above], self.times[below])


def wanted_subjects(options, threads, packages):
    """Names of the subjects that can run on so many threads."""
    names = [name for name in SUBJECTS if not options.only or name in options.only]
    if threads > 1:
        names = [name for name in names if name not in SINGLE_THREADED]
    else:
        names = [name for name in names if name != "onednn-active"]
    return names if packages else [name for name in names if name not in OTHERS]


def command_of(name, model, threads, output, packages):
    """The worker's command line and environment."""
    common = ["--threads", threads, "--input-f32", model.input]
    darknet = ["--cfg", model.cfg, "--weights", model.weights]
    for subject in OURS:
        if subject.name == name:
            worker = bench_env.runfile("tools/bench/infer_worker")
            output = [] if name.startswith("bare") else ["--output-f32", output]
            return [worker, *subject.options, *darknet, *common, *output], subject.environment
    common += ["--output-f32", output]
    if name == "onnxruntime":
        return [packages.python, bench_env.FOLDER / "ort_worker.py", "--model", model.onnx, *common], {}
    return ([packages.python, bench_env.FOLDER / "opencv_worker.py", *darknet, *common],
            {"PYTHONPATH": str(packages.path(bench_env.OPENCV[name]))})


def start(stack, measurement, options, packages, folder):
    """Starts the subjects one after the other; those that refuse the network are noted."""
    children = []
    for name in wanted_subjects(options, measurement.threads, packages):
        output = folder / f"{name}.out"
        command, environment = command_of(name, measurement.model, measurement.threads, output, packages)
        child = stack.enter_context(Child(name, command, environment))
        try:
            child.wait_ready()
        except Refused as error:
            if name not in MAY_REFUSE:
                raise BenchError(f"{measurement.model.name}, {name}: {error}") from error
            measurement.refused[name] = str(error)
            continue
        children.append(child)
        measurement.times[name] = []
        if output.exists():
            measurement.outputs[name] = read_floats(output)
            output.unlink()
    return children


def read_floats(path):
    values = array("f")
    values.frombytes(path.read_bytes())
    return values


def measure(measurement, options, packages, folder):
    """Runs everything."""
    with contextlib.ExitStack() as stack:
        children = start(stack, measurement, options, packages, folder)
        usual = {child.name: child.run_ns() for child in children}

        def take_turns(chosen, rounds, function):
            """Calls function(child) for each child in each round."""
            for number in range(rounds):
                first = number % max(len(chosen), 1)
                for child in chosen[first:] + chosen[:first]:
                    # Threads of the one before may still spin.
                    time.sleep(options.pause_ms / 1e3)
                    if usual[child.name] < SHORT_NS:
                        child.run_ns()
                    function(child)

        take_turns(children, options.rounds, lambda child: measurement.times[child.name].append(child.run_ns()))
        answers = collections.defaultdict(list)
        telling = [child for child in children if child.name.split("-")[0] in TELL_KINDS]
        take_turns(telling, PROFILES, lambda child: answers[child.name].append(child.ask("profile")))
        measurement.profiles = {name: medians_by_kind(lines) for name, lines in answers.items()}


def medians_by_kind(lines):
    """{kind: (groups, operations, nanoseconds)} from some answers of a worker, with the median of the times."""
    runs = [[part.split(":") for part in line.split()] for line in lines]
    return {columns[0][0]: (int(columns[0][1]), int(columns[0][2]), statistics.median(int(c[3]) for c in columns))
            for columns in zip(*runs)}


# ---------------------------------------------------------------- the second oracle


def difference(values, others):
    """The largest difference relative to the largest value; infinite where that makes no sense."""
    if len(values) != len(others) or not others or not all(map(math.isfinite, (*values, *others))):
        return math.inf
    largest = max(map(abs, others))
    worst = max(abs(a - b) for a, b in zip(values, others))
    return 0. if worst == 0 else worst / largest if largest > 0 else math.inf


def compare(measurement):
    """{subject: difference from ONNX Runtime}. OpenCV turns a yolo layer's output into boxes: nothing to compare."""
    oracle = measurement.outputs.get("onnxruntime")
    if oracle is None:
        return {}
    is_detector = measurement.model.logits_end is None
    return {name: difference(values, oracle) for name, values in measurement.outputs.items()
            if name != "onnxruntime" and not (is_detector and name.startswith("opencv"))}


def compare_logits(model, packages, folder):
    """The same for onednn ahead of the last softmax, which hides differences where it is flat or saturated."""
    end = model.logits_end
    path, ours, theirs = folder / "logits.onnx", folder / "logits.ours", folder / "logits.theirs"
    model.write_onnx(packages, path, end)
    bench_env.run(bench_env.runfile("tools/bench/infer_worker"), "--kind", "onednn", "--cfg", model.cfg, "--weights",
                  model.weights, "--input-f32", model.input, "--end", end, "--output-f32", ours)
    bench_env.run(packages.python, bench_env.FOLDER / "ort_worker.py", "--model", path, "--input-f32", model.input,
                  "--output-f32", theirs, "--once")
    found = difference(read_floats(ours), read_floats(theirs))
    for made in (path, ours, theirs):
        made.unlink()
    return found
