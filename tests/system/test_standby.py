"""Backup workers, several monitors, draining: a crew that loses workers wakes one that stood by, and sends it back."""
import json
import os
import pathlib
import signal
import stat
import statistics
import time

import pytest
import test_monitor
from conftest import stop, wait_until
from test_monitor import IMAGES, Crew, digest, processes_of, signal_all

STAND_DOWN_AFTER = 1.0
SWEEP = 0.2
LEASE = 1.0  # the shortest there is

quiet = test_monitor.run_quietly
photos = test_monitor.make_photos


def leader_of(crew):
    """The process id of the monitor that leads."""
    value = crew.redis.get(crew.key("monitor"))
    return int(value.split()[0].split("-")[-2]) if value else None


class Fleet(Crew):
    """A crew with backup workers, whose waiting times are short."""

    def __init__(self, folder):
        super().__init__(folder)
        self.configure()

    def configure(self, **monitor):
        settings = {"dead_after": "1s", "sweep": "200ms", "min_workers": 2, "wake_after": "500ms",
                    "wake_timeout": "20s", "stand_down_after": "1s", **monitor}
        lines = "".join(f"  {name}: {value}\n" for name, value in settings.items())
        self.config.write_text(
            f"redis:\n  url: unix:{self.folder}/redis.sock\n  retry_most: 500ms\n"
            f"worker:\n  lanes: 1\n  beat: 200ms\nmonitor:\n{lines}output:\n  png_level: 7\n", encoding="ascii")

    def start_worker(self, name):
        before = set(self.workers())
        options = ["--standby"] if name.startswith("standby") else []
        process = self.start("tilecrew-worker", name, *options)
        process.worker = wait_until(lambda: set(self.workers()) - before, 60, f"worker {name}").pop()
        return process

    def live(self):
        return [name for name, worker in self.workers().items() if worker["state"] == "live"]

    def kill(self, worker):
        signal_all(processes_of(worker), signal.SIGKILL)
        worker.wait()

    def events(self, kind):
        return [fields["detail"] for _, fields in self.redis.xrange(self.key("events")) if fields["kind"] == kind]

    def wait_state(self, worker, state, seconds=60):
        wait_until(lambda: self.state(worker.worker) == state, seconds, f"{worker.worker} {state}")

    def leader(self):
        return leader_of(self)


@pytest.fixture(name="fleet")
def make_fleet(folder):
    fleet = Fleet(folder)
    try:
        yield fleet
    finally:
        fleet.end()


def read_proc(pid, name):
    return pathlib.Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8")


def opens_opencl(process):
    """Whether an OpenCL driver is loaded, which the loader does when a platform is opened."""
    return any("libpocl" in read_proc(pid, "maps") for pid in processes_of(process))


