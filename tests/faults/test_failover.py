"""The fleet of the original system: four workers and one that stands by; some or all of the four are killed."""

import statistics
import time

import pytest
from harness import Corpus
from system_conftest import wait_until


@pytest.fixture(scope="module")
def slow(few, tmp_path_factory):
    """The same pictures with operations that take some seconds in all."""
    return Corpus(few.folder, tmp_path_factory.mktemp("slow"), "gaussian:sigma=50,gaussian:sigma=50,gaussian:sigma=50,invert")


@pytest.mark.parametrize("killed", [pytest.param(killed, marks=pytest.mark.case(
    4, f"four workers and one standby: {killed} of the four killed during a job")) for killed in (1, 2, 3, 4)])
def test_the_standby_is_awake_when_fewer_than_two_live(fleet, few, slow, ledger, tmp_path, killed, long):
    fleet.set(worker={"lanes": 1}, monitor={"min_workers": 2, "wake_after": "500ms", "wake_timeout": "15s",
                                            "stand_down_after": "1s"})
    fleet.start_monitor()
    standby = fleet.start_worker("standby", "--standby")
    for number in range(5 if long else 1):
        workers = [fleet.start_worker() for _ in range(4)]
        wait_until(lambda: fleet.workers()[standby.worker]["state"] == "standby", 30, "the standby, standing by")
        job = fleet.submit(slow, tmp_path / f"out{number}")
        fleet.wait_some(job, fleet.dice.randint(1, 8))
        fleet.hit(job, killed)
        fleet.dice.shuffle(workers)
        for worker in workers[:killed]:
            fleet.kill(worker)
        begin = time.monotonic()
        if killed > 2:
            wait_until(lambda: fleet.workers()[standby.worker]["state"] == "live", 30, "the standby, awake")
            ledger.figures.setdefault("seconds until the standby was live", []).append(time.monotonic() - begin)
        fleet.wait_done(job)
        fleet.check(job, slow, tmp_path / f"out{number}")
        assert killed > 2 or fleet.workers()[standby.worker]["state"] == "standby"
        ledger.note()
        if number + 1 < (5 if long else 1):
            for worker in workers[killed:]:
                fleet.kill(worker)
    taken = ledger.figures.pop("seconds until the standby was live", None)
    if taken:
        ledger.figures["seconds until the standby was live, median"] = round(statistics.median(taken), 2)
        ledger.figures["worst"] = round(max(taken), 2)


@pytest.mark.case(2, "with the defaults: kill -9 of a whole worker until another has its tiles")
def test_tiles_of_a_dead_worker_go_to_another_within_seconds(fleet, few, slow, ledger, tmp_path, long):
    fleet.set(worker={"lanes": 1, "beat": "1s", "claim_wait": "1s"}, monitor={"dead_after": "5s", "sweep": "1s"})
    fleet.start_monitor()
    first, taken = fleet.start_worker(), []
    for number in range(15 if long else 1):
        job = fleet.submit(slow, tmp_path / f"out{number}")
        wait_until(lambda: fleet.held(first.worker) > 0, 30, "a claim")
        second = fleet.start_worker()
        wait_until(lambda: fleet.held(first.worker) > 0, 30, "a claim")
        fleet.hit(job)
        held = {task.rsplit(":", 2)[0] for task in fleet.client.lrange(fleet.key("processing", first.worker, "0"), 0, -1)}
        fleet.kill(first)
        begin = time.monotonic()

        def is_taken():
            mine = fleet.client.lrange(fleet.key("processing", second.worker, "0"), 0, -1)  # pylint: disable=cell-var-from-loop
            gone = not fleet.client.exists(fleet.key("processing", first.worker, "0"))  # pylint: disable=cell-var-from-loop
            return gone and (held & {task.rsplit(":", 2)[0] for task in mine} or fleet.state(job) == "done")  # pylint: disable=cell-var-from-loop

        wait_until(is_taken, 30, "another who has its tiles")
        taken.append(time.monotonic() - begin)
        fleet.wait_done(job)
        fleet.check(job, slow, tmp_path / f"out{number}")
        ledger.note()
        first = second
    ledger.figures = {"seconds, median": round(statistics.median(taken), 2), "worst": round(max(taken), 2)}
    assert max(taken) < 7
