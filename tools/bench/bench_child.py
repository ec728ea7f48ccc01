"""Worker processes that load something once and run it on demand."""

import contextlib
import os
import selectors
import subprocess
import tempfile
import time

from bench_env import BenchError

READY_SECONDS = 300
RUN_SECONDS = 120


class Refused(BenchError):
    """The worker does not take this network, and says why."""


class Child:
    """One worker: started at once, ended by stop or with the `with` statement. Lines go both ways; what it says on
    stderr is kept for the error that may come."""

    def __init__(self, name, command, environment=None):
        self.name = name
        self._log = tempfile.TemporaryFile()
        self._buffer = b""
        self._process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=self._log,
                                         env={**os.environ, **(environment or {})})
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            # Something failed or somebody wants to stop: it may still be loading.
            self._process.kill()
        self.stop()

    def _said(self):
        """The last line on stderr."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _fail(self):
        """Raises for a worker whose output has ended."""
        status = self._process.wait()
        if status < 0:
            raise BenchError(f"{self.name}: ended by signal {-status}")
        raise Refused(self._said())

    def _line(self, seconds):
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            if not self._selector.select(max(deadline - time.monotonic(), 0)):
                raise BenchError(f"{self.name}: no answer within {seconds} s")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                self._fail()
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode()

    def wait_ready(self):
        """Waits until it has loaded. Raises Refused where it does not take the network."""
        line = self._line(READY_SECONDS)
        if line != "ready":
            raise BenchError(f"{self.name} says '{line}' instead of ready")

    def ask(self, line):
        """The answer to one line."""
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail()
        return self._line(RUN_SECONDS)

    def run_ns(self):
        """One run's time."""
        return int(self.ask("run"))

    def stop(self):
        """Ends it; twice is harmless."""
        if self._process.poll() is None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._selector.close()
        self._process.stdout.close()
        self._log.close()