def cpu_seconds(process):
    fields = read_proc(process.pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_worker_that_stands_by_costs_nothing(fleet, photos, tmp_path):
    standby = fleet.start_worker("standby")
    assert fleet.state(standby.worker) == "standby"
    job = fleet.submit(photos, tmp_path / "out")
    used = cpu_seconds(standby)
    beat = int(fleet.workers()[standby.worker]["beat"])
    time.sleep(2)
    assert processes_of(standby) == [standby.pid], "it has no lane"
    assert not opens_opencl(standby)
    assert cpu_seconds(standby) - used <= 0.06
    assert int(fleet.workers()[standby.worker]["beat"]) >= beat + 5, "it beats all the time"
    assert fleet.done(job) == 0 and fleet.held(standby.worker) == 0
    worker = fleet.start_worker("worker")
    assert opens_opencl(worker), "or this test sees nothing"
    assert fleet.ask("status").stdout.count("1 standing by") == 1


def test_a_backup_wakes_when_workers_die_finishes_the_job_and_stands_by_again(fleet, photos, quiet, tmp_path):
    fleet.start_monitor()
    workers = [fleet.start_worker(name) for name in ("first", "second")]
    standby = fleet.start_worker("standby")
    job = fleet.submit(photos, tmp_path / "out")
    wait_until(lambda: fleet.done(job) >= 2, 60, "some results")
    assert fleet.state(standby.worker) == "standby"
    for worker in workers:
        fleet.kill(worker)
    fleet.wait_state(standby, "live")
    fleet.wait_done(job)
    fleet.check_conservation(job)
    assert digest(tmp_path / "out") == quiet
    assert fleet.events("worker_woken") == [standby.worker]

    for name in ("third", "fourth"):
        fleet.start_worker(name)
    fleet.wait_state(standby, "standby")
    wait_until(lambda: fleet.events("worker_stood_down") == [standby.worker], 10, "the event")
    wait_until(lambda: processes_of(standby) == [standby.pid], 10, "its lanes' end")
    again = fleet.submit(photos, tmp_path / "again")
    fleet.wait_done(again)
    assert digest(tmp_path / "again") == quiet
    assert fleet.held(standby.worker) == 0


def test_one_too_few_wakes_after_a_while_and_none_at_all_at_once(fleet):
    fleet.configure(wake_after="2s")
    fleet.start_monitor()
    workers = [fleet.start_worker(name) for name in ("first", "second")]
    standby = fleet.start_worker("standby")
    time.sleep(1)
    assert stop(workers[0]) == 0  # it leaves in order
    begin = time.monotonic()
    fleet.wait_state(standby, "live")
    assert time.monotonic() - begin >= 2.0
    workers[0] = fleet.start_worker("third")
    fleet.wait_state(standby, "standby")
    for worker in (workers[0], workers[1]):
        worker.send_signal(signal.SIGTERM)
    wait_until(lambda: len(fleet.events("worker_called")) == 2, 1.9, "the call at once")
    fleet.wait_state(standby, "live")


def test_it_stands_down_only_after_its_tiles(fleet, photos, quiet, tmp_path):
    """Told to stand down in the middle of a job, again and again: nothing is lost, and no tile is made twice."""
    fleet.configure(stand_down_after="0s", wake_after="0s")
    fleet.start_monitor()
    standby = fleet.start_worker("standby")
    fleet.wait_state(standby, "live")
    job = fleet.submit(photos, tmp_path / "out")
    wait_until(lambda: fleet.done(job) >= 1, 60, "some results")
    workers = [fleet.start_worker(name) for name in ("first", "second")]
    fleet.wait_state(standby, "standby")
    assert fleet.held(standby.worker) == 0
    for worker in workers:
        stop(worker)
    fleet.wait_state(standby, "live")
    fleet.wait_done(job)
    fleet.check_conservation(job)
    record = fleet.redis.hgetall(fleet.key("job", job))
    assert record["fenced"] == record["retried"] == "0"
    assert digest(tmp_path / "out") == quiet


def test_a_backup_that_does_not_answer_is_passed_over(fleet):
    fleet.configure(dead_after="60s", wake_timeout="3s")
    standbys = sorted((fleet.start_worker(name) for name in ("standby1", "standby2")), key=lambda each: each.worker)
    os.kill(standbys[0].pid, signal.SIGSTOP)
    try:
        fleet.start_monitor()
        fleet.wait_state(standbys[1], "live")
        assert fleet.events("worker_called")[0] == standbys[0].worker
        assert fleet.events("backup_failed")[0].startswith(standbys[0].worker)
        assert "monitor.wake_timeout" in fleet.events("backup_failed")[0]
        assert fleet.state(standbys[0].worker) == "standby"
    finally:
        os.kill(standbys[0].pid, signal.SIGCONT)


def test_a_backup_that_is_dead_is_passed_over(fleet):
    standbys = [fleet.start_worker(name) for name in ("standby1", "standby2")]
    workers = [fleet.start_worker(name) for name in ("first", "second")]
    fleet.start_monitor()
    time.sleep(1)
    for process in (standbys[0], *workers):
        fleet.kill(process)
    fleet.wait_state(standbys[1], "live")
    wait_until(lambda: "no_workers" in str(fleet.redis.xrange(fleet.key("events"))) or fleet.live(), 10, "a worker")


def test_a_backup_outlives_an_outage_of_redis_without_spinning(fleet):
    standby = fleet.start_worker("standby")
    fleet.kill_redis()
    time.sleep(0.5)
    used = cpu_seconds(standby)
    time.sleep(2)
    assert cpu_seconds(standby) - used <= 0.06
    fleet.start_redis()
    wait_until(lambda: "answers again" in fleet.log("standby"), 20, "its return")
    assert fleet.state(standby.worker) == "standby"
    fleet.start_monitor()
    fleet.wait_state(standby, "live")
    assert fleet.log("standby").count("out of reach") == 1


@pytest.mark.parametrize("name", ["standby", "woken standby"])
def test_a_backup_that_redis_forgot_stands_by_anew(fleet, name):
    standby = fleet.start_worker("standby")
    if name == "woken standby":
        fleet.redis.rpush(fleet.key("wake", standby.worker), "wake")
        fleet.wait_state(standby, "live")
    fleet.redis.flushall()
    records = wait_until(fleet.workers, 20, "its return")
    assert standby.worker not in records
    assert [worker["state"] for worker in records.values()] == ["standby"]
    wait_until(lambda: processes_of(standby) == [standby.pid], 10, "its lanes' end")


@pytest.mark.parametrize("redis_is_up", [True, False])
def test_a_backup_leaves_soon_when_asked(fleet, redis_is_up):
    standby = fleet.start_worker("standby")
    if not redis_is_up:
        fleet.kill_redis()
        wait_until(lambda: "out of reach" in fleet.log("standby"), 20, "the outage")
    begin = time.monotonic()
    assert stop(standby) == 0
    assert time.monotonic() - begin < (1.5 if redis_is_up else 7)
    if redis_is_up:
        assert fleet.workers() == {}


def test_no_workers_is_told_once(fleet):
    fleet.start_monitor()
    wait_until(lambda: len(fleet.events("no_workers")) == 1, 10, "the event")
    time.sleep(1)
    assert len(fleet.events("no_workers")) == 1
    fleet.start_worker("first")
    wait_until(lambda: len(fleet.events("workers_back")) == 1, 10, "the event")


def write_program(path, text):
    path.write_text("#!/bin/sh\n" + text, encoding="ascii")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_command_gets_the_event_as_json_and_may_bring_a_worker(fleet):
    program = write_program(fleet.folder / "wake", f"cat >{fleet.folder}/event.new\nmv {fleet.folder}/event.new "
                                                   f"{fleet.folder}/event\n")
    fleet.configure(wake_command=program, min_workers=1)
    fleet.start_monitor()
    wait_until((fleet.folder / "event").exists, 10, "the command")
    event = json.loads((fleet.folder / "event").read_text())
    assert event["event"] == "wake" and event["queue"] == "default" and event["redis"].endswith("redis.sock")
    assert event["alive"] == 0 and event["min_workers"] == 1
    fleet.start_worker("first")
    wait_until(lambda: fleet.events("worker_woken") == ["command"], 10, "the word that it worked")


@pytest.mark.parametrize("text, reason", [("exit 3\n", "ended with status 3"), ("sleep 60\n", "wake_timeout"),
                                          (None, "cannot run")])
def test_a_command_that_fails_or_hangs_holds_up_nothing(fleet, photos, quiet, tmp_path, text, reason):
    program = fleet.folder / "wake"
    if text is not None:
        write_program(program, text)
    fleet.configure(wake_command=program, wake_timeout="1s")
    fleet.start_monitor()
    first = fleet.start_worker("first")
    job = fleet.submit(photos, tmp_path / "out")
    wait_until(lambda: fleet.done(job) >= 2 and fleet.held(first.worker) > 0, 60, "a worker in the middle of a job")
    fleet.kill(first)
    begin = time.monotonic()
    wait_until(lambda: fleet.held(first.worker) == 0, 10, "the tiles back")
    assert time.monotonic() - begin < 3
    wait_until(lambda: any(reason in detail for detail in fleet.events("backup_failed")), 10, "the failure")
    fleet.start_worker("second")
    fleet.wait_done(job)
    fleet.check_conservation(job)
    assert digest(tmp_path / "out") == quiet


def test_another_monitor_takes_over_when_the_leader_is_killed(fleet, photos, quiet, tmp_path):
    monitors = {process.pid: process for process in (fleet.start_monitor(f"monitor{i}") for i in range(3))}
    first = fleet.start_worker("first")
    job = fleet.submit(photos, tmp_path / "out")
    wait_until(lambda: fleet.done(job) >= 2 and fleet.held(first.worker) > 0, 60, "a worker in the middle of a job")
    leader = wait_until(fleet.leader, 10, "a leader")
    time.sleep(1)
    assert fleet.leader() == leader, "the lead stays where it is"
    fleet.kill(first)
    stop(monitors.pop(leader), signal.SIGKILL)
    begin = time.monotonic()
    wait_until(lambda: fleet.leader() in monitors, 10, "another leader")
    assert time.monotonic() - begin < LEASE + 3 * SWEEP + 0.5
    wait_until(lambda: fleet.held(first.worker) == 0, 10, "the tiles back")
    fleet.start_worker("second")
    fleet.wait_done(job)
    fleet.check_conservation(job)
    assert digest(tmp_path / "out") == quiet


def test_a_leader_that_ends_in_order_hands_over_at_once(fleet):
    monitors = {process.pid: process for process in (fleet.start_monitor(f"monitor{i}") for i in range(2))}
    leader = wait_until(fleet.leader, 10, "a leader")
    time.sleep(0.5)
    assert stop(monitors.pop(leader)) == 0
    begin = time.monotonic()
    wait_until(lambda: fleet.leader() in monitors, 10, "another leader")
    assert time.monotonic() - begin < 2 * SWEEP + 0.3


def test_a_lock_that_does_not_expire_is_taken_all_the_same(fleet):
    """As when Redis's clock was put back an hour."""
    fleet.redis.set(fleet.key("monitor"), "elsewhere-1-abcdef 7")
    monitor = fleet.start_monitor()
    wait_until(lambda: fleet.leader() == monitor.pid, 10, "the lead")
    assert "monitor follows" in fleet.log("monitor")


def test_a_stopped_leader_finds_itself_replaced(fleet):
    monitors = {process.pid: process for process in (fleet.start_monitor(f"monitor{i}") for i in range(2))}
    leader = wait_until(fleet.leader, 10, "a leader")
    worker = fleet.start_worker("first")
    os.kill(leader, signal.SIGSTOP)
    try:
        wait_until(lambda: fleet.leader() not in (leader, None), 10, "another leader")
    finally:
        os.kill(leader, signal.SIGCONT)
    time.sleep(1)
    assert fleet.leader() != leader
    assert fleet.state(worker.worker) == "live"
    assert monitors[leader].poll() is None


def test_draining_by_a_part_of_the_name_loses_nothing(fleet, photos, quiet, tmp_path):
    workers = [fleet.start_worker(name) for name in ("first", "second")]
    job = fleet.submit(photos, tmp_path / "out")
    wait_until(lambda: fleet.done(job) >= 2, 60, "some results")
    refused = fleet.ask("workers", "drain", workers[0].worker.split("-")[0])
    assert refused.returncode == 64 and workers[0].worker in refused.stderr and workers[1].worker in refused.stderr
    assert fleet.ask("workers", "drain", "nobody").returncode == 64
    drained = fleet.ask("workers", "drain", workers[0].worker[:-3])
    assert drained.returncode == 0, drained.stderr
    assert workers[0].worker in drained.stdout
    assert workers[0].wait(30) == 0
    assert workers[0].worker not in fleet.workers()
    fleet.wait_done(job)
    fleet.check_conservation(job)
    record = fleet.redis.hgetall(fleet.key("job", job))
    assert record["fenced"] == record["retried"] == "0"
    assert digest(tmp_path / "out") == quiet


def test_draining_can_wait_until_they_have_left(fleet):
    workers = [fleet.start_worker(name) for name in ("first", "second", "standby")]
    done = fleet.ask("workers", "drain", "--wait", "--json", *(worker.worker for worker in workers))
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(done.stdout)["drained"]) == sorted(worker.worker for worker in workers)
    assert fleet.workers() == {}
    for worker in workers:
        assert worker.wait(10) == 0


