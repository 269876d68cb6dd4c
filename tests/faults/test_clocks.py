"""Wall clocks that are wrong, and that jump, under each of the programs: no wall clock decides anything.

clock.c moves the wall clock; the monotonic clock, which no one can set on a real machine, stays as it is."""

import struct
import time

import pytest
from harness import BUILD
from system_conftest import wait_until

HOUR = 3600


class Clock:
    """The wall clock of whatever is started with `environment`: `offset` seconds off, and settable."""

    def __init__(self, path, offset):
        self.path = path
        self.set(offset)
        self.environment = {"LD_PRELOAD": str(BUILD / "tests/fault_clock.so"), "FAULT_CLOCK": str(path)}

    def set(self, offset):
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("=q", offset))


@pytest.mark.parametrize("jumps", [False, True], ids=["off", "jumps"])
@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "behind"])
@pytest.mark.parametrize("whose", ["worker", "monitor", "redis"])
def test_a_wrong_clock_changes_nothing(fleet, few, ledger, tmp_path, whose, ahead, jumps, long):
    offset = HOUR if ahead else -HOUR
    clocks = {name: Clock(fleet.folder / f"clock-{name}", offset if name == whose and not jumps else 0)
              for name in ("worker", "monitor", "redis")}
    fleet.kill_redis()
    fleet.start_redis_by("env", *(f"{name}={value}" for name, value in clocks["redis"].environment.items()))
    fleet.start_redis()
    fleet.start_monitor(env=clocks["monitor"].environment)
    workers = [fleet.start_worker(env=clocks["worker"].environment) for _ in range(2)]
    for number in range(3 if long else 1):
        job = fleet.submit(few, tmp_path / f"out{number}")
        fleet.wait_some(job, fleet.dice.randint(1, 6))
        fleet.hit(job, 2 if jumps else 1)
        if jumps:
            clocks[whose].set(offset)
        fleet.kill(workers.pop(0))
        workers.append(fleet.start_worker(env=clocks["worker"].environment))
        fleet.wait_done(job, 30)
        fleet.check(job, few, tmp_path / f"out{number}")
        clocks[whose].set(0 if jumps else offset)
        ledger.note()
    assert all(name in fleet.live() for name in (worker.worker for worker in workers)), "a living worker was fenced"


@pytest.mark.case(7, "Redis's clock goes back an hour while tiles wait for their retry")
def test_retries_do_not_wait_for_a_clock_that_went_back(fleet, few, ledger, tmp_path):
    clock = Clock(fleet.folder / "clock", 0)
    fleet.kill_redis()
    fleet.start_redis_by("env", *(f"{name}={value}" for name, value in clock.environment.items()))
    fleet.start_redis()
    fleet.set(job={"retry_first": "2s", "retry_most": "2s"})
    fleet.start_monitor()
    fleet.start_worker()
    job = fleet.submit(few, tmp_path / "out")
    task = fleet.client.rpoplpush(fleet.key("ready"), "taken") or fleet.client.lpop(fleet.key("job", job, "tiles"))
    assert task is not None, "the job was too quick"
    fleet.client.delete("taken")
    fleet.client.zadd(fleet.key("delayed"), {task: int(fleet.client.time()[0]) * 1000 + 2000})
    fleet.hit(job)
    clock.set(-HOUR)
    time.sleep(0.1)
    fleet.wait_done(job, 15)
    fleet.check(job, few, tmp_path / "out")
    ledger.note()
    wait_until(fleet.live, 10, "the worker")


for one in (test_a_wrong_clock_changes_nothing,):
    one.pytestmark.append(pytest.mark.case(7, "the wall clock of worker, monitor or Redis an hour off, or jumping by an hour").mark)
