"""A submission that dies is resumed by the same command, or seen by `status`, or cancelled: never half and silent."""

import filecmp
import json
import os
import signal
import time

import pytest
from conftest import make_image, wait_until

PREFIX = "tc:{default}:"
IMAGES = 400


@pytest.fixture
def many(tmp_path):
    for number in range(IMAGES):
        make_image(tmp_path / "in" / f"{number % 7}" / f"{number:03d}.png", 40, 30, seed=number)
    return tmp_path / "in"


def jobs(server):
    return [key.rsplit(":", 1)[1] for key in server.client.scan_iter(f"{PREFIX}job:*", count=10000)
            if key.count(":") == 3]


def field(server, job, name):
    return server.client.hget(f"{PREFIX}job:{job}", name)


def images_of(server):
    return sum(int(field(server, job, "images") or 0) for job in jobs(server))


def results(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))


def assert_all_done(server, job, source, out, tilecrew):
    wait_until(lambda: field(server, job, "state") == "done", 60, "the job")
    assert int(field(server, job, "images_failed")) == 0
    assert results(out) == results(source)
    done = tilecrew("audit", "--redis", server.url)
    assert done.status == 0, done.stdout


@pytest.mark.parametrize("stored", [0, 1, 150, IMAGES])
def test_the_same_command_goes_on_with_a_submission_that_was_killed(
        redis_server, worker, start, tilecrew, many, tmp_path, stored):
    out = tmp_path / "out"
    arguments = ("submit", "--redis", redis_server.url, "--ops", "invert", many, out)
    # What a killed submission leaves: the job as the queue held it at that moment.
    whole = tilecrew(*arguments)
    assert whole.status == 0, whole.stderr
    [job] = jobs(redis_server)
    key = f"{PREFIX}job:{job}"
    tasks = redis_server.client.lrange(f"{PREFIX}ready", 0, -1)[::-1] + redis_server.client.lrange(f"{key}:tiles", 0, -1)
    assert len(tasks) == IMAGES
    redis_server.client.delete(f"{PREFIX}ready", f"{key}:tiles")
    for number in range(stored, IMAGES):
        redis_server.client.hdel(f"{key}:images", number)
    kept = [task for task in tasks if int(task.split(":")[1]) < stored]
    if kept:
        redis_server.client.rpush(f"{key}:tiles", *kept)
    redis_server.client.hset(key, mapping={
        "state": "submitting", "sealed": 0, "images": stored, "tiles": stored, "left": stored, "bits": stored,
        "pixels": stored * 1200})
    with worker(redis_server):
        wait_until(lambda: int(field(redis_server, job, "images_done")) == stored, 60, "what is in")
        time.sleep(0.2)
        assert field(redis_server, job, "state") == "submitting"
        again = tilecrew(*arguments)
        assert again.status == 0, again.stderr
        assert again.stdout.split() == [job]
        assert f"going on with job {job}" in again.stderr
        assert_all_done(redis_server, job, many, out, tilecrew)
    # What was done before it went on is not done again, nor put into the job.
    assert int(field(redis_server, job, "images")) == IMAGES


@pytest.mark.parametrize("delay", [0.01, 0.03, 0.06, 0.1])
def test_a_submission_killed_at_any_moment_is_whole_after_the_same_command(
        redis_server, worker, start, tilecrew, many, tmp_path, delay):
    arguments = ("submit", "--redis", redis_server.url, "--ops", "invert", many, tmp_path / "out")
    process = start(*arguments)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = jobs(redis_server)
    with worker(redis_server):
        again = tilecrew(*arguments)
        assert again.status == 0, again.stderr
        for job in jobs(redis_server):
            wait_until(lambda: field(redis_server, job, "state") == "done", 60, "the job")  # pylint: disable=cell-var-from-loop
        assert results(tmp_path / "out") == results(many)
    assert len(before) <= 1
    if before and field(redis_server, before[0], "sealed") == "0":
        assert jobs(redis_server) == before
    assert tilecrew("audit", "--redis", redis_server.url).status == 0