@pytest.mark.parametrize("how", ["sigterm", "drain", "lanes"])
def test_a_rolling_restart_redoes_nothing(fleet, photos, quiet, tmp_path, how):
    if how == "lanes":
        fleet.config.write_text(fleet.config.read_text().replace("  lanes: 1\n", "  lanes: 2\n  lane_tile_limit: 2\n"))
    fleet.start_monitor()
    worker = fleet.start_worker("worker0")
    job = fleet.submit(photos, tmp_path / "out")
    for number in range(1, 4):
        done = fleet.done(job)
        wait_until(lambda seen=done: fleet.done(job) >= min(seen + 3, IMAGES), 60, "progress")
        if how == "lanes":
            continue
        new = fleet.start_worker(f"worker{number}")
        if how == "drain":
            assert fleet.ask("workers", "drain", worker.worker).returncode == 0
        else:
            worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        worker = new
    fleet.wait_done(job)
    fleet.check_conservation(job)
    record = fleet.redis.hgetall(fleet.key("job", job))
    assert record["fenced"] == record["retried"] == "0"
    assert "fenced" not in fleet.log("monitor")
    assert digest(tmp_path / "out") == quiet


class Standard(Crew):
    """A crew with all times as they are by default."""

    def __init__(self, folder):
        super().__init__(folder)
        self.config.write_text(f"redis:\n  url: unix:{folder}/redis.sock\noutput:\n  png_level: 7\n", encoding="ascii")


