"""Workers and monitors in network namespaces of their own: cut off, both ways and one way, and connected again.

Redis lives in a namespace too (the hub), so that nothing of this is seen outside; the harness talks to it by its unix
socket, which namespaces do not part."""

import contextlib
import itertools
import os
import shutil
import subprocess
import time

import pytest
from system_conftest import wait_until

NOWHERE = "02:00:00:00:00:ff"  # an address that nobody has: packets to it are lost on the way


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def why_not():
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root and iproute2"
    name = f"tc-try-{os.getpid()}"
    try:
        ip("netns", "add", name)
        try:
            ip("-n", name, "link", "add", "name", "hub", "type", "bridge")
        finally:
            ip("netns", "del", name)
    except subprocess.CalledProcessError as error:
        return f"this kernel gives no network namespaces: {error.stderr.strip()}"
    return None


class Network:
    """A hub with a bridge, at 10.77.0.1, and places that hang on it."""

    def __init__(self):
        self.hub = f"tc-{os.getpid()}-hub"
        self.places = []
        self.numbers = itertools.count(2)
        ip("netns", "add", self.hub)
        ip("-n", self.hub, "link", "set", "lo", "up")
        ip("-n", self.hub, "link", "add", "name", "hub", "type", "bridge")
        ip("-n", self.hub, "addr", "add", "10.77.0.1/24", "dev", "hub")
        ip("-n", self.hub, "link", "set", "hub", "up")

    def add(self):
        """A place, as `before` of what runs there."""
        number = next(self.numbers)
        place = f"tc-{os.getpid()}-{number}"
        ip("netns", "add", place)
        self.places.append(place)
        ip("-n", self.hub, "link", "add", "name", f"to{number}", "type", "veth", "peer", "name", "net", "netns", place)
        ip("-n", self.hub, "link", "set", f"to{number}", "master", "hub", "up")
        ip("-n", place, "addr", "add", f"10.77.0.{number}/24", "dev", "net")
        ip("-n", place, "link", "set", "net", "up")
        ip("-n", place, "link", "set", "lo", "up")
        return Place(self.hub, place, number)

    def close(self):
        for name in (*self.places, self.hub):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)


class Place:
    def __init__(self, hub, name, number):
        self.hub, self.name, self.number = hub, name, number
        self.before = ("ip", "netns", "exec", name)

    def cut(self, how):
        if how == "both":
            ip("-n", self.hub, "link", "set", f"to{self.number}", "down")
        elif how == "out":  # what it says is lost
            ip("-n", self.name, "neigh", "replace", "10.77.0.1", "lladdr", NOWHERE, "nud", "permanent", "dev", "net")
        else:  # what it is told is lost
            ip("-n", self.hub, "neigh", "replace", f"10.77.0.{self.number}", "lladdr", NOWHERE, "nud", "permanent",
               "dev", "hub")

    def connect(self, how):
        if how == "both":
            ip("-n", self.hub, "link", "set", f"to{self.number}", "up")
        elif how == "out":
            ip("-n", self.name, "neigh", "del", "10.77.0.1", "dev", "net")
        else:
            ip("-n", self.hub, "neigh", "del", f"10.77.0.{self.number}", "dev", "hub")


@pytest.fixture
def network(fleet):
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    net = Network()
    try:
        fleet.kill_redis()
        fleet.start_redis_by("ip", "netns", "exec", net.hub)
        fleet.start_redis("--port", "6379", "--bind", "10.77.0.1", "--protected-mode", "no")
        fleet.url = "redis://10.77.0.1:6379"
        fleet.set()
        fleet.ask_before = ("ip", "netns", "exec", net.hub)
        yield net
    finally:
        for process in fleet.processes:
            fleet.kill(process)
        net.close()


@pytest.mark.parametrize("how", [
    pytest.param("both", marks=pytest.mark.case(6, "a worker is cut off, both ways, past its death")),
    pytest.param("out", marks=pytest.mark.case(6, "a worker is cut off one way: what it says is lost")),
    pytest.param("in", marks=pytest.mark.case(6, "a worker is cut off one way: what it is told is lost"))])
def test_a_worker_that_is_cut_off(fleet, network, few, ledger, tmp_path, how, long):
    places = [network.add(), network.add()]
    fleet.start_monitor(before=network.add().before)
    workers = [fleet.start_worker(before=place.before) for place in places]
    for number in range(3 if long else 1):
        job = fleet.submit(few, tmp_path / f"out{number}")
        fleet.wait_some(job, fleet.dice.randint(1, 6))
        fleet.hit(job)
        places[0].cut(how)
        time.sleep(20 if long else 3)
        fleet.wait_done(job)
        places[0].connect(how)
        wait_until(lambda: len(fleet.live()) == 2, 60, "the worker that was cut off, in the books again")
        fleet.check(job, few, tmp_path / f"out{number}")
        ledger.note()
    assert all(worker.poll() is None for worker in workers)


@pytest.mark.case(6, "the leading monitor is cut off, and a worker dies: another monitor takes the lead")
def test_a_monitor_that_is_cut_off(fleet, network, few, ledger, tmp_path, long):
    places = [network.add(), network.add()]
    fleet.start_monitor("monitor0", before=places[0].before)
    wait_until(lambda: "watches" in fleet.log("monitor0"), 30, "the first monitor")
    fleet.start_monitor("monitor1", before=places[1].before)
    workers = [fleet.start_worker(before=network.add().before) for _ in range(2)]
    leader = 0
    for number in range(3 if long else 1):
        job = fleet.submit(few, tmp_path / f"out{number}")
        fleet.wait_some(job, fleet.dice.randint(1, 6))
        fleet.hit(job, 2)
        places[leader].cut("both")
        fleet.kill(workers.pop(0))
        fleet.wait_done(job)
        places[leader].connect("both")
        leader = 1 - leader
        fleet.check(job, few, tmp_path / f"out{number}")
        ledger.note()
        workers.append(fleet.start_worker(before=network.add().before))
