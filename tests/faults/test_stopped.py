"""SIGSTOP: a worker that sleeps past its death and wakes up, and one that is stopped while it waits for a tile."""

import signal
import time

import pytest
from harness import processes_of, signal_all
from system_conftest import wait_until

FORBIDDEN = pytest.param(False, id="without-client-kill")  # as under an ACL that forbids CLIENT KILL
ALLOWED = pytest.param(True, id="with-client-kill")


def stop_with_claims(fleet, worker):
    """Stops a worker, lanes first, at a moment at which it holds tiles; says whether it did."""
    tree = processes_of(worker.pid)
    signal_all(tree[1:], signal.SIGSTOP)
    signal_all(tree[:1], signal.SIGSTOP)
    return tree, fleet.held(worker.worker) > 0


@pytest.mark.parametrize("client_kill", [
    pytest.param(True, id="with-client-kill", marks=pytest.mark.case(
        3, "SIGSTOP of a worker past its death, SIGCONT after its tiles were redone")),
    pytest.param(False, id="without-client-kill", marks=pytest.mark.case(
        3, "the same where an ACL forbids CLIENT KILL: late commits are counted as fenced"))])
def test_a_worker_that_wakes_up_late_changes_nothing(fleet, few, ledger, tmp_path, client_kill, long):
    if not client_kill:
        fleet.client.execute_command("ACL", "SETUSER", "default", "-client|kill")
    fleet.start_monitor()
    sleeper, other = fleet.start_worker(), fleet.start_worker()
    for number in range(8 if long else 1):
        job = fleet.submit(few, tmp_path / f"out{number}")
        fleet.wait_some(job, fleet.dice.randint(1, 6))
        fleet.hit(job)
        tree, holds = stop_with_claims(fleet, sleeper)
        ledger.note()
        fleet.wait_done(job)
        before = fleet.counters(job)
        signal_all(tree[1:], signal.SIGCONT)
        if holds and not client_kill:
            time.sleep(1)
        signal_all(tree[:1], signal.SIGCONT)
        old = sleeper.worker
        wait_until(lambda: len(fleet.live()) == 2, 60, "the worker that was taken for dead, enrolled anew")
        sleeper.worker = next(name for name in fleet.live() if name not in (old, other.worker))
        assert fleet.counters(job) == before
        fleet.check(job, few, tmp_path / f"out{number}")
        ledger.figures["fenced commits"] = ledger.figures.get("fenced commits", 0) + int(fleet.field(job, "fenced") or 0)
    if not client_kill and long:
        assert ledger.figures["fenced commits"] > 0


@pytest.mark.parametrize("client_kill", [
    pytest.param(True, id="with-client-kill", marks=pytest.mark.case(
        3, "SIGSTOP while blocked in BRPOPLPUSH: tiles that land with the dead are recovered")),
    pytest.param(False, id="without-client-kill", marks=pytest.mark.case(3, "the same where an ACL forbids CLIENT KILL"))])
def test_a_tile_that_lands_in_a_dead_list_is_recovered(fleet, few, ledger, tmp_path, client_kill, long):
    if not client_kill:
        fleet.client.execute_command("ACL", "SETUSER", "default", "-client|kill")
    fleet.set(worker={"claim_wait": "30s"})
    fleet.start_monitor()
    for number in range(5 if long else 1):
        sleeper = fleet.start_worker()
        wait_until(lambda: int(fleet.client.info("clients")["blocked_clients"]) == 2, 10, "two lanes that wait for tiles")
        tree = processes_of(sleeper.pid)
        signal_all(tree, signal.SIGSTOP)
        if not client_kill:  # so late that its lists were swept already
            wait_until(lambda: fleet.workers()[sleeper.worker]["state"] == "fenced", 30, "the fence")
            time.sleep(0.5)
        job = fleet.submit(few, tmp_path / f"out{number}")
        assert fleet.held(sleeper.worker) > 0
        ledger.note(1)
        other = fleet.start_worker()
        fleet.wait_done(job)
        fleet.check(job, few, tmp_path / f"out{number}")
        signal_all(tree, signal.SIGCONT)
        fleet.kill(sleeper)
        fleet.kill(other)
