"""A fleet under the harness's thumb: Redis, workers and monitors that it may kill, and the check at the end."""

import contextlib
import functools
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

import redis
from system_conftest import BIN, run_redis, stop, wait_until

BUILD = BIN.parent
SHIM = BUILD / "tests/fault_shim.so"
OPS = "gaussian:sigma=12,sharpen,invert"
LIMIT = 120
SETTINGS = {
    "redis": {"retry_first": "20ms", "retry_most": "500ms", "connect_timeout": "2s", "command_timeout": "3s"},
    "worker": {"lanes": 2, "beat": "200ms", "claim_wait": "500ms"},
    "monitor": {"dead_after": "1s", "sweep": "200ms"},
    # Faults hit at random here, so that one tile may be unlucky often; poison has tests of its own.
    "job": {"tile_pixels": 100000, "max_losses": 100, "max_fails": 100, "retry_first": "50ms", "retry_most": "500ms"},
}


@functools.cache
def script_sha(name):
    """How Redis names one of the queue's scripts (queue/scripts.c puts the texts together)."""
    program = (BIN / "tilecrew-worker").read_bytes()
    texts = (program[at:program.index(b"\0", at)]
             for at in (program.index(f"-- {part}.lua: ".encode()) for part in ("core", "settle", "fair", name)))
    return hashlib.sha1(b"".join(texts)).hexdigest()


def processes_of(pid):
    """A process and its descendants, it first."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def digest(folder):
    """What the results are, byte for byte; the program's own files and temporaries are none."""
    found = {}
    for path in pathlib.Path(folder).rglob("*"):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@contextlib.contextmanager
def first_in_path(folder):
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{path}"
    yield
    os.environ["PATH"] = path


class Corpus:
    """Pictures, and what a run in which nothing happens makes of them: bytes and counters."""

    def __init__(self, folder, output, ops=OPS, programs=BIN):
        self.folder = folder
        self.ops = ops
        with tempfile.TemporaryDirectory(prefix="tc-") as own, Fleet(pathlib.Path(own), random.Random(0)) as fleet:
            fleet.bin = programs
            fleet.start_worker()
            started = time.monotonic()
            job = fleet.submit(self, output / "out")
            fleet.wait_done(job)
            self.seconds = time.monotonic() - started
            self.counters = fleet.counters(job)
            assert fleet.client.script_exists(script_sha("claim"), script_sha("commit")) == [True, True]
        self.digest = digest(output / "out")
        self.images = len(self.digest)
        assert self.images == sum(1 for path in folder.rglob("*") if path.is_file())


