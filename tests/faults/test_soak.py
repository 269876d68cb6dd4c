"""The soak: random faults over a long job, one after the other, until the time is over; then it must be whole."""

import collections
import os
import signal
import time

import pytest
from harness import processes_of, signal_all
from system_conftest import wait_until


class Soak:
    """Two workers of two lanes, two monitors, Redis; whatever is killed is started again."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.count = collections.Counter()
        self.workers = [fleet.start_worker(wait=False) for _ in range(2)]
        self.monitors = [fleet.start_monitor(f"monitor{number}") for number in range(2)]

    def pick(self, programs):
        return self.fleet.dice.choice(programs)

    def kill_lane(self):
        lanes = processes_of(self.pick(self.workers).pid)[1:]
        signal_all([self.pick(lanes)] if lanes else [], signal.SIGKILL)

    def kill_worker(self):
        victim = self.pick(self.workers)
        self.fleet.kill(victim)
        self.workers[self.workers.index(victim)] = self.fleet.start_worker(f"worker{len(self.fleet.processes)}", wait=False)

    def kill_monitor(self):
        victim = self.pick(self.monitors)
        self.fleet.kill(victim)
        self.monitors[self.monitors.index(victim)] = self.fleet.start_monitor(f"monitor{len(self.fleet.processes)}")

    def stop_worker(self):
        tree = processes_of(self.pick(self.workers).pid)
        if self.fleet.dice.random() < 0.5:
            tree.reverse()
        signal_all(tree, signal.SIGSTOP)
        time.sleep(self.fleet.dice.uniform(0.1, 2.5))
        signal_all(tree, signal.SIGCONT)

    def stop_redis(self):
        self.fleet.server.process.send_signal(signal.SIGSTOP)
        time.sleep(self.fleet.dice.uniform(0.05, 1.5))
        self.fleet.server.process.send_signal(signal.SIGCONT)

    def kill_redis(self):
        self.fleet.kill_redis()
        time.sleep(self.fleet.dice.uniform(0, 0.5))
        self.fleet.start_redis(fsync="everysec")

    def forget_scripts(self):
        self.fleet.client.script_flush()

    def cut_connections(self):
        self.fleet.client.client_kill_filter(_type="normal", skipme=True)

    def fill_redis(self):
        self.fleet.client.config_set("maxmemory", 1)
        time.sleep(self.fleet.dice.uniform(0.05, 0.5))
        self.fleet.client.config_set("maxmemory", 0)

    def demote_redis(self):
        self.fleet.client.replicaof("127.0.0.1", "1")
        time.sleep(self.fleet.dice.uniform(0.05, 0.5))
        self.fleet.client.replicaof("NO", "ONE")

    def kill_all(self):
        programs = self.workers + self.monitors
        victims = [pid for program in programs for pid in processes_of(program.pid)]
        signal_all([*victims, self.fleet.server.process.pid], signal.SIGKILL)
        for program in programs:
            program.wait()
        self.fleet.kill_redis()
        self.fleet.start_redis(fsync="everysec")
        self.__init__(self.fleet)

    FAULTS = ((kill_lane, 8), (kill_worker, 4), (kill_monitor, 2), (stop_worker, 2), (stop_redis, 1), (kill_redis, 2),
              (forget_scripts, 2), (cut_connections, 3), (fill_redis, 1), (demote_redis, 1), (kill_all, 0.2))

    def inject(self):
        kinds, weights = zip(*self.FAULTS)
        kind = self.fleet.dice.choices(kinds, weights)[0]
        counted = self.count
        kind(self)
        self.count = counted
        self.count[kind.__name__] += 1
        time.sleep(self.fleet.dice.expovariate(1 / 0.4))


@pytest.mark.case(9, "a soak: random faults of all kinds over jobs of many small tiles")
def test_a_soak_of_random_faults(fleet, many, ledger, tmp_path, long):
    minutes = float(os.environ.get("FAULTS_SOAK_MINUTES", "30" if long else "2"))
    fleet.kill_redis()
    fleet.start_redis(fsync="everysec")
    soak = Soak(fleet)
    over = time.monotonic() + 60 * minutes
    while time.monotonic() < over:
        output = tmp_path / f"out{ledger.runs}"
        job = fleet.submit(many, output)
        while time.monotonic() < over and fleet.state(job) != "done":
            fleet.hit(job)
            soak.inject()
            for worker in soak.workers:
                assert worker.poll() is None, "a worker ended by itself"
        fleet.wait_done(job, 300)
        fleet.check(job, many, output)
        ledger.note()
    ledger.figures = dict(sorted(soak.count.items()), tiles=ledger.runs * many.counters["tiles"])
    wait_until(lambda: all(fleet.held(worker) == 0 for worker in fleet.workers()), 30, "empty claims")
