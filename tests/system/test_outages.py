"""Redis comes and goes, disks and Redis fill up: everyone waits, says why, and goes on; other jobs are not held up."""

import contextlib
import filecmp
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time

import pytest
import redis
from conftest import make_image, run_redis, stop, wait_until

PREFIX = "tc:{default}:"
IMAGES = 300
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")
EVERYSEC = ("--appendonly", "yes", "--appendfsync", "everysec")


@pytest.fixture(name="many", scope="module")
def make_many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    for number in range(IMAGES):
        make_image(folder / f"{number:03d}.png", 300, 200, seed=number, compress_level=0)
    return folder


@pytest.fixture
def slow_end(folder):
    """A configuration with short waits."""
    path = folder / "tilecrew.yaml"
    path.write_text("redis:\n  retry_most: 500ms\nmonitor:\n  dead_after: 2s\n  sweep: 200ms\n  retry_blocked: 500ms\n"
                    "job:\n  retry_first: 10ms\n  retry_most: 20ms\n")
    return path


def results(folder):
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*.png"))


def only_job(server):
    [job] = server.client.lrange(f"{PREFIX}jobs", 0, -1) + server.client.zrange(f"{PREFIX}finished", 0, -1)
    return job


def field(server, job, name):
    return server.client.hget(f"{PREFIX}job:{job}", name)


def said(process):
    return process.log_path.read_text(errors="replace")


@contextlib.contextmanager
def tmpfs(path, options):
    path.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path],
                                           check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    try:
        yield lambda again: subprocess.run(["mount", "-o", f"remount,{again}", path], check=True)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)  # workers keep folders open


@pytest.mark.parametrize("how", ["killed", "outage", "replica", "full"])
def test_whoever_carries_bytes_outlives_redis(folder, start, slow_end, tilecrew, many, tmp_path, how):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(run_redis(folder, *ALWAYS))
        where = ("--config", slow_end, "--redis", server.url)
        start(*where, "--lanes=2", program="tilecrew-worker")
        start(*where, program="tilecrew-monitor")
        wait_until(lambda: server.client.exists(f"{PREFIX}workers"), 60, "the worker")
        carrier = start("submit", *where, "--store", "redis", "--ops", "gaussian:sigma=8", many, tmp_path / "out")
        for some in (10, 60):
            wait_until(lambda: len(results(tmp_path / "out")) >= some, 60, "results")  # pylint: disable=cell-var-from-loop
            if how in ("killed", "outage"):
                stop(server.process, signal.SIGKILL)
                time.sleep(0.1 if how == "killed" else 2)
                server = stack.enter_context(run_redis(folder, *ALWAYS))
            elif how == "replica":
                server.client.replicaof("127.0.0.1", "1")
                time.sleep(1)
                server.client.replicaof("NO", "ONE")
            else:
                server.client.config_set("maxmemory", 1)
                time.sleep(1)
                server.client.config_set("maxmemory", 0)
        assert carrier.wait(90) == 0, said(carrier)
        job = only_job(server)
        assert field(server, job, "images_done") == str(IMAGES)
        assert server.client.hlen(f"{PREFIX}job:{job}:blobs") == 0
        assert results(tmp_path / "out") == results(many)
        assert tilecrew("audit", *where).status == 0
        assert len(said(carrier).splitlines()) < 20, "said once for each outage, not for each attempt"


