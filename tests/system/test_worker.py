"""The worker: whatever dies, nothing is lost, and the bytes of the results do not change."""

import contextlib
import filecmp
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from conftest import make_image, run_redis, wait_until

SLOW = ",".join(["gaussian:sigma=40"] * 6)  # about a second for a picture of SIDE x SIDE
SIDE = 1500
PREFIX = "tc:{default}:"


class Job:
    """A submitted job, as Redis tells it."""

    def __init__(self, server, name):
        self.client = server.client
        self.name = name

    def field(self, name):
        return self.client.hget(f"{PREFIX}job:{self.name}", name)

    def number(self, name):
        return int(self.field(name))

    def is_over(self):
        return self.field("state") in ("done", "cancelled")

    def wait(self, seconds=90):
        wait_until(self.is_over, seconds, f"the end of job {self.name}")
        return self


@pytest.fixture
def submit(tilecrew):
    def call(server, ops, source, output, *arguments):
        done = tilecrew("submit", "--redis", server.url, "--ops", ops, *arguments, source, output)
        assert done.status == 0, done.stderr
        return Job(server, done.stdout.split()[0])

    return call


@pytest.fixture
def slow_pictures(tmp_path):
    for number in range(3):
        make_image(tmp_path / "in" / f"{number}.png", SIDE, SIDE, seed=number, compress_level=0)
    return tmp_path / "in"


def claims(server):
    """Every claimed task."""
    return [task for key in server.client.scan_iter(f"{PREFIX}processing:*")
            for task in server.client.lrange(key, 0, -1)]


