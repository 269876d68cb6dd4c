"""kill -9: of a lane at exact points of a tile's life, of whole workers, monitors and producers, of all at once."""

import signal
import time

import pytest
from harness import processes_of, signal_all

POINTS = {
    "claim": (1, 3), "claimed": (1, 1), "kernel": (20, 300), "rename": (1, 6), "renamed": (1, 6), "commit": (1, 3),
    "committed": (1, 3), "replied": (1, 3),
}
TEXTS = {
    "claim": "before claim", "claimed": "after claim", "kernel": "in a kernel", "rename": "before the rename",
    "renamed": "after the rename", "commit": "before the commit", "committed": "after the commit was sent, before its reply",
    "replied": "after the commit's reply",
}


@pytest.mark.parametrize("point", [pytest.param(point, marks=pytest.mark.case(1, f"kill -9 of a lane: {text}"))
                                   for point, text in TEXTS.items()])
def test_a_killed_lane_loses_nothing(fleet, few, ledger, tmp_path, point, long):
    rounds, kills = (5, 6) if long else (1, 3)
    fleet.start_monitor()
    for number in range(rounds):
        plans, environment = fleet.plan_faults(point, kills, *POINTS[point])
        worker = fleet.start_worker(env=environment)
        job = fleet.submit(few, tmp_path / f"out{number}")
        fleet.wait_done(job)
        fleet.check(job, few, tmp_path / f"out{number}")
        done = len(list(plans.glob("*.done")))
        assert done > 0, "no fault came about"
        assert fleet.log(worker.log_path.stem).count("lane died") == done
        ledger.note(done)
        fleet.kill(worker)


def lanes_of(process):
    return processes_of(process.pid)[1:]


@pytest.mark.case(1, "kill -9 of lanes at random moments")
def test_lanes_killed_at_random_lose_nothing(fleet, few, ledger, tmp_path, long):
    fleet.start_monitor()
    worker = fleet.start_worker()
    for number in range(20 if long else 2):
        job = fleet.submit(few, tmp_path / f"out{number}")
        for _ in range(5):
            time.sleep(fleet.dice.uniform(0.01, 0.15))
            lanes = lanes_of(worker)
            if lanes and fleet.hit(job):
                signal_all([fleet.dice.choice(lanes)], signal.SIGKILL)
        fleet.wait_done(job)
        fleet.check(job, few, tmp_path / f"out{number}")
        ledger.note()


@pytest.mark.case(2, "kill -9 of a whole worker, again and again")
def test_killed_workers_lose_nothing(fleet, few, ledger, tmp_path, long):
    fleet.start_monitor()
    workers = [fleet.start_worker(), fleet.start_worker()]
    for number in range(15 if long else 1):
        job = fleet.submit(few, tmp_path / f"out{number}")
        fleet.wait_some(job, fleet.dice.randint(1, 10))
        fleet.hit(job)
        fleet.kill(workers.pop(0))
        ledger.note()
        workers.append(fleet.start_worker())
        fleet.wait_done(job)
        fleet.check(job, few, tmp_path / f"out{number}")


@pytest.mark.case(2, "kill -9 of the monitor, and of a worker after it; another monitor goes on")
def test_a_killed_monitor_is_replaced(fleet, few, ledger, tmp_path, long):
    monitors = [fleet.start_monitor("monitor-a"), fleet.start_monitor("monitor-b")]
    workers = [fleet.start_worker(), fleet.start_worker()]
    for number in range(8 if long else 1):
        job = fleet.submit(few, tmp_path / f"out{number}")
        fleet.wait_some(job, fleet.dice.randint(1, 6))
        fleet.hit(job, 2)
        fleet.kill(monitors.pop(0))
        fleet.kill(workers.pop(0))
        ledger.note()
        workers.append(fleet.start_worker())
        fleet.wait_done(job)
        monitors.append(fleet.start_monitor(f"monitor-{number}"))
        fleet.check(job, few, tmp_path / f"out{number}")


@pytest.mark.case(2, "kill -9 of everything at once: Redis, workers, monitor")
def test_everything_killed_at_once_goes_on_when_started_again(fleet, few, ledger, tmp_path, long):
    for number in range(8 if long else 1):
        monitor, workers = fleet.start_monitor(), [fleet.start_worker(), fleet.start_worker()]
        job = fleet.submit(few, tmp_path / f"out{number}")
        fleet.wait_some(job, fleet.dice.randint(1, 10))
        victims = [pid for process in (monitor, *workers) for pid in processes_of(process.pid)]
        fleet.hit(job, 5)
        signal_all([*victims, fleet.server.process.pid], signal.SIGKILL)
        fleet.kill_redis()
        for process in (monitor, *workers):
            process.wait()
        ledger.note()
        fleet.start_redis()
        monitor = fleet.start_monitor()
        worker = fleet.start_worker()
        fleet.wait_done(job)
        fleet.check(job, few, tmp_path / f"out{number}")
        fleet.kill(monitor)
        fleet.kill(worker)