class Fleet:
    def __init__(self, folder, dice, ledger=None):
        self.folder = folder
        self.dice = dice
        self.ledger = ledger
        self.stack = contextlib.ExitStack()
        self.config = folder / "tilecrew.yaml"
        self.url = f"unix:{folder}/redis.sock"
        self.processes = []
        self.bin = BIN
        self.ask_before = ()  # what `tilecrew` itself is started by
        self.settings = {section: dict(values) for section, values in SETTINGS.items()}
        home = folder / "home"
        home.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TILECREW_", "FAULT", "AWS_"))}
        self.environment = dict(kept, HOME=str(home), LC_ALL="C.UTF-8", XDG_CACHE_HOME=str(BUILD / "test-cache"))
        self.set()

    def __enter__(self):
        self.start_redis()
        return self

    def __exit__(self, *_):
        for process in self.processes:
            self.kill(process)
        self.stack.close()

    # --- starting

    def set(self, **sections):
        """Settings, such as set(job={"max_losses": 3}); for what is started from then on."""
        for section, values in sections.items():
            self.settings.setdefault(section, {}).update(values)
        self.settings["redis"]["url"] = self.url
        lines = []
        for section, values in self.settings.items():
            lines += [f"{section}:", *(f"  {name}: {value}" for name, value in values.items())]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start_redis_by(self, *words):
        """Has redis-server started by another program from now on, such as env or ip netns exec."""
        program = shutil.which("redis-server")
        folder = self.folder / "bin"
        folder.mkdir()
        wrapper = folder / "redis-server"
        wrapper.write_text(f'#!/bin/sh\nexec {" ".join(words)} {program} "$@"\n', encoding="utf-8")
        wrapper.chmod(0o755)
        self.stack.enter_context(first_in_path(folder))

    def start_redis(self, *settings, fsync="always"):
        self.server = self.stack.enter_context(
            run_redis(self.folder, "--appendonly", "yes", "--appendfsync", fsync, *settings))
        self.client = self.server.client

    def start_redis_loading(self, seconds):
        """Starts Redis so that it reads its file for that long, and refuses everything meanwhile."""
        delay = str(int(seconds * 1e6 / 200))
        self.start_redis("--key-load-delay", delay, "--loading-process-events-interval-bytes", "1024")
        wait_until(lambda: not self.client.info("persistence")["loading"], 60, "the end of loading")

    def start(self, program, name, *arguments, env=None, before=()):
        """`before` is what the program is started by, such as ip netns exec NAME."""
        path = self.folder / f"{name}.log"
        with open(path, "ab") as log:
            process = subprocess.Popen([*before, self.bin / program, "--config", self.config, *arguments],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env=dict(self.environment, **(env or {})))
        process.log_path = path
        self.processes.append(process)
        return process

    def start_worker(self, name=None, *arguments, env=None, before=(), wait=True):
        earlier = set(self.workers()) if wait else set()
        process = self.start("tilecrew-worker", name or f"worker{len(self.processes)}", *arguments, env=env, before=before)
        if wait:
            process.worker = wait_until(lambda: set(self.workers()) - earlier, 60, f"the worker of {process.log_path}").pop()
        return process

    def start_monitor(self, name="monitor", **options):
        return self.start("tilecrew-monitor", name, **options)

    def plan_faults(self, point, count, first, last):
        """The environment of a worker whose lanes end at that point, `count` times in all."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="plans-", dir=self.folder))
        for number in range(count):
            (folder / str(number)).write_text(f"{self.dice.randint(first, last)} {self.dice.randint(0, 900)}")
        return folder, {"LD_PRELOAD": str(SHIM), "FAULT_POINT": point, "FAULT_PLANS": str(folder),
                        "FAULT_CLAIM": script_sha("claim"), "FAULT_COMMIT": script_sha("commit")}

    # --- ending

    def kill(self, process, number=signal.SIGKILL):
        """Kills a program and all that it started."""
        if process.poll() is None:
            signal_all(processes_of(process.pid), number)
            if number == signal.SIGKILL:
                process.wait()

    def kill_redis(self):
        stop(self.server.process, signal.SIGKILL)

    # --- asking

    def key(self, *words):
        return ":".join(["tc:{default}", *words])

    def workers(self):
        """Workers in the books, by id; none while Redis is away."""
        try:
            return {name: self.client.hgetall(self.key("worker", name))
                    for name in self.client.smembers(self.key("workers"))}
        except redis.RedisError:
            return {}

    def live(self):
        return [name for name, record in self.workers().items() if record.get("state") == "live"]

    def held(self, worker):
        return sum(self.client.llen(key) for key in self.client.keys(self.key("processing", worker, "*")))

    def done(self, job):
        try:
            return self.client.bitcount(self.key("job", job, "done"))
        except redis.RedisError:
            return 0

    def counters(self, job):
        record = self.client.hgetall(self.key("job", job))
        return {name: int(record[name]) for name in ("images", "tiles", "left", "images_done", "images_failed", "pixels",
                                                     "pixels_done", "bytes_done", "dead", "dropped")}

    def field(self, job, name):
        return self.client.hget(self.key("job", job), name)

    def ask(self, *words, limit=LIMIT, env=None):
        return subprocess.run([*self.ask_before, self.bin / "tilecrew", *map(str, words), "--config", self.config],
                              env=dict(self.environment, **(env or {})), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False, timeout=limit)

    def submit(self, corpus, output, *arguments):
        done = self.ask("submit", "--ops", corpus.ops, *arguments, corpus.folder, output)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[0]

    def state(self, job):
        try:
            return self.field(job, "state")
        except redis.RedisError:
            return None

    def wait_done(self, job, seconds=90):
        wait_until(lambda: self.state(job) == "done", seconds, f"the end of job {job}")

    def wait_some(self, job, least):
        wait_until(lambda: self.done(job) >= least or self.state(job) == "done", 60, f"{least} tiles of job {job}")

    def dead(self, job):
        """Tiles that were given up, with their reasons."""
        done = self.ask("dead", "list", job, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["dead"]

    def hit(self, job, faults=1):
        """To be called right before a fault: counts it if the job is under way, and says whether it is."""
        under_way = self.state(job) in ("submitting", "running") and self.done(job) < int(self.field(job, "tiles"))
        self.ledger.note(faults if under_way else 0, 0)
        return under_way

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    # --- the check at the end

    def audit(self, *words):
        done = self.ask("audit", "--json", *words)
        return json.loads(done.stdout), done.returncode

    def check(self, job, corpus, output, dead=0):
        """Conservation; one commit for each tile; the bytes of a quiet run."""
        self.check_books(job, corpus, dead)
        if dead == 0:
            self.check_bytes(corpus, output)

    @staticmethod
    def check_bytes(corpus, output):
        assert digest(output) == corpus.digest

    def check_books(self, job, corpus, dead=0):
        report, status = self.audit()
        assert status == 0 and report["conserved"], report
        row = next(row for row in report["jobs"] if row["job"] == job)
        counters = self.counters(job)
        assert row["done"] == row["total"] - dead == self.done(job), row
        assert (row["dead"], counters["left"]) == (dead, 0), (row, counters)
        if dead == 0:  # a second commit would have been counted twice
            assert counters == corpus.counters
        ends = [fields for _, fields in self.client.xrange(self.key("events"))
                if fields["kind"] == "job_done" and fields["job"] == job]
        assert len(ends) <= 1, ends

    def keep(self):
        """The logs, for whoever has to find out what went wrong."""
        target = BUILD / "faults/failed" / self.folder.name
        shutil.copytree(self.folder, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock", "home"))
        return target
