"""Redis comes and goes, refuses, forgets, and loses replies, each in the middle of a job."""

import contextlib
import shutil
import signal
import time

import pytest
from harness import processes_of
from proxy import Proxy
from system_conftest import wait_until


@contextlib.contextmanager
def job_under_way(fleet, few, ledger, output):
    """A job of which some tiles are done; at the end it must be whole."""
    fleet.start_monitor()
    worker = fleet.start_worker()
    job = fleet.submit(few, output)
    fleet.wait_some(job, fleet.dice.randint(1, 8))
    yield job
    ledger.note()
    fleet.wait_done(job)
    fleet.check(job, few, output)
    assert worker.poll() is None, "a worker that ends because of Redis"


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = open(f"/proc/{pid}/stat", encoding="utf-8").read().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / 100
    return total


@pytest.mark.parametrize("fsync", [pytest.param(how, marks=pytest.mark.case(5, f"kill -9 of Redis and restart, AOF {how}"))
                                   for how in ("always", "everysec")])
def test_redis_killed_and_started_again(fleet, few, ledger, tmp_path, fsync, long):
    fleet.kill_redis()
    fleet.start_redis(fsync=fsync)
    rounds = 6 if long else 2
    with job_under_way(fleet, few, ledger, tmp_path / "out") as job:
        for _ in range(rounds):
            fleet.wait_some(job, fleet.done(job) + 1)
            fleet.hit(job)
            fleet.kill_redis()
            time.sleep(fleet.dice.uniform(0, 0.5))
            fleet.start_redis(fsync=fsync)


@pytest.mark.case(5, "a long outage: nobody spins, nobody exits, all go on")
def test_an_outage_is_waited_out(fleet, few, ledger, tmp_path, long):
    with job_under_way(fleet, few, ledger, tmp_path / "out") as job:
        fleet.hit(job)
        everyone = [pid for process in fleet.processes for pid in processes_of(process.pid)]
        fleet.kill_redis()
        time.sleep(1)
        spent, span = cpu_seconds(everyone), 30 if long else 3
        time.sleep(span)
        spent = cpu_seconds(everyone) - spent
        fleet.start_redis()
    ledger.figures = {"cpu_percent_while_waiting": round(100 * spent / span, 1)}
    assert spent / span < 0.1, "they spin"


@pytest.mark.case(5, "SCRIPT FLUSH")
def test_scripts_forgotten(fleet, few, ledger, tmp_path, long):
    rounds = 20 if long else 5
    with job_under_way(fleet, few, ledger, tmp_path / "out") as job:
        for _ in range(rounds):
            fleet.hit(job)
            fleet.client.script_flush()
            time.sleep(fleet.dice.uniform(0, 0.05))


@pytest.mark.case(5, "all connections cut (CLIENT KILL)")
def test_connections_killed(fleet, few, ledger, tmp_path, long):
    rounds = 20 if long else 5
    with job_under_way(fleet, few, ledger, tmp_path / "out") as job:
        for _ in range(rounds):
            fleet.hit(job)
            fleet.client.client_kill_filter(_type="normal", skipme=True)
            time.sleep(fleet.dice.uniform(0, 0.1))


@pytest.mark.case(5, "-LOADING: Redis reads its file for seconds after a restart")
def test_redis_that_is_loading(fleet, few, ledger, tmp_path):
    with job_under_way(fleet, few, ledger, tmp_path / "out") as job:
        fleet.hit(job)
        fleet.kill_redis()
        fleet.start_redis_loading(2)


@pytest.mark.case(5, "-READONLY: the master became a replica, and a master again")
def test_redis_that_is_a_replica(fleet, few, ledger, tmp_path, long):
    with job_under_way(fleet, few, ledger, tmp_path / "out") as job:
        fleet.hit(job)
        fleet.client.replicaof("127.0.0.1", "1")
        time.sleep(10 if long else 2)
        fleet.client.replicaof("NO", "ONE")


@pytest.mark.case(5, "-OOM: Redis is full for a while")
def test_redis_that_is_full(fleet, few, ledger, tmp_path, long):
    with job_under_way(fleet, few, ledger, tmp_path / "out") as job:
        fleet.hit(job)
        fleet.client.config_set("maxmemory", 1)
        time.sleep(10 if long else 2)
        fleet.client.config_set("maxmemory", 0)


