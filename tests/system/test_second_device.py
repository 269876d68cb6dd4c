"""The kernels on Oclgrind, an OpenCL implementation that interprets them and reports every access outside a buffer:
the same bytes as PoCL's, and not one report."""

import os
import shutil
import subprocess

import numpy
import pytest

from engine import BUILD

PIPELINES = ["gaussian:6", "invert,sepia,grayscale", "gaussian:0.5,sobel", "median,sharpen,laplacian"]
IMAGES = [(8, 3, 19, 33), (8, 4, 6, 5), (16, 3, 1, 1)]  # depth, channels, height, width


def requests():
    """Every pipeline on every image, as tests/tools/apply_operations.c reads them."""
    random = numpy.random.default_rng(1)
    text = b""
    for depth, channels, height, width in IMAGES:
        dtype = numpy.uint8 if depth == 8 else numpy.uint16
        image = random.integers(0, 1 << depth, (height, width, channels)).astype(dtype).tobytes()
        for pipeline in PIPELINES:
            text += f"{pipeline}\t{width}\t{height}\t{channels}\t{depth}\t4\t0\t{height}\n".encode() + image
    return text


def answers(command, cache):
    environment = dict(os.environ, XDG_CACHE_HOME=str(cache))
    done = subprocess.run([*command, BUILD / "tests/apply_operations", "--cache", cache / "kernels"], input=requests(),
                          capture_output=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return done


@pytest.mark.skipif(shutil.which("oclgrind") is None, reason="oclgrind is not installed")
@pytest.mark.skipif(BUILD.name != "build", reason="oclgrind and a sanitizer do not go together")
def test_another_opencl_gives_the_same_bytes_and_finds_no_access_out_of_bounds(tmp_path):
    expected = answers([], BUILD / "test-cache")
    checked = answers(["oclgrind"], tmp_path / "oclgrind")
    assert b"ERROR" not in expected.stdout
    assert checked.stderr == b"", checked.stderr.decode()[:2000]
    assert checked.stdout == expected.stdout