def test_other_settings_are_another_submission(redis_server, tilecrew, many, tmp_path):
    arguments = ("submit", "--redis", redis_server.url, "--ops", "invert")
    assert tilecrew(*arguments, many, tmp_path / "out").status == 0
    [job] = jobs(redis_server)
    redis_server.client.hset(f"{PREFIX}job:{job}", mapping={"state": "submitting", "sealed": 0})
    assert tilecrew(*arguments, "--quality", "50", many, tmp_path / "out").status == 0
    assert tilecrew(*arguments, many, tmp_path / "other").status == 0
    assert tilecrew(*arguments, many / "0", tmp_path / "out").status == 0
    assert len(jobs(redis_server)) == 4
    assert field(redis_server, job, "sealed") == "0"


def test_a_submission_without_its_producer_is_shown_and_can_be_cancelled(redis_server, tilecrew, many, tmp_path):
    assert tilecrew("submit", "--redis", redis_server.url, "--ops", "invert", many, tmp_path / "out").status == 0
    [job] = jobs(redis_server)
    long_ago = int(field(redis_server, job, "tended_ms")) - 60000
    redis_server.client.hset(f"{PREFIX}job:{job}", mapping={"state": "submitting", "sealed": 0, "tended_ms": long_ago})
    assert "submitting (producer gone)" in tilecrew("status", "--redis", redis_server.url).stdout
    shown = tilecrew("status", "--redis", redis_server.url, job).stdout
    assert "the same command again goes on" in shown and f"tilecrew cancel {job}" in shown
    assert json.loads(tilecrew("status", "--redis", redis_server.url, "--json", job).stdout)["producer_gone"] is True
    assert tilecrew("cancel", "--redis", redis_server.url, job).status == 0
    assert field(redis_server, job, "state") == "cancelled"
    assert "producer gone" not in tilecrew("status", "--redis", redis_server.url).stdout


def test_a_submission_that_lives_is_not_taken_over(redis_server, start, tilecrew, photos, tmp_path):
    arguments = ("submit", "--redis", redis_server.url, "--store", "redis", "--ops", "invert", photos, tmp_path / "out")
    first = start(*arguments)
    wait_until(lambda: images_of(redis_server) > 0, 30, "the first submission")
    second = tilecrew(*arguments)
    assert second.status == 64
    assert "is being submitted by the same command just now" in second.stderr
    assert len(jobs(redis_server)) == 1
    assert first.poll() is None
    assert field(redis_server, jobs(redis_server)[0], "state") != "cancelled"


@pytest.mark.parametrize("moment", ["sending", "sealed", "collecting"])
def test_a_carrier_that_was_killed_is_followed_by_the_next_one(
        redis_server, worker, start, tilecrew, many, folder, tmp_path, moment):
    plain = tmp_path / "plain"
    with worker(redis_server):
        assert tilecrew("submit", "--wait", "--redis", redis_server.url, "--ops", "gaussian", many, plain).status == 0
    config = folder / "tilecrew.yaml"
    config.write_text("store:\n  bytes_in_flight: 1MiB\n" if moment == "sending" else "")
    arguments = ("submit", "--config", config, "--redis", redis_server.url, "--store", "redis", "--ops", "gaussian",
                 many, tmp_path / "out")
    before = set(jobs(redis_server))
    first = start(*arguments)
    [job] = wait_until(lambda: set(jobs(redis_server)) - before, 30, "the job")
    if moment == "sending":
        wait_until(lambda: int(field(redis_server, job, "images")) > 50, 30, "some images")
        first.kill()
        first.wait()
    else:
        wait_until(lambda: field(redis_server, job, "sealed") == "1", 30, "all images in")
    with worker(redis_server):
        if moment == "collecting":
            wait_until(lambda: len(results(tmp_path / "out")) > 20, 30, "some results")
        first.kill()
        first.wait()
        again = tilecrew(*arguments)
        assert again.status == 0, again.stderr
        assert f"going on with job {job}" in again.stderr
    assert set(jobs(redis_server)) == before | {job}
    assert field(redis_server, job, "state") == "done"
    assert results(tmp_path / "out") == results(plain)
    for name in results(plain):
        assert filecmp.cmp(plain / name, tmp_path / "out" / name, shallow=False), name
    assert redis_server.client.hlen(f"{PREFIX}job:{job}:blobs") == 0
    assert not [path for path in (tmp_path / "out").rglob("*.tmp") if os.path.getsize(path) == 0]