def lanes_of(process):
    """The process ids of a worker's lanes."""
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children]


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def files_below(folder):
    """Relative paths of all files, without the program's own."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")
                  if path.is_file() and ".tilecrew" not in path.relative_to(folder).parts)


def assert_same_files(one, other):
    assert files_below(one) == files_below(other)
    for name in files_below(one):
        assert filecmp.cmp(one / name, other / name, shallow=False), name


def test_sigterm_finishes_the_tile_in_hand_and_leaves(redis_server, worker, submit, slow_pictures, tmp_path):
    job = submit(redis_server, SLOW, slow_pictures, tmp_path / "out")
    with worker(redis_server) as process:
        wait_until(lambda: claims(redis_server), what="a claim")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert job.number("images_done") == 1
    assert job.number("left") == 2
    assert claims(redis_server) == []
    assert not redis_server.client.exists(f"{PREFIX}workers")
    assert len(files_below(tmp_path / "out")) == 1


def test_a_second_sigterm_puts_back_the_tile_in_hand(redis_server, worker, submit, slow_pictures, tmp_path):
    job = submit(redis_server, SLOW, slow_pictures, tmp_path / "out")
    with worker(redis_server) as process:
        wait_until(lambda: claims(redis_server), what="a claim")
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: "finishing" in process.log_path.read_text(), what="the first signal's effect")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert job.number("images_done") == 0
    assert job.number("left") == 3
    tasks = redis_server.client.lrange(f"{PREFIX}ready", 0, -1) + redis_server.client.lrange(
        f"{PREFIX}job:{job.name}:tiles", 0, -1)
    assert sorted(tasks) == [f"{job.name}:{image}:0:0:0" for image in range(3)]  # nothing is counted
    assert files_below(tmp_path / "out") == []


def test_an_idle_worker_leaves_at_once(redis_server, worker):
    with worker(redis_server, lanes=2) as process:
        time.sleep(0.3)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 0.5


def test_a_killed_lane_costs_one_attempt_and_no_tile(redis_server, worker, submit, slow_pictures, tilecrew, tmp_path):
    job = submit(redis_server, SLOW, slow_pictures, tmp_path / "out")
    with worker(redis_server) as process:
        wait_until(lambda: claims(redis_server), what="a claim")
        [lane] = lanes_of(process)
        time.sleep(0.2)
        os.kill(lane, signal.SIGKILL)
        job.wait()
        assert lanes_of(process) != [lane]
        assert "SIGKILL" in process.log_path.read_text()
    assert (job.number("images_done"), job.number("images_failed")) == (3, 0)
    audit = tilecrew("audit", "--redis", redis_server.url)
    assert audit.status == 0, audit.stdout + audit.stderr
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert len(files_below(tmp_path / "out")) == 3


def test_a_killed_supervisor_takes_its_lanes_along(
        redis_server, worker, monitor, submit, slow_pictures, tmp_path):
    job = submit(redis_server, SLOW, slow_pictures, tmp_path / "out")
    with worker(redis_server, lanes=2) as first:
        wait_until(lambda: claims(redis_server), what="a claim")
        lanes = lanes_of(first)
        assert len(lanes) == 2
        first.kill()
        wait_until(lambda: not any(map(is_alive, lanes)), 5, "the end of the lanes")
    with monitor(redis_server, "--dead-after", "1s", "--sweep", "200ms"), worker(redis_server):
        job.wait()
    assert (job.number("images_done"), job.number("images_failed")) == (3, 0)


def test_a_vanished_source_fails_alone_with_its_reason(redis_server, worker, submit, photos, tilecrew, tmp_path):
    job = submit(redis_server, "invert", photos, tmp_path / "out")
    (photos / "rocket.jpg").unlink()
    with worker(redis_server):
        job.wait()
    assert job.number("images_failed") == 1
    assert job.number("images_done") == job.number("images") - 1
    status = tilecrew("status", "--redis", redis_server.url, job.name)
    assert "rocket.jpg" in status.stdout and "vanished since it was submitted" in status.stdout


def test_a_source_that_changed_its_size_is_refused(redis_server, worker, submit, tmp_path):
    make_image(tmp_path / "in" / "a.png", 40, 30)
    job = submit(redis_server, "invert", tmp_path / "in", tmp_path / "out")
    make_image(tmp_path / "in" / "a.png", 41, 30)
    with worker(redis_server):
        job.wait()
    [dead] = redis_server.client.hvals(f"{PREFIX}dead:info")
    assert "changed since it was submitted" in dead
    assert files_below(tmp_path / "out") == []


def test_a_source_that_became_an_image_is_refused(redis_server, worker, submit, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"not yet")
    job = submit(redis_server, "invert", tmp_path / "in", tmp_path / "out")
    make_image(tmp_path / "in" / "a.png", 41, 30)
    with worker(redis_server):
        job.wait()
    [dead] = redis_server.client.hvals(f"{PREFIX}dead:info")
    assert "could not be read when it was submitted" in dead


@pytest.mark.parametrize("form", ["jpeg", "png"])
def test_neither_cut_nor_lanes_change_a_byte(redis_server, worker, submit, tmp_path, form):
    for number, layout in enumerate(["rgb", "grey"]):
        make_image(tmp_path / "in" / f"photo{number}.jpg", 700, 900, layout, number, smooth=True)
        make_image(tmp_path / "in" / f"drawing{number}.png", 700, 1900, layout, number)
    ops = "gaussian:sigma=3,invert" if form == "png" else "gaussian:sigma=3,sobel"
    with worker(redis_server, lanes=1):
        submit(redis_server, ops, tmp_path / "in", tmp_path / "one", "--format", form).wait()
    with worker(redis_server, lanes=3):
        job = submit(redis_server, ops, tmp_path / "in", tmp_path / "cut", "--format", form,
                     "--tile-pixels", "100000").wait()
        wait_until(lambda: not list((tmp_path / "cut" / ".tilecrew").glob(f"{job.name}/*")), 5, "no parts left")
    assert job.number("tiles") > job.number("images") + 4
    assert job.number("images_failed") == 0
    assert_same_files(tmp_path / "one", tmp_path / "cut")


def test_a_join_whose_commit_was_lost_is_made_again_from_nothing(redis_server, worker, submit, tmp_path):
    make_image(tmp_path / "in" / "a.png", 700, 1900)
    with worker(redis_server):
        job = submit(redis_server, "gaussian", tmp_path / "in", tmp_path / "out", "--tile-pixels", "100000").wait()
        tiles = job.number("tiles") - 1
        before = (tmp_path / "out" / "a.png").read_bytes()
        (tmp_path / "out" / "a.png").unlink()
        # The queue forgets that the join was done, as after a failover that lost its last writes.
        key = f"{PREFIX}job:{job.name}"
        redis_server.client.setbit(f"{key}:done", tiles, 0)
        redis_server.client.hset(key, mapping={"state": "running", "left": 1, "finished_ms": 0})
        redis_server.client.rpush(f"{PREFIX}ready", f"{job.name}:0:{tiles}:0:0")
        wait_until((tmp_path / "out" / "a.png").exists, what="the join")
    assert (tmp_path / "out" / "a.png").read_bytes() == before


def test_a_worker_needs_no_files_with_the_redis_store(redis_server, worker, submit, start, photos, tmp_path):
    with worker(redis_server):
        submit(redis_server, "gaussian", photos, tmp_path / "seen").wait()
    submitter = start("submit", "--redis", redis_server.url, "--store", "redis", "--wait", "--ops", "gaussian",
                      photos, tmp_path / "out")

    def all_sent():
        keys = list(redis_server.client.scan_iter(f"{PREFIX}job:*:blobs"))
        return keys and redis_server.client.hlen(keys[0]) == len(files_below(tmp_path / "seen"))

    wait_until(all_sent, what="the sources in Redis")
    photos.rename(tmp_path / "hidden")
    with worker(redis_server):
        assert submitter.wait(60) == 0, submitter.log_path.read_text()
    assert_same_files(tmp_path / "seen", tmp_path / "out")


def test_a_tile_that_takes_too_long_fails_with_that_reason(redis_server, worker, submit, slow_pictures, tmp_path):
    config = tmp_path / "tilecrew.yaml"
    config.write_text("job:\n  max_fails: 2\n  retry_first: 10ms\n  retry_most: 10ms\n")
    job = submit(redis_server, ",".join([SLOW] * 4), slow_pictures / "0.png", tmp_path / "out", "--config", config)
    with worker(redis_server, "--tile-time-limit", "1s"):
        def promoted():  # what the monitor does
            late = redis_server.client.zrange(f"{PREFIX}delayed", 0, -1)
            if late and redis_server.client.zrem(f"{PREFIX}delayed", late[0]):
                redis_server.client.rpush(f"{PREFIX}ready", late[0])
            return job.is_over()
        wait_until(promoted, 30, "the end of the job")
    [dead] = redis_server.client.hvals(f"{PREFIX}dead:info")
    assert "took longer than worker.tile_time_limit" in dead
    assert job.number("images_failed") == 1
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_lost_connections_lose_no_tile(redis_server, worker, submit, tilecrew, tmp_path):
    for number in range(300):
        make_image(tmp_path / "in" / f"{number}.png", 60, 50, seed=number)
    with worker(redis_server, lanes=2):
        job = submit(redis_server, "invert", tmp_path / "in", tmp_path / "out")
        while not job.is_over():
            with contextlib.suppress(Exception):
                redis_server.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            time.sleep(0.15)
    assert (job.number("images_done"), job.number("images_failed")) == (300, 0)
    assert tilecrew("audit", "--redis", redis_server.url).status == 0
    assert len(files_below(tmp_path / "out")) == 300


def test_a_worker_outlives_redis(folder, start, submit, photos, tmp_path):
    settings = ("--appendonly", "yes", "--appendfsync", "always")
    with run_redis(folder, *settings) as server:
        process = start("--redis", server.url, "--lanes=1", program="tilecrew-worker")
        wait_until(lambda: server.client.exists(f"{PREFIX}workers"), 60, "the worker")
    time.sleep(1.5)
    assert process.poll() is None
    with run_redis(folder, *settings) as server:
        job = submit(server, "invert", photos, tmp_path / "out").wait(30)
        assert job.number("images_done") == job.number("images")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    log = process.log_path.read_text()
    assert "redis answers again" in log
    assert log.count("redis out of reach") == 2  # the supervisor and its lane say it once each


def test_a_worker_waits_for_a_redis_that_is_not_there_yet(folder, start):
    process = start("--redis", f"unix:{folder}/redis.sock", "--lanes=1", program="tilecrew-worker")
    wait_until(lambda: "redis out of reach" in process.log_path.read_text(), what="the warning")
    with run_redis(folder) as server:
        wait_until(lambda: server.client.exists(f"{PREFIX}workers"), 60, "the worker")


def test_a_fenced_worker_enrols_anew_and_works_on(redis_server, worker, submit, photos, tmp_path):
    with worker(redis_server) as process:
        [old] = redis_server.client.smembers(f"{PREFIX}workers")
        redis_server.client.hset(f"{PREFIX}worker:{old}", "state", "fenced")
        new = wait_until(lambda: redis_server.client.smembers(f"{PREFIX}workers") - {old}, what="a new id")
        assert process.poll() is None
        job = submit(redis_server, "invert", photos, tmp_path / "out").wait()
        assert job.number("images_done") == job.number("images")
    assert redis_server.client.smembers(f"{PREFIX}workers") == {old}, f"{new} left, {old} is the monitor's"


def test_a_worker_that_is_drained_leaves(redis_server, worker):
    with worker(redis_server) as process:
        [name] = redis_server.client.smembers(f"{PREFIX}workers")
        redis_server.client.hset(f"{PREFIX}worker:{name}", "state", "draining")
        assert process.wait(10) == 0
    assert not redis_server.client.exists(f"{PREFIX}workers")


def test_a_lane_is_replaced_after_its_tiles(redis_server, worker, submit, tmp_path):
    config = tmp_path / "tilecrew.yaml"
    config.write_text("worker:\n  lane_tile_limit: 3\n")
    for number in range(10):
        make_image(tmp_path / "in" / f"{number}.png", 60, 50, seed=number)
    with worker(redis_server, "--config", config, "--log-level", "debug") as process:
        submit(redis_server, "invert", tmp_path / "in", tmp_path / "out").wait()
        wait_until(lambda: process.log_path.read_text().count("lane started") >= 2, what="the next lane")
        assert "lane died" not in process.log_path.read_text()


def test_an_output_that_is_full_blocks_the_job_until_resumed(
        redis_server, worker, submit, photos, tilecrew, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", out], check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    try:
        job = submit(redis_server, "invert", photos, out)
        with worker(redis_server, lanes=2):
            wait_until(lambda: job.field("state") == "blocked", what="the job to be blocked")
            assert str(out) in job.field("reason")
            assert f"tilecrew resume {job.name}" in tilecrew("status", "--redis", redis_server.url, job.name).stdout
            time.sleep(0.3)
            assert claims(redis_server) == []
            subprocess.run(["mount", "-o", "remount,size=64m", out], check=True)
            assert tilecrew("resume", "--redis", redis_server.url, job.name).status == 0
            job.wait()
        assert job.number("images_done") == job.number("images")
        assert not list(out.rglob("*.tmp"))
    finally:
        subprocess.run(["umount", out], check=True)


@pytest.mark.parametrize("paused", [False, True])
def test_a_cancelled_job_leaves_no_parts(redis_server, worker, submit, tilecrew, tmp_path, paused):
    make_image(tmp_path / "in" / "big.png", 1000, 3000)
    out = tmp_path / "out"
    job = submit(redis_server, SLOW, tmp_path / "in", out, "--tile-pixels", "200000")
    with worker(redis_server):
        wait_until(lambda: list(out.glob(f".tilecrew/{job.name}/*.0")), what="a part")
        if paused:
            tilecrew("pause", "--redis", redis_server.url, job.name)
            wait_until(lambda: not claims(redis_server), what="the claims' end")
        tilecrew("cancel", "--redis", redis_server.url, job.name)
        job.wait()
        wait_until(lambda: not claims(redis_server) and not (out / ".tilecrew" / job.name).exists(), what="no parts")
    assert job.field("state") == "cancelled" and job.number("images_done") == 0


def test_tasks_of_no_tile_and_damaged_records_harm_only_themselves(redis_server, worker, submit, tilecrew, slow_pictures,
                                                                   tmp_path):
    client = redis_server.client
    job = submit(redis_server, "invert", slow_pictures, tmp_path / "out")
    damaged = submit(redis_server, "invert", slow_pictures, tmp_path / "damaged")
    for image, record in enumerate(["", "garbage", "2 0 0 9 9 1 0\tx\ty"]):
        client.hset(f"{PREFIX}job:{damaged.name}:images", image, record)
    for stray in ["99:0:0:0", "0:7:0:0", "0:1:0:0", "0:0:0:0", "0:0:0:0"]:
        client.rpush(f"{PREFIX}ready", f"{job.name}:{stray}")
    with worker(redis_server):
        job.wait()
        damaged.wait()
        wait_until(lambda: not claims(redis_server) and not client.llen(f"{PREFIX}ready"), what="the strays' end")
    assert (job.number("images_done"), job.number("images_failed"), job.number("left")) == (3, 0, 0)
    assert (damaged.number("images_done"), damaged.number("images_failed")) == (0, 3)
    assert files_below(tmp_path / "damaged") == []
    audit = tilecrew("audit", "--redis", redis_server.url)
    assert audit.status == 0, audit.stdout


def test_a_job_that_lost_its_image_records_ends(redis_server, worker, submit, slow_pictures, tmp_path):
    job = submit(redis_server, SLOW, slow_pictures, tmp_path / "out")
    with worker(redis_server):
        wait_until(lambda: claims(redis_server), what="a claim")
        redis_server.client.delete(f"{PREFIX}job:{job.name}:images")
        job.wait()
    assert (job.number("left"), job.number("images_failed")) == (0, 3)


def test_a_device_that_does_not_exist_is_named(redis_server, tilecrew):
    done = tilecrew("--redis", redis_server.url, "--lanes=1", "--device", "abacus", program="tilecrew-worker")
    assert done.status == 70
    assert "abacus" in done.stderr
    assert not redis_server.client.exists(f"{PREFIX}workers")


def test_a_kernel_cache_that_cannot_be_written_is_replaced(tilecrew, photos, tmp_path, folder):
    (folder / "file").write_text("")
    done = tilecrew("run", "--ops", "invert", photos / "cat.png", tmp_path / "out",
                    env={"XDG_CACHE_HOME": str(folder / "file"), "TMPDIR": str(folder)})
    assert done.status == 0, done.stderr
    assert any((folder / f"tilecrew-cache-{os.geteuid()}").glob("*.kernel"))


@pytest.mark.parametrize("length", [0, 50, 20000])
def test_half_written_kernels_are_built_again(tilecrew, photos, tmp_path, length):
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for out in "whole", "again":
        done = tilecrew("run", "--ops", "gaussian:sigma=2", photos, tmp_path / out, env=env)
        assert done.status == 0, done.stderr
        for path in (tmp_path / "cache").rglob("*"):
            if path.is_file():
                path.write_bytes(os.urandom(length) if length > 1000 else path.read_bytes()[:length])
    assert_same_files(tmp_path / "whole", tmp_path / "again")


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_driver_that_crashes_ends_the_worker_and_says_what_to_do(tilecrew, photos, tmp_path, lanes):
    source, library = tmp_path / "driver.c", tmp_path / "driver.so"
    source.write_text("#include <stdlib.h>\nint clGetPlatformIDs(unsigned n, void *p, void *c)"
                      " { (void)n; (void)p; (void)c; abort(); }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    preload = ":".join(filter(None, [os.environ.get("LD_PRELOAD"), str(library)]))
    done = tilecrew("run", "--ops", "invert", "--lanes", lanes, photos, tmp_path / "out",
                    env={"LD_PRELOAD": preload, "ASAN_OPTIONS": "verify_asan_link_order=0"})
    assert done.status == 70
    assert "SIGABRT" in done.stderr and "clinfo" in done.stderr


def test_the_record_tells_device_and_codecs(redis_server, worker, tilecrew):
    with worker(redis_server, lanes=2):
        [name] = redis_server.client.smembers(f"{PREFIX}workers")
        record = redis_server.client.hgetall(f"{PREFIX}worker:{name}")
        listed = json.loads(tilecrew("workers", "--redis", redis_server.url, "--json").stdout)
    assert record["lanes"] == "2" and record["device"]
    assert "libjpeg" in record["codecs"] and "libpng" in record["codecs"]
    assert listed


def test_an_idle_worker_uses_next_to_no_time(redis_server, worker):
    with worker(redis_server, lanes=2) as process:
        time.sleep(0.5)
        processes = [process.pid, *lanes_of(process)]
        before = sum(map(cpu_ticks, processes))
        time.sleep(2)
        assert sum(map(cpu_ticks, processes)) - before <= 0.1 * os.sysconf("SC_CLK_TCK")
