"""Fixtures of the system tests. Every test has its own folder, Redis and processes, and leaves nothing.

    from conftest import make_image, read_image, wait_until

    def test_a_folder_keeps_its_shape(tilecrew, photos, tmp_path):
        done = tilecrew("run", "--ops", "invert", photos, tmp_path / "out")
        assert done.status == 0, done.stderr
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import cv2
import numpy
import pytest
import redis
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / os.environ.get("TILECREW_BUILD", "build") / "bin"
LIMIT = 120  # seconds for one program; under sanitizers everything takes several times longer


@dataclasses.dataclass
class Finished:
    status: int
    stdout: str
    stderr: str


@dataclasses.dataclass
class RedisServer:
    url: str  # unix:/path
    path: str
    process: subprocess.Popen
    client: redis.Redis


def stop(process, how=signal.SIGTERM, seconds=30):
    """Ends a process that we started, by its handle, and returns its exit status."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def wait_until(promise, seconds=30, what="the condition"):
    """Calls `promise` until it returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = promise()
        if result:
            return result
        time.sleep(0.02)
    pytest.fail(f"{what} did not come within {seconds} s")


@pytest.fixture
def folder():
    """A folder with a short path: a unix socket's path has at most 107 bytes, and tmp_path is long."""
    with tempfile.TemporaryDirectory(prefix="tc-") as path:
        yield pathlib.Path(path)


@pytest.fixture
def environment(folder):
    """What the programs see: no settings of the person who runs the tests, caches that all tests share."""
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("TILECREW_", "AWS_")) and name not in ("NO_COLOR", "XDG_CONFIG_HOME")
    }
    home = folder / "home"
    home.mkdir()
    cache = BIN.parent / "test-cache"
    cache.mkdir(parents=True, exist_ok=True)
    return dict(kept, HOME=str(home), XDG_CACHE_HOME=str(cache), LC_ALL="C.UTF-8")


@contextlib.contextmanager
def run_redis(folder, *settings):
    path = folder / "redis.sock"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", path, "--unixsocketperm", "700",
         "--dir", folder, "--save", "", "--maxmemory-policy", "noeviction", *settings],
        stdin=subprocess.DEVNULL, stdout=open(folder / "redis.log", "wb"), stderr=subprocess.STDOUT)
    client = redis.Redis(unix_socket_path=str(path), decode_responses=True)
    try:
        def answers():
            assert process.poll() is None, (folder / "redis.log").read_text()
            with contextlib.suppress(redis.ConnectionError):
                return client.ping()
        wait_until(answers, what="redis-server")
        yield RedisServer(f"unix:{path}", str(path), process, client)
    finally:
        client.close()
        stop(process)


@pytest.fixture
def redis_server(folder):
    """A redis-server of this test's own, on a unix socket."""
    with run_redis(folder) as server:
        yield server


@pytest.fixture
def tilecrew(environment, folder):
    """Runs a program (build/bin/tilecrew unless program= says another) to its end."""

    def call(*arguments, program="tilecrew", limit=LIMIT, env=None, **options):
        done = subprocess.run(
            [BIN / program, *map(str, arguments)], env=dict(environment, **(env or {})),
            cwd=options.pop("cwd", folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=limit, errors="replace", **options)
        return Finished(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def start(environment, folder):
    """Starts a program and returns its Popen; whatever still runs at the test's end is stopped."""
    started = []

    def call(*arguments, program="tilecrew", env=None, **options):
        log = open(folder / f"{program}.{len(started)}.log", "wb+")
        process = subprocess.Popen(
            [BIN / program, *map(str, arguments)], env=dict(environment, **(env or {})),
            cwd=options.pop("cwd", folder), stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", log), stderr=options.pop("stderr", log), **options)
        process.log_path = pathlib.Path(log.name)
        log.close()
        started.append(process)
        return process

    yield call
    for process in reversed(started):
        stop(process)


@pytest.fixture
def worker(start):
    """`with worker(redis_server) as process:` runs a worker, ready to claim, against that server."""

    @contextlib.contextmanager
    def run(server, *arguments, lanes=1, **options):
        process = start("--redis", server.url, f"--lanes={lanes}", *arguments,
                        program="tilecrew-worker", **options)

        def enrolled():
            assert process.poll() is None, process.log_path.read_text(errors="replace")
            return any(server.client.scan_iter("tc:*:workers", count=1000))

        wait_until(enrolled, 60, "the worker")
        yield process
        stop(process)

    return run


@pytest.fixture
def monitor(start):
    """`with monitor(redis_server):` runs a monitor against that server."""

    @contextlib.contextmanager
    def run(server, *arguments, **options):
        process = start("--redis", server.url, *arguments, program="tilecrew-monitor", **options)
        yield process
        stop(process)

    return run


@pytest.fixture
def photos(tmp_path):
    """A copy of the photographs that the project ships, free to be spoilt."""
    shutil.copytree(ROOT / "tests/data/photos", tmp_path / "photos")
    return tmp_path / "photos"


MODES = {"grey": "L", "rgb": "RGB", "grey-alpha": "LA", "rgba": "RGBA", "palette": "P"}


def make_image(path, width, height, layout="rgb", seed=1, smooth=False, **options):
    """Writes an image of random pixels and returns them as they are in the file, (height, width[, channels]).

    Layouts: grey, rgb, and for PNG grey-alpha, rgba, palette. The suffix of the path says JPEG or PNG.
    smooth=True is more like a photograph than noise. Options go to Pillow's save: quality, subsampling,
    progressive, exif, icc_profile, ..."""
    dice = numpy.random.default_rng(seed)
    mode = MODES[layout]
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = dice.integers(0, 256, (height, width, channels), numpy.uint8)
    if smooth:
        pixels = cv2.normalize(cv2.GaussianBlur(pixels, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    image = Image.frombytes(mode, (width, height), numpy.ascontiguousarray(pixels).tobytes())
    if mode == "P":
        image.putpalette(dice.integers(0, 256, 768, numpy.uint8).tobytes())
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return read_image(path)


def read_image(path):
    """The pixels of an image file as Pillow decodes them, a palette's colours looked up."""
    with Image.open(path) as image:
        if image.mode == "P":
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        return numpy.asarray(image)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300))


def pytest_terminal_summary(terminalreporter):
    """Hands the counts to `make check`."""
    path = os.environ.get("TILECREW_COUNTS")
    if path:
        count = {name: len(reports) for name, reports in terminalreporter.stats.items()}
        passed = count.get("passed", 0)
        failed = count.get("failed", 0) + count.get("error", 0) + count.get("xpassed", 0)
        skipped = count.get("skipped", 0) + count.get("xfailed", 0)
        pathlib.Path(path).write_text(f"{passed} {failed} {skipped}\n", encoding="ascii")