@pytest.mark.parametrize("store", ["file", "redis"])
def test_a_job_that_is_gone_is_told_to_those_who_follow_it(folder, start, slow_end, many, tmp_path, store):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(run_redis(folder))
        where = ("--config", slow_end, "--redis", server.url)
        worker = start(*where, "--lanes=2", program="tilecrew-worker")
        wait_until(lambda: server.client.exists(f"{PREFIX}workers"), 60, "the worker")
        old = server.client.smembers(f"{PREFIX}workers")
        submitter = start("submit", "--wait", *where, "--store", store, "--ops", "gaussian:sigma=8", many, tmp_path / "out")
        wait_until(lambda: len(results(tmp_path / "out")) >= 10, 60, "results")
        watcher = start("watch", *where, only_job(server))
        time.sleep(0.3)
        stop(server.process, signal.SIGKILL)
        time.sleep(0.3)
        server = stack.enter_context(run_redis(folder))  # nothing was kept
        for process in (submitter, watcher):
            assert process.wait(30) == 1, said(process)
            assert "is gone: Redis at unix:" in said(process) and "submit it again" in said(process)
        wait_until(lambda: server.client.smembers(f"{PREFIX}workers") - old, 30, "the worker under a new id")
        assert worker.poll() is None
        again = start("submit", "--wait", *where, "--store", store, "--ops", "gaussian:sigma=8", many, tmp_path / "out")
        assert again.wait(90) == 0, said(again)
        assert results(tmp_path / "out") == results(many)


def test_nobody_spins_while_redis_takes_no_writes(redis_server, start, slow_end, many, tmp_path, tilecrew):
    where = ("--config", slow_end, "--redis", redis_server.url)
    worker = start(*where, "--lanes=2", program="tilecrew-worker")
    monitor = start(*where, program="tilecrew-monitor")
    wait_until(lambda: redis_server.client.exists(f"{PREFIX}workers"), 60, "the worker")
    redis_server.client.replicaof("127.0.0.1", "1")
    time.sleep(1.5)
    before = redis_server.client.info("stats")["total_commands_processed"]
    time.sleep(3)
    commands = redis_server.client.info("stats")["total_commands_processed"] - before
    redis_server.client.replicaof("NO", "ONE")
    assert commands < 250, "three processes, half a second between attempts"
    for process in (worker, monitor):
        assert process.poll() is None
        assert len(said(process).splitlines()) < 25, said(process)
    assert tilecrew("submit", "--wait", *where, "--ops", "invert", many, tmp_path / "out").status == 0


@pytest.mark.parametrize("error", ["MISCONF", "BUSY", "LOADING"])
def test_a_redis_in_trouble_is_waited_for_from_the_start(folder, start, slow_end, photos, tmp_path, tilecrew, error):
    settings = {"LOADING": ("--enable-debug-command", "yes", *ALWAYS)}.get(error, ())
    with run_redis(folder, *settings) as server:
        where = ("--config", slow_end, "--redis", server.url)
        cure = threading.Thread(target=lambda: None)
        if error == "MISCONF":  # it cannot save, and so refuses writes
            (folder / "dump.rdb").mkdir()
            server.client.config_set("save", "1 1")
            server.client.set("x", "y")
            wait_until(lambda: server.client.info("persistence")["rdb_last_bgsave_status"] == "err", 30, "the failure")
        elif error == "BUSY":
            server.client.config_set("busy-reply-threshold", 100)

            def script():
                with contextlib.suppress(redis.RedisError):
                    redis.Redis(unix_socket_path=server.path).eval("while true do end", 0)
            cure = threading.Thread(target=script)
            cure.start()
            time.sleep(0.5)
        else:
            for number in range(2000):
                server.client.set(f"x{number}", "y")
            server.client.config_set("key-load-delay", 1000)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            loading = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", server.path, "--dir", folder, *ALWAYS,
                                        "--key-load-delay", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        worker = start(*where, "--lanes=1", program="tilecrew-worker")
        monitor = start(*where, program="tilecrew-monitor")
        time.sleep(1)
        try:
            assert worker.poll() is None and monitor.poll() is None, said(worker) + said(monitor)
            if error == "MISCONF":
                server.client.config_set("save", "")
                server.client.config_set("stop-writes-on-bgsave-error", "no")
            elif error == "BUSY":
                redis.Redis(unix_socket_path=server.path).script_kill()
                cure.join()
            wait_until(lambda: tilecrew("status", *where).status == 0, 30, "Redis")
            done = tilecrew("submit", "--wait", *where, "--ops", "invert", photos, tmp_path / "out")
            assert done.status == 0, done.stderr
            assert worker.poll() is None and monitor.poll() is None
        finally:
            if error == "LOADING":
                stop(loading, signal.SIGKILL)


