"""The monitor: whole workers die, stop, and come back; Redis goes away; nothing is lost and nothing done twice."""
import contextlib
import hashlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import numpy
import pytest
from conftest import BIN, LIMIT, ROOT, run_redis, stop, wait_until
from PIL import Image

OPS = "gaussian:sigma=3,invert"
IMAGES = 24
DEAD_AFTER = 1.0


def processes_of(process):
    """A process and every descendant of it, from /proc."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [process.pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Crew:
    """A private Redis and the programs on it, all of which end with the test."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "tilecrew.yaml"
        self.stack = contextlib.ExitStack()
        self.processes = []
        self.environment = dict(os.environ, HOME=str(folder), LC_ALL="C.UTF-8",
                                XDG_CACHE_HOME=str(ROOT / BIN.parent / "test-cache"))
        self.config.write_text(
            f"redis:\n  url: unix:{folder}/redis.sock\n  retry_most: 500ms\n"
            "worker:\n  lanes: 2\n  beat: 200ms\n"
            f"monitor:\n  dead_after: {int(DEAD_AFTER * 1000)}ms\n  sweep: 200ms\n"
            "output:\n  png_level: 7\n", encoding="ascii")
        self.start_redis()

    def start_redis(self):
        self.server = self.stack.enter_context(
            run_redis(self.folder, "--appendonly", "yes", "--appendfsync", "always"))
        self.redis = self.server.client

    def kill_redis(self):
        stop(self.server.process, signal.SIGKILL)

    def start(self, program, name, *options):
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen([BIN / program, "--config", self.config, *options], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, env=self.environment)
        self.processes.append(process)
        return process

    def start_worker(self, name):
        before = set(self.workers())
        process = self.start("tilecrew-worker", name)
        process.worker = wait_until(lambda: set(self.workers()) - before, 60, f"worker {name}").pop()
        return process

    def start_monitor(self, name="monitor"):
        return self.start("tilecrew-monitor", name)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def ask(self, *words):
        return subprocess.run([BIN / "tilecrew", *words, "--config", self.config], env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=LIMIT)

    def submit(self, source, result):
        done = self.ask("submit", "--ops", OPS, source, result)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[0]

    def key(self, *words):
        return ":".join(["tc:{default}", *words])

    def workers(self):
        return {name: self.redis.hgetall(self.key("worker", name)) for name in self.redis.smembers(self.key("workers"))}

    def state(self, worker):
        return self.redis.hget(self.key("worker", worker), "state")

    def held(self, worker):
        """How many claims a worker holds."""
        return sum(self.redis.llen(key) for key in self.redis.keys(self.key("processing", worker, "*")))

    def done(self, job):
        return self.redis.bitcount(self.key("job", job, "done"))

    def wait_done(self, job):
        wait_until(lambda: self.redis.hget(self.key("job", job), "state") == "done", 60, f"job {job}")

    def check_conservation(self, job):
        done = self.ask("audit")
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.done(job) == IMAGES

    def end(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                signal_all(processes_of(process), signal.SIGKILL)
                process.wait()
        self.stack.close()


@contextlib.contextmanager
def run_crew():
    with tempfile.TemporaryDirectory(prefix="tc-") as folder:
        crew = Crew(pathlib.Path(folder))
        try:
            yield crew
        finally:
            crew.end()


@pytest.fixture(name="crew")
def make_crew():
    with run_crew() as crew:
        yield crew


@pytest.fixture(name="photos", scope="module")
def make_photos(tmp_path_factory):
    """Pictures that cost enough for a death to hit some of them in the middle."""
    folder = tmp_path_factory.mktemp("photos")
    dice = numpy.random.default_rng(7)
    for number in range(IMAGES):
        coarse = dice.integers(0, 256, (50, 60, 3), dtype=numpy.uint8)
        Image.fromarray(coarse).resize((720, 560), Image.BICUBIC).save(folder / f"{number:02d}.png", compress_level=1)
    return folder


def digest(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in pathlib.Path(folder).glob("*.png")}


@pytest.fixture(name="quiet", scope="module")
def run_quietly(photos, tmp_path_factory):
    """The digests of a run in which nothing happens."""
    result = tmp_path_factory.mktemp("quiet") / "out"
    with run_crew() as crew:
        crew.start_worker("worker")
        crew.wait_done(crew.submit(photos, result))
    assert len(digest(result)) == IMAGES
    return digest(result)


@pytest.mark.parametrize("monitors", [1, 3])
def test_tiles_of_a_killed_worker_are_redone_by_another(crew, photos, quiet, tmp_path, monitors):
    for number in range(monitors):
        crew.start_monitor(f"monitor{number}")
    first = crew.start_worker("first")
    job = crew.submit(photos, tmp_path / "out")
    wait_until(lambda: crew.done(job) >= 2 and crew.held(first.worker) > 0, 60, "a worker in the middle of a job")
    signal_all(processes_of(first), signal.SIGKILL)
    first.wait()
    assert crew.held(first.worker) > 0
    assert crew.done(job) < IMAGES

    crew.start_worker("second")
    crew.wait_done(job)

    crew.check_conservation(job)
    assert crew.held(first.worker) == 0
    assert digest(tmp_path / "out") == quiet
    reclaimed = sum(crew.log(f"monitor{number}").count("worker fenced") for number in range(monitors))
    assert reclaimed == 1, "one monitor fences, the others find it done"


def test_a_fenced_worker_that_wakes_up_changes_nothing(crew, photos, quiet, tmp_path):
    crew.start_monitor()
    first = crew.start_worker("first")
    job = crew.submit(photos, tmp_path / "out")
    wait_until(lambda: crew.done(job) >= 2 and crew.held(first.worker) > 0, 60, "a worker in the middle of a job")
    tree = processes_of(first)
    signal_all(tree, signal.SIGSTOP)
    wait_until(lambda: crew.state(first.worker) == "fenced" and crew.held(first.worker) == 0, 60, "the fence")
    crew.start_worker("second")
    crew.wait_done(job)
    before = crew.redis.hgetall(crew.key("job", job))

    signal_all(reversed(tree), signal.SIGCONT)
    wait_until(lambda: len([worker for worker in crew.workers().values() if worker["state"] == "live"]) == 2,
               60, "the fenced worker enrolled anew")

    after = crew.redis.hgetall(crew.key("job", job))
    assert {name: value for name, value in after.items() if name != "fenced"} == \
        {name: value for name, value in before.items() if name != "fenced"}
    crew.check_conservation(job)
    assert crew.state(first.worker) in ("fenced", None)
    assert digest(tmp_path / "out") == quiet


def test_a_worker_that_beats_is_never_fenced(crew, photos, tmp_path):
    crew.start_monitor()
    worker = crew.start_worker("worker")
    crew.submit(photos, tmp_path / "out")
    time.sleep(4 * DEAD_AFTER)
    assert crew.state(worker.worker) == "live"
    assert "fenced" not in crew.log("monitor")


def test_an_outage_of_redis_is_waited_out_and_accuses_nobody(crew, photos, quiet, tmp_path):
    monitor = crew.start_monitor()
    worker = crew.start_worker("worker")
    job = crew.submit(photos, tmp_path / "out")
    wait_until(lambda: crew.done(job) >= 2, 60, "some results")
    crew.kill_redis()
    time.sleep(2 * DEAD_AFTER)
    crew.start_redis()
    crew.wait_done(job)
    wait_until(lambda: "again" in crew.log("monitor"), 60, "the monitor's word that it is back")
    assert monitor.poll() is None
    assert crew.state(worker.worker) == "live"
    assert "fenced" not in crew.log("monitor")
    assert crew.log("monitor").count("cannot watch the queue") <= 3, "said once for each reason, not for each attempt"
    crew.check_conservation(job)
    assert digest(tmp_path / "out") == quiet


@pytest.mark.parametrize("redis_is_up", [True, False])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_leaves_at_once_when_asked(crew, number, redis_is_up):
    if not redis_is_up:
        crew.kill_redis()
    monitor = crew.start_monitor()
    wait_until(lambda: ("watches" if redis_is_up else "cannot watch") in crew.log("monitor"), 60, "its first word")
    begin = time.monotonic()
    monitor.send_signal(number)
    assert monitor.wait(LIMIT) == 0
    assert time.monotonic() - begin < 1.0


def test_a_blocked_job_goes_on_by_itself(crew, photos, tmp_path):
    job = crew.submit(photos, tmp_path / "out")
    crew.redis.hset(crew.key("job", job), "state", "blocked")
    crew.start_monitor()
    wait_until(lambda: crew.redis.hget(crew.key("job", job), "state") == "running", 60, "the job unblocked")


def test_a_wrong_configuration_is_refused_with_its_place(crew):
    crew.config.write_text("monitor:\n  dead_afer: 1s\n")
    done = subprocess.run([BIN / "tilecrew-monitor", "--config", crew.config], capture_output=True, text=True,
                          check=False, timeout=LIMIT)
    assert done.returncode == 78
    assert f"{crew.config}:2:" in done.stderr
    assert "dead_after" in done.stderr
