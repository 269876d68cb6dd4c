"""Sentinels: the master dies in the middle of a job, another takes its place, and everything goes on there."""

import contextlib
import dataclasses
import signal
import socket
import subprocess
import time

import pytest
import redis
from conftest import make_image, stop, wait_until

PREFIX = "tc:{default}:"
IMAGES = 300
PASSWORD = "open sesame"


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@dataclasses.dataclass
class Guarded:
    url: str
    ports: list  # of the two Redis
    processes: dict  # port -> Popen
    sentinels: list  # ports
    password: str

    def client(self, port):
        return redis.Redis(port=port, password=self.password or None, decode_responses=True)

    def sentinel(self, number=0):
        return redis.Redis(port=self.sentinels[number], decode_responses=True)

    def master_port(self):
        return int(self.sentinel().execute_command("SENTINEL", "get-master-addr-by-name", "crew")[1])

    def master(self):
        return self.client(self.master_port())


@contextlib.contextmanager
def run_guarded(folder, sentinels, password=""):
    """A master, a replica and sentinels on loopback, all ready."""
    ports = free_ports(2 + sentinels)
    own, guards = ports[:2], ports[2:]
    processes = {}

    def launch(port, name, *words):
        log = open(folder / f"{name}.log", "wb")
        processes[port] = subprocess.Popen(["redis-server", *map(str, words)], stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log)

    login = ["--requirepass", password, "--masterauth", password] if password else []
    try:
        for number, port in enumerate(own):
            (folder / f"redis{number}").mkdir()
            launch(port, f"redis{number}", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes",
                   "--repl-diskless-sync-delay", "0", "--dir", folder / f"redis{number}",
                   *(["--replicaof", f"127.0.0.1 {own[0]}"] if number else []), *login)
        guarded = Guarded("redis-sentinel://" + (f":{password.replace(' ', '%20')}@" if password else "")
                          + ",".join(f"127.0.0.1:{port}" for port in guards) + "/crew",
                          own, processes, guards, password)

        def linked():
            with contextlib.suppress(redis.RedisError):
                return guarded.client(own[1]).info("replication").get("master_link_status") == "up"
        wait_until(linked, 30, "the replica")
        for number, port in enumerate(guards):
            config = folder / f"sentinel{number}.conf"
            config.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
                f"sentinel monitor crew 127.0.0.1 {own[0]} {sentinels // 2 + 1}\n"
                "sentinel down-after-milliseconds crew 700\nsentinel failover-timeout crew 3000\n"
                + (f'sentinel auth-pass crew "{password}"\n' if password else ""))
            launch(port, f"sentinel{number}", config, "--sentinel")

        def watching(port):
            with contextlib.suppress(redis.RedisError):
                sentinel = redis.Redis(port=port, decode_responses=True)
                words = sentinel.execute_command("SENTINEL", "MASTER", "crew")
                state = dict(zip(words[::2], words[1::2]))
                return (state["num-slaves"], state["num-other-sentinels"]) == ("1", str(sentinels - 1))
        for port in guards:
            wait_until(lambda: watching(port), 30, "the sentinels")  # pylint: disable=cell-var-from-loop
        yield guarded
    finally:
        for process in processes.values():
            stop(process, signal.SIGKILL)


@pytest.fixture
def many(tmp_path):
    for number in range(IMAGES):
        make_image(tmp_path / "in" / f"{number:03d}.png", 300, 200, seed=number, compress_level=0)
    return tmp_path / "in"


@pytest.mark.parametrize("sentinels, password", [(1, ""), (3, PASSWORD)])
def test_a_job_goes_on_at_the_new_master(folder, start, tilecrew, many, tmp_path, sentinels, password):
    with run_guarded(folder, sentinels, password) as guarded:
        where = ("--redis", guarded.url)
        config = folder / "tilecrew.yaml"
        config.write_text("monitor:\n  dead_after: 2s\n")
        start(*where, "--config", config, program="tilecrew-monitor")
        worker = start(*where, "--lanes=2", program="tilecrew-worker")
        wait_until(lambda: guarded.master().exists(f"{PREFIX}workers"), 60, "the worker")
        watcher = start("submit", "--wait", *where, "--ops", "gaussian:sigma=8", many, tmp_path / "out")

        def job_field(name):
            with contextlib.suppress(redis.RedisError):
                for job in guarded.master().lrange(f"{PREFIX}jobs", 0, 0):
                    return guarded.master().hget(f"{PREFIX}job:{job}", name)
            return None

        wait_until(lambda: int(job_field("images_done") or 0) > 20, 60, "some results")
        old = guarded.master_port()
        if len(guarded.sentinels) > 1:  # the first one of the list is gone, too
            stop(guarded.processes[guarded.sentinels.pop(0)], signal.SIGKILL)
        stop(guarded.processes[old], signal.SIGKILL)
        wait_until(lambda: guarded.master_port() != old, 30, "another master")
        assert watcher.wait(90) == 0, watcher.log_path.read_text()
        assert worker.poll() is None
        # The failover may have lost the newest writes: tiles are found, or issued again.
        repaired = tilecrew("audit", "--repair", *where)
        assert repaired.status == 0, repaired.stderr
        audit = tilecrew("audit", *where)
        assert audit.status == 0, audit.stdout
        assert len(list((tmp_path / "out").glob("*.png"))) == IMAGES
        assert "redis answers again" in worker.log_path.read_text()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0


def test_a_master_that_becomes_a_replica_is_left_for_the_new_one(folder, start, many, tmp_path):
    with run_guarded(folder, 1) as guarded:
        where = ("--redis", guarded.url)
        start(*where, "--lanes=1", program="tilecrew-worker")
        wait_until(lambda: guarded.master().exists(f"{PREFIX}workers"), 60, "the worker")
        old = guarded.master_port()
        watcher = start("submit", "--wait", *where, "--ops", "gaussian:sigma=8", many, tmp_path / "out")
        wait_until(lambda: list((tmp_path / "out").glob("*.png")), 60, "some results")
        guarded.sentinel().execute_command("SENTINEL", "failover", "crew")
        wait_until(lambda: guarded.master_port() != old, 30, "another master")
        assert watcher.wait(90) == 0, watcher.log_path.read_text()
        wait_until(lambda: guarded.client(old).info("replication")["role"] == "slave", 30, "the old master's new role")
        assert len(list((tmp_path / "out").glob("*.png"))) == IMAGES


def test_what_is_wrong_with_sentinels_is_told(folder, tilecrew):
    [nowhere] = free_ports(1)
    done = tilecrew("status", "--redis", f"redis-sentinel://127.0.0.1:{nowhere}/crew")
    assert done.status == 69
    assert "no sentinel of redis-sentinel://" in done.stderr and f"cannot reach Redis at sentinel 127.0.0.1:{nowhere}" in done.stderr
    with run_guarded(folder, 1) as guarded:
        started = time.monotonic()
        done = tilecrew("status", "--redis", guarded.url.replace("/crew", "/other"))
        assert done.status == 69
        assert "knows no master called 'other'" in done.stderr
        done = tilecrew("status", "--redis", f"redis-sentinel://127.0.0.1:{nowhere},127.0.0.1:{guarded.sentinels[0]}/crew")
        assert done.status == 0, done.stderr
        assert time.monotonic() - started < 5
