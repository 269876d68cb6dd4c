"""The engine as the tests of operations see it: one process of tests/tools/apply_operations.c that takes images and
gives them back, and what the operations declare."""

import dataclasses
import json
import os
import pathlib
import subprocess

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("TILECREW_BUILD", "build")


class Refused(Exception):
    """The engine's one line on why it did not do it."""


@dataclasses.dataclass
class Rows:
    first: int
    count: int


class Engine:
    def __init__(self):
        cache = BUILD / "test-cache"
        cache.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [BUILD / "tests/apply_operations", "--device", "cpu", "--cache", cache / "kernels"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ, XDG_CACHE_HOME=str(cache)))

    def apply(self, pipeline, image, band_rows=0, rows=None):
        """The pipeline's result on an image (height, width, channels), or on some of its rows."""
        height, width, channels = image.shape
        rows = rows or Rows(0, height)
        fields = (pipeline, width, height, channels, image.itemsize * 8, band_rows, rows.first, rows.count)
        self.process.stdin.write("\t".join(map(str, fields)).encode() + b"\n")
        self.process.stdin.write(numpy.ascontiguousarray(image).tobytes())
        self.process.stdin.flush()
        answer = self.process.stdout.readline().decode().rstrip("\n")
        assert answer, f"the engine died of '{pipeline}' on {image.shape} {image.dtype}"
        if not answer.startswith("OK "):
            raise Refused(answer.removeprefix("ERROR "))
        channels, depth = map(int, answer.split()[1:])
        dtype = numpy.uint8 if depth == 8 else numpy.uint16
        size = rows.count * width * channels * depth // 8
        return numpy.frombuffer(self.process.stdout.read(size), dtype).reshape(rows.count, width, channels)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(30)


def declarations():
    """What `tilecrew ops --json` says of every operation, by name."""
    done = subprocess.run([BUILD / "bin/tilecrew", "ops", "--json"], check=True, stdout=subprocess.PIPE)
    return {operation["name"]: operation for operation in json.loads(done.stdout)}


def pipeline_text(operation, arguments):
    """gaussian, {"sigma": 2} -> gaussian:sigma=2"""

    def text(value):
        return "/".join(map(repr, value)) if isinstance(value, list) else str(value)

    return ":".join([operation] + [f"{name}={text(value)}" for name, value in arguments.items()])