def test_a_lost_tail_of_the_log_leaves_every_tile_in_one_place(folder, start, slow_end, tilecrew, many, tmp_path):
    """Each script is in the log whole or not at all, so counters and bitmaps agree wherever the log ends."""
    dice = random.Random(5)
    with run_redis(folder, *EVERYSEC) as server:
        where = ("--config", slow_end, "--redis", server.url)
        worker = start(*where, "--lanes=2", program="tilecrew-worker")
        wait_until(lambda: server.client.exists(f"{PREFIX}workers"), 60, "the worker")
        done = tilecrew("submit", *where, "--ops", "gaussian:sigma=8", "--tile-pixels", "20000", many, tmp_path / "out")
        job = done.stdout.split()[0]
        wait_until(lambda: int(field(server, job, "images_done")) > IMAGES // 4, 60, "a part of the job")
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    [log] = (folder / "appendonlydir").glob("*.incr.aof")
    size = log.stat().st_size
    for cut in [1] + [dice.randrange(size // 3) for _ in range(8)]:
        shutil.copytree(folder / "appendonlydir", folder / "copy" / "appendonlydir")
        os.truncate(folder / "copy" / "appendonlydir" / log.name, size - cut)
        with run_redis(folder / "copy", *EVERYSEC) as server:
            audit = json.loads(tilecrew("audit", "--json", "--redis", server.url).stdout)
            assert audit["conserved"], (cut, audit)
        shutil.rmtree(folder / "copy")
    os.truncate(log, size - dice.randrange(size // 3))
    with run_redis(folder, *EVERYSEC) as server:
        start(*where, program="tilecrew-monitor")
        wait_until(lambda: field(server, job, "state") == "done", 90, "the job")
        assert worker.poll() is None
        assert field(server, job, "images_done") == str(IMAGES) and field(server, job, "images_failed") == "0"
        assert tilecrew("audit", *where).status == 0
        quiet = tilecrew("submit", "--wait", *where, "--ops", "gaussian:sigma=8", many, tmp_path / "quiet")
        assert quiet.status == 0, quiet.stderr
    assert results(tmp_path / "out") == results(many)
    for name in results(many):
        assert filecmp.cmp(tmp_path / "out" / name, tmp_path / "quiet" / name, shallow=False), name


@pytest.mark.parametrize("full, cured", [("size=64k", "size=64m"), ("ro", "rw,size=64m")])
def test_a_job_whose_output_takes_nothing_is_blocked_and_heals_while_others_go_on(
        redis_server, start, slow_end, tilecrew, photos, many, tmp_path, full, cured):
    where = ("--config", slow_end, "--redis", redis_server.url)
    start(*where, program="tilecrew-monitor")
    with tmpfs(tmp_path / "small", "size=64k") as remount:
        stuck = tilecrew("submit", *where, "--ops", "invert", photos, tmp_path / "small" / "out").stdout.split()[0]
        remount(full)
        other = tilecrew("submit", *where, "--ops", "invert", many, tmp_path / "other").stdout.split()[0]
        start(*where, "--lanes=2", program="tilecrew-worker")
        wait_until(lambda: field(redis_server, stuck, "state") == "blocked", 60, "the block")
        reason = field(redis_server, stuck, "reason")
        assert str(tmp_path / "small") in reason
        assert "tilecrew resume" in tilecrew("status", stuck, *where).stdout
        wait_until(lambda: field(redis_server, other, "state") == "done", 60, "the other job")
        assert field(redis_server, stuck, "state") in ("blocked", "running")
        assert field(redis_server, stuck, "images_failed") == "0"
        remount(cured)
        wait_until(lambda: field(redis_server, stuck, "state") == "done", 60, "the blocked job")
        assert field(redis_server, stuck, "images_failed") == "0"
        made = [path for path in (tmp_path / "small" / "out").rglob("*.[jp][pn]g") if ".tilecrew" not in path.parts]
        assert len(made) == int(field(redis_server, stuck, "images"))


def test_a_full_redis_blocks_the_job_whose_bytes_it_holds_and_no_other(
        redis_server, start, slow_end, tilecrew, many, tmp_path):
    where = ("--config", slow_end, "--redis", redis_server.url)
    start(*where, program="tilecrew-monitor")
    carrier = start("submit", *where, "--store", "redis", "--ops", "gaussian:sigma=8", many, tmp_path / "carried")
    wait_until(lambda: redis_server.client.lrange(f"{PREFIX}jobs", 0, -1), 30, "the job")
    [carried] = redis_server.client.lrange(f"{PREFIX}jobs", 0, -1)
    wait_until(lambda: field(redis_server, carried, "sealed") == "1", 30, "the job whole")
    other = tilecrew("submit", *where, "--ops", "invert", many, tmp_path / "other").stdout.split()[0]
    redis_server.client.config_set("maxmemory", 1)
    worker = start(*where, "--lanes=2", program="tilecrew-worker")
    wait_until(lambda: field(redis_server, carried, "state") == "blocked", 60, "the block")
    assert "out of memory" in field(redis_server, carried, "reason")
    wait_until(lambda: field(redis_server, other, "state") == "done", 60, "the other job")
    [name] = redis_server.client.smembers(f"{PREFIX}workers")
    assert redis_server.client.hget(f"{PREFIX}worker:{name}", "state") == "live"
    redis_server.client.config_set("maxmemory", 0)
    assert carrier.wait(90) == 0, said(carrier)
    assert field(redis_server, carried, "images_failed") == "0"
    assert results(tmp_path / "carried") == results(many)
    assert worker.poll() is None


def test_a_carrier_whose_own_disk_is_full_blocks_its_job_and_goes_on(
        redis_server, start, slow_end, worker, photos, tmp_path):
    where = ("--config", slow_end, "--redis", redis_server.url)
    with tmpfs(tmp_path / "small", "size=64k") as remount, worker(redis_server):
        carrier = start("submit", *where, "--store", "redis", "--ops", "invert", photos, tmp_path / "small" / "out")
        wait_until(lambda: "trying again until there is room" in said(carrier), 60, "the carrier's word")
        assert str(tmp_path / "small") in said(carrier)
        time.sleep(1)
        assert carrier.poll() is None
        remount("size=64m")
        assert carrier.wait(60) == 0, said(carrier)
        assert "there is room again" in said(carrier)
        job = only_job(redis_server)
        assert redis_server.client.hlen(f"{PREFIX}job:{job}:blobs") == 0
        assert field(redis_server, job, "state") == "done"


def test_dead_tiles_are_chosen_by_their_reason(redis_server, worker, tilecrew, photos, tmp_path):
    where = ("--redis", redis_server.url)
    jobs = [tilecrew("submit", *where, "--ops", "invert", photos, tmp_path / name).stdout.split()[0]
            for name in ("one", "two")]
    (photos / "rocket.jpg").rename(tmp_path / "rocket.jpg")
    (photos / "coffee.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    with worker(redis_server):
        for job in jobs:
            wait_until(lambda: field(redis_server, job, "state") == "done", 60, "the job")  # pylint: disable=cell-var-from-loop

        def dead(*words):
            return json.loads(tilecrew("dead", "list", *where, "--json", *words).stdout)["dead"]

        assert len(dead()) == 4 and len(dead(jobs[0])) == 2
        assert {tile["path"] for tile in dead("--reason", "vanished")} == {"rocket.jpg"}
        assert len(dead("--reason", "vanished", jobs[1])) == 1
        (tmp_path / "rocket.jpg").rename(photos / "rocket.jpg")
        done = tilecrew("dead", "retry", *where, "--reason", "vanished since")
        assert done.stdout == "2 tiles tried again\n"
        for job in jobs:
            wait_until(lambda: field(redis_server, job, "images_failed") == "1", 60, "the retry")  # pylint: disable=cell-var-from-loop
        assert tilecrew("dead", "discard", *where, "--reason", "no such reason").stdout == "0 tiles discarded\n"
        assert tilecrew("dead", "discard", *where).stdout == "2 tiles discarded\n"
        assert dead() == []
        assert tilecrew("audit", *where).status == 0