@pytest.mark.case(5, "Redis stands still (SIGSTOP) past everyone's patience")
def test_redis_that_stands_still(fleet, few, ledger, tmp_path, long):
    with job_under_way(fleet, few, ledger, tmp_path / "out") as job:
        fleet.hit(job)
        fleet.server.process.send_signal(signal.SIGSTOP)
        time.sleep(15 if long else 5)
        fleet.server.process.send_signal(signal.SIGCONT)


@pytest.mark.case(5, "restart with an empty database: the crew enrols anew, the same command does the rest")
def test_an_empty_redis(fleet, few, ledger, tmp_path):
    fleet.start_monitor()
    worker = fleet.start_worker()
    job = fleet.submit(few, tmp_path / "out")
    fleet.wait_some(job, 5)
    fleet.hit(job)
    fleet.kill_redis()
    shutil.rmtree(fleet.folder / "appendonlydir")
    fleet.start_redis()
    ledger.note()
    wait_until(fleet.live, 30, "the worker in the new books")
    again = fleet.ask("submit", "--wait", "--ops", few.ops, few.folder, tmp_path / "out")
    assert again.returncode == 0, again.stderr
    report, status = fleet.audit()
    assert status == 0 and report["conserved"]
    fleet.check_bytes(few, tmp_path / "out")
    assert worker.poll() is None


@pytest.mark.case(5, "lost writes: Redis comes back as it was a moment ago; audit --repair issues what is nowhere")
def test_lost_writes_are_repaired(fleet, few, ledger, tmp_path, long):
    for number in range(5 if long else 1):
        monitor, worker = fleet.start_monitor(), fleet.start_worker()
        job = fleet.submit(few, tmp_path / f"out{number}")
        fleet.wait_some(job, fleet.dice.randint(1, 8))
        copy = fleet.folder / f"earlier{number}"
        shutil.copytree(fleet.folder / "appendonlydir", copy)
        fleet.wait_some(job, fleet.done(job) + fleet.dice.randint(1, 8))
        fleet.hit(job)
        fleet.kill_redis()
        shutil.rmtree(fleet.folder / "appendonlydir")
        shutil.move(copy, fleet.folder / "appendonlydir")
        fleet.start_redis()
        ledger.note()
        wait_until(fleet.live, 30, "a worker in the books")
        wait_until(lambda: fleet.audit("--repair")[1] == 0 and fleet.state(job) == "done", 60, "the job's end")
        fleet.check_bytes(few, tmp_path / f"out{number}")
        report, status = fleet.audit()
        assert status == 0 and report["conserved"], report
        fleet.kill(worker)
        fleet.kill(monitor)


@pytest.mark.parametrize("what", [
    pytest.param("claim", marks=pytest.mark.case(5, "a proxy that cuts the reply between move and delivery: claims")),
    pytest.param("commit", marks=pytest.mark.case(5, "a proxy that cuts the reply between move and delivery: commits")),
    pytest.param("any", marks=pytest.mark.case(5, "a proxy that cuts any reply, whole or in its middle"))])
def test_replies_cut_by_a_proxy(fleet, few, ledger, tmp_path, what, long):
    cuts = 40 if long else 6
    with Proxy(fleet.folder, fleet.server.path, fleet.dice, what) as proxy:
        fleet.url = f"unix:{proxy.path}"
        fleet.set()
        fleet.start_monitor()
        fleet.start_worker()
        proxy.cuts_left = cuts
        for number in range(50):
            job = fleet.submit(few, tmp_path / f"out{number}") if what != "any" else submit_patiently(fleet, few, tmp_path / f"out{number}")
            fleet.wait_done(job)
            left = proxy.cuts_left
            proxy.cuts_left = 0
            fleet.check(job, few, tmp_path / f"out{number}")
            proxy.cuts_left = left
            ledger.note()
            if left <= 0:
                break
        ledger.note(cuts - max(left, 0), 0)
        assert left < cuts


def submit_patiently(fleet, few, output):
    """A submission whose own replies are cut may fail, aloud; the same command again does it."""
    for _ in range(20):
        done = fleet.ask("submit", "--ops", few.ops, few.folder, output)
        if done.returncode == 0:
            return done.stdout.split()[0]
    raise AssertionError(done.stderr)
