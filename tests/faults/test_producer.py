"""kill -9 of the producer, before or after any of its messages to Redis, while it submits and while it carries bytes and
collects results: the same command again makes the job whole."""

import signal

import pytest
from harness import digest
from system_conftest import wait_until


def jobs_of(fleet):
    return [key.rsplit(":", 1)[1] for key in fleet.client.scan_iter(fleet.key("job", "*"), count=10000)
            if key.count(":") == 3]


@pytest.mark.parametrize("store, last", [
    pytest.param("file", 14, marks=pytest.mark.case(2, "kill -9 of the producer while submitting")),
    pytest.param("redis", 160, marks=pytest.mark.case(2, "kill -9 of the producer while carrying bytes and collecting (store redis)"))])
def test_a_killed_producer_is_followed_by_the_same_command(fleet, few, ledger, tmp_path, store, last, long):
    fleet.start_monitor()
    fleet.start_worker()
    for number in range(20 if long else 3):
        plans, environment = fleet.plan_faults(fleet.dice.choice(("send", "sent")), 1, 1, last)
        command = ("submit", "--wait", "--store", store, "--ops", few.ops, few.folder, tmp_path / f"out{number}")
        killed = fleet.ask(*command, env=environment)
        assert killed.returncode == (-signal.SIGKILL if (plans / "0.done").exists() else 0), killed.stderr
        ledger.note(killed.returncode != 0)
        again = fleet.ask(*command)
        assert again.returncode == 0, again.stderr
        for job in jobs_of(fleet):
            wait_until(lambda: fleet.state(job) in ("done", "cancelled"), 60, f"job {job}")  # pylint: disable=cell-var-from-loop
        assert digest(tmp_path / f"out{number}") == few.digest
        report, status = fleet.audit()
        assert status == 0 and report["conserved"], report