@pytest.fixture(name="standard")
def make_standard(folder):
    crew = Standard(folder)
    try:
        yield crew
    finally:
        crew.end()


def test_a_killed_leader_is_followed_within_five_seconds(standard):
    monitors = {process.pid: process for process in (standard.start_monitor(f"monitor{i}") for i in range(2))}
    leader = wait_until(lambda: leader_of(standard), 10, "a leader")
    stop(monitors.pop(leader), signal.SIGKILL)
    begin = time.monotonic()
    wait_until(lambda: leader_of(standard) in monitors, 10, "another leader")
    assert time.monotonic() - begin < 5


def test_a_dead_machines_tiles_are_ready_again_within_seven_seconds(standard, photos, tmp_path):
    standard.start_monitor()
    worker = standard.start_worker("worker")
    job = standard.submit(photos, tmp_path / "out")
    wait_until(lambda: standard.done(job) >= 2 and standard.held(worker.worker) > 0, 60, "a worker at work")
    signal_all(processes_of(worker), signal.SIGKILL)
    begin = time.monotonic()
    worker.wait()
    wait_until(lambda: standard.held(worker.worker) == 0, 20, "the tiles back")
    assert time.monotonic() - begin < 7
    assert standard.redis.llen(standard.key("ready")) > 0


def test_a_dead_lanes_tiles_are_back_within_a_fifth_of_a_second(standard, photos, tmp_path):
    worker = standard.start_worker("worker")
    standard.submit(photos, tmp_path / "out")
    times = []

    def claims():
        keys = standard.redis.keys(standard.key("processing", worker.worker, "*"))
        return {key: set(standard.redis.lrange(key, 0, -1)) for key in keys}

    for _ in range(5):
        wait_until(claims, 10, "claims")
        lanes = processes_of(worker)[1:]
        signal_all(lanes, signal.SIGSTOP)
        held = claims()
        signal_all(lanes, signal.SIGKILL)
        begin = time.monotonic()
        wait_until(lambda held=held: not any(held[key] & tasks for key, tasks in claims().items() if key in held), 5,
                   "the claims' return")
        times.append(time.monotonic() - begin)
    assert statistics.median(times) < 0.2, times
