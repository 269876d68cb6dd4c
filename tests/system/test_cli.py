"""The commands against a Redis: submit, follow, inspect, control."""

import contextlib
import json
import re
import shutil
import signal
import time

import numpy
import pytest

from conftest import ROOT, make_image, read_image, run_redis, wait_until
from test_run import images_in

COMMANDS = ["run", "submit", "watch", "status", "cancel", "pause", "resume", "dead", "workers", "ops", "audit",
            "doctor", "config"]
WITH_REDIS = [["status"], ["status", "nosuchjob"], ["watch"], ["workers"], ["audit"], ["dead", "list"],
              ["dead", "retry"], ["cancel", "j"], ["pause", "j"], ["resume", "j"]]


@pytest.fixture
def at(tilecrew, redis_server):
    """tilecrew at this test's Redis."""
    return lambda *arguments, **options: tilecrew(*arguments, "--redis", redis_server.url, **options)


@pytest.fixture
def crew(redis_server, worker, monitor):
    with worker(redis_server, lanes=2), monitor(redis_server, "--sweep", "100ms"):
        yield


def submit(at, *arguments):
    done = at("submit", *arguments)
    assert done.status == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return done.stdout.strip()


def job_of(at, job):
    done = at("status", job, "--json")
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)


def assert_conserved(at):
    done = at("audit", "--json")
    assert done.status == 0, done.stdout
    assert json.loads(done.stdout)["conserved"]


# --- help and wrong usage


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(tilecrew, command):
    done = tilecrew(command, "--help")
    assert done.status == 0 and done.stdout.startswith(f"Usage: tilecrew {command} ") and not done.stderr
    assert f"  {command} " in tilecrew("--help").stdout


@pytest.mark.parametrize("arguments, words", [
    (["statsu"], "did you mean 'status'?"),
    (["frobnicate"], "tilecrew --help"),
    (["status", "--jsn"], "did you mean '--json'?"),
    (["cancel"], "usage: tilecrew cancel"),
    (["dead", "lits"], "did you mean 'list'?"),
    (["status", "a", "b"], "unexpected 'b'"),
    (["ops", "gausian"], "did you mean 'gaussian'?"),
    (["submit", "--ops", "invert", "--priority", "101", "in", "out"], "from 1 to 100"),
    (["submit", "--ops", "invert", "--store", "s4", "in", "out"], "file or redis"),
])
def test_wrong_usage_gets_one_clear_line(tilecrew, arguments, words):
    done = tilecrew(*arguments)
    assert done.status == 64 and done.stderr.startswith("tilecrew: ") and done.stderr.count("\n") == 1
    assert words in done.stderr


def test_no_command_prints_help_as_an_error(tilecrew):
    done = tilecrew()
    assert done.status == 64 and "Commands:" in done.stderr


# --- Redis and the configuration


@pytest.mark.parametrize("arguments", WITH_REDIS, ids=" ".join)
def test_a_redis_out_of_reach_is_status_69(tilecrew, folder, arguments):
    done = tilecrew(*arguments, "--redis", f"unix:{folder}/nothing.sock")
    assert done.status == 69 and done.stderr.count("\n") == 1, done.stderr
    assert "nothing.sock" in done.stderr and not done.stdout


def test_submit_leaves_nothing_when_redis_is_out_of_reach(tilecrew, photos, tmp_path, folder):
    done = tilecrew("submit", "--ops", "invert", photos, tmp_path / "out", "--redis", f"unix:{folder}/no.sock")
    assert done.status == 69 and done.stderr.count("\n") == 1


@pytest.mark.parametrize("settings, words", [
    (["--requirepass", "secret"], "password"),
    (["--maxmemory-policy", "allkeys-lru"], "noeviction"),
])
def test_a_redis_that_will_not_do_is_refused_with_the_reason(tilecrew, folder, settings, words):
    (folder / "r").mkdir()
    with contextlib.ExitStack() as stack:
        if "--requirepass" in settings:
            # run_redis waits for an answer, which comes only with the password: set it afterwards
            server = stack.enter_context(run_redis(folder / "r"))
            server.client.config_set("requirepass", "secret")
        else:
            server = stack.enter_context(run_redis(folder / "r", *settings))
        done = tilecrew("status", "--redis", server.url)
        assert done.status == 69 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_bad_configuration_is_status_78_with_its_place(tilecrew, folder):
    (folder / "bad.yaml").write_text("redis:\n  urll: unix:/x\n")
    for command in ["status"], ["config", "--check"]:
        done = tilecrew(*command, "--config", folder / "bad.yaml")
        assert done.status == 78 and done.stderr.count("\n") == 1
        assert "bad.yaml:2:" in done.stderr and "'url'" in done.stderr


def test_the_printed_configuration_is_valid(tilecrew, folder):
    (folder / "tilecrew.yaml").write_text(tilecrew("config").stdout)
    done = tilecrew("config", "--check", "--config", folder / "tilecrew.yaml")
    assert done.status == 0, done.stderr


# --- operations


def test_every_operation_has_a_page(tilecrew):
    listed = json.loads(tilecrew("ops", "--json").stdout)
    assert len(listed) >= 18
    overview = tilecrew("ops").stdout
    for operation in listed:
        assert operation.keys() >= {"name", "class", "help", "halo", "may_cut", "definition", "oracle", "tolerance",
                                    "parameters"}
        page = tilecrew("ops", operation["name"])
        assert page.status == 0
        assert " ".join(operation["definition"].split()) in " ".join(page.stdout.split())
        assert all(parameter["name"] in page.stdout for parameter in operation["parameters"])
        assert f"  {operation['name']} " in overview


# --- jobs


def test_a_job_is_submitted_watched_and_shown(at, crew, photos, tmp_path):
    job = submit(at, "--ops", "gaussian", photos, tmp_path / "out")
    done = at("watch", job)
    assert done.status == 0, done.stderr
    assert done.stdout.startswith(f"{job}: done, 5 images") and "skipped" not in done.stderr
    assert len(images_in(tmp_path / "out")) == 5
    said = job_of(at, job)
    assert (said["state"], said["images"], said["images_done"], said["images_failed"]) == ("done", 5, 5, 0)
    assert said["pipeline"] == "gaussian:sigma=1.5" and said["roots"] == [str(photos)] and said["failures"] == []
    assert said["tiles_left"] == 0 and said["pixels_done"] == said["pixels"] > 0 and said["bytes_written"] > 0
    assert job in at("status").stdout and "done" in at("status", job).stdout
    assert_conserved(at)


def test_submit_waits_when_asked_and_does_only_what_is_missing(at, crew, photos, tmp_path):
    command = "submit", "--ops", "invert", "--wait", photos, tmp_path / "out"
    assert at(*command).status == 0
    assert len(images_in(tmp_path / "out")) == 5
    done = at(*command)
    assert done.status == 0 and "nothing to do" in done.stderr and not done.stdout
    (tmp_path / "out/cat.png").unlink()
    done = at(*command, "--json")
    said = json.loads(done.stdout)
    assert said["images"] == 1 and said["images_done_before"] == 4


def test_watch_prints_an_object_a_line(at, crew, photos, tmp_path):
    job = submit(at, "--ops", "gaussian", photos, tmp_path / "out")
    done = at("watch", "--json", job)
    states = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.status == 0 and states[-1]["state"] == "done" and states[-1]["id"] == job


def test_bad_images_fail_alone_and_status_says_why(at, crew, photos, tmp_path):
    (photos / "bad.jpg").write_text("text")
    job = submit(at, "--ops", "invert", photos, tmp_path / "out")
    done = at("watch", job)
    assert done.status == 1 and f"{photos}/bad.jpg: not a JPEG or PNG file" in done.stderr
    failures = job_of(at, job)["failures"]
    assert [(failure["path"], failure["reason"]) for failure in failures] == [
        (f"{photos}/bad.jpg", "not a JPEG or PNG file")]
    assert "bad.jpg: not a JPEG" in at("status", job).stdout
    dead = json.loads(at("dead", "list", job, "--json").stdout)["dead"]
    assert len(dead) == 1 and dead[0]["job"] == job and dead[0]["path"] == "bad.jpg"
    assert len(images_in(tmp_path / "out")) == 5
    assert_conserved(at)


def test_a_source_that_vanishes_fails_alone(at, redis_server, worker, photos, tmp_path):
    job = submit(at, "--ops", "invert", photos, tmp_path / "out")
    (photos / "cat.png").unlink()
    with worker(redis_server):
        done = at("watch", job)
    assert done.status == 1 and "cat.png: vanished" in done.stderr
    assert len(images_in(tmp_path / "out")) == 4


def test_dead_tiles_are_tried_again_or_dropped(at, crew, tmp_path):
    pixels = make_image(tmp_path / "good.png", 40, 30)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_text("not yet")
    (tmp_path / "in/b.png").write_text("never")
    job = submit(at, "--ops", "invert", tmp_path / "in", tmp_path / "out")
    assert at("watch", job).status == 1
    assert json.loads(at("dead", "retry", job, "--json").stdout) == {"action": "retry", "tiles": 2}
    assert at("watch", job).status == 1
    done = at("dead", "discard", job)
    assert (done.status, done.stdout) == (0, "2 tiles discarded\n")
    assert at("dead", "list", job).stdout == "no dead tiles\n"
    assert pixels.shape == (30, 40, 3)
    assert_conserved(at)


def test_a_job_is_paused_resumed_and_cancelled(at, redis_server, worker, photos, tmp_path):
    job = submit(at, "--ops", "invert", photos, tmp_path / "out")
    assert at("pause", job).stdout == f"{job}: paused\n"
    with worker(redis_server):
        time.sleep(0.5)
        assert job_of(at, job)["images_done"] == 0
        assert json.loads(at("resume", job, "--json").stdout)["state"] == "running"
        assert at("watch", job).status == 0
    other = submit(at, "--ops", "sobel", photos, tmp_path / "other")
    assert at("cancel", other).stdout == f"{other}: cancelled\n"
    assert at("watch", other).status == 1
    assert images_in(tmp_path / "other") == []
    assert_conserved(at)


@pytest.mark.parametrize("command", ["status", "cancel", "pause", "resume", "watch"])
def test_a_job_that_does_not_exist_is_named(at, command):
    done = at(command, "nosuch")
    assert done.status == 64 and "nosuch" in done.stderr and done.stderr.count("\n") == 1


def test_two_jobs_at_once_on_one_queue_both_end(at, start, crew, redis_server, tmp_path):
    for number in range(40):
        make_image(tmp_path / f"in/{number}.png", 200, 150, seed=number)
    both = [start("submit", "--wait", "--ops", ops, tmp_path / "in", tmp_path / ops, "--redis", redis_server.url)
            for ops in ("invert", "sobel")]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(images_in(tmp_path / "invert")) == len(images_in(tmp_path / "sobel")) == 40
    assert_conserved(at)


def test_workers_are_shown_with_what_they_have(at, crew):
    workers = json.loads(at("workers", "--json").stdout)
    assert workers["mixed_codecs"] is False and len(workers["workers"]) == 1
    one = workers["workers"][0]
    assert one["lanes"] == 2 and one["state"] == "live" and "libjpeg" in one["codecs"] and one["device"]
    assert one["id"] in at("workers").stdout


def test_no_workers_and_no_jobs_are_said_so(at):
    assert at("workers").stdout.startswith("no workers")
    assert "0 workers" in at("status").stdout
    assert json.loads(at("status", "--json").stdout)["jobs"] == []
    assert at("audit").stdout == "no jobs to audit\n"
    assert at("watch").status == 64


def test_the_doctor_looks_at_everything(at, tmp_path):
    (tmp_path / "out").mkdir()
    said = json.loads(at("doctor", "--json", tmp_path / "out").stdout)
    verdicts = {check["check"]: check["verdict"] for check in said["checks"]}
    assert verdicts == {"config": "ok", "programs": "ok", "codecs": "ok", "device": "ok", "output": verdicts["output"],
                        "redis": "ok", "workers": "warn"}
    assert verdicts["output"] != "FAIL" and said["healthy"]
    done = at("doctor", tmp_path / "absent")
    assert done.status == 1 and "FAIL  output" in done.stdout


# --- the redis store


def test_workers_of_the_redis_store_need_no_files(at, start, redis_server, worker, photos, tmp_path):
    expected = 255 - read_image(photos / "cat.png")[..., :3]
    carrier = start("submit", "--store", "redis", "--ops", "invert", photos, tmp_path / "out",
                    "--redis", redis_server.url)
    wait_until(lambda: len(list(redis_server.client.scan_iter("tc:*:ready", count=1000))) > 0 and
               redis_server.client.llen("tc:{default}:ready") == 5, 30, "five tiles")
    shutil.rmtree(photos)
    with worker(redis_server):
        assert carrier.wait(60) == 0, carrier.log_path.read_text()
    assert len(images_in(tmp_path / "out")) == 5
    assert numpy.array_equal(read_image(tmp_path / "out/cat.png")[..., :3], expected)
    held = sum(redis_server.client.memory_usage(key) or 0 for key in redis_server.client.scan_iter("tc:*"))
    assert held < 100_000  # sources and results are gone
    assert_conserved(at)


def test_bad_images_of_the_redis_store_are_named_like_all_others(at, crew, photos, tmp_path):
    (photos / "bad.jpg").write_text("text")
    (photos / "empty.png").write_text("")
    done = at("submit", "--store", "redis", "--ops", "invert", photos, tmp_path / "out")
    assert done.status == 1 and len(images_in(tmp_path / "out")) == 5
    assert done.stderr.splitlines()[-2:] == [f"tilecrew: {photos}/bad.jpg: not a JPEG or PNG file",
                                             f"tilecrew: {photos}/empty.png: an empty file"]


def bytes_of_blobs(client):
    return sum(client.hstrlen(key, name) for key in client.scan_iter("tc:*:blobs", count=1000) for name in client.hkeys(key))


@pytest.mark.parametrize("form", ["png", "jpg"])
def test_the_redis_store_never_holds_more_than_allowed(at, start, redis_server, worker, folder, tmp_path, form):
    for number in range(30):
        options = {"smooth": True, "quality": 5} if form == "jpg" else {}  # results are many times as large
        make_image(tmp_path / f"in/{number:02}.{form}", 300, 250, seed=number, **options)
    (folder / "small.yaml").write_text("store:\n  bytes_in_flight: 1MiB\n")
    carrier = start("submit", "--store", "redis", "--ops", "invert", tmp_path / "in", tmp_path / "out",
                    "--config", folder / "small.yaml", "--redis", redis_server.url)
    most = 0
    with worker(redis_server):
        while carrier.poll() is None:
            most = max(most, bytes_of_blobs(redis_server.client))
    assert carrier.returncode == 0, carrier.log_path.read_text()
    assert 0 < most <= 1 << 20
    assert len(images_in(tmp_path / "out")) == 30


def test_the_redis_store_leaves_room_for_results_that_nobody_has_collected(start, redis_server, worker, folder, tmp_path):
    for number in range(60):
        make_image(tmp_path / f"in/{number:02}.jpg", 400, 400, seed=number, smooth=True, quality=5)
    (folder / "small.yaml").write_text("store:\n  bytes_in_flight: 1MiB\n")
    carrier = start("submit", "--store", "redis", "--ops", "invert", "--quality", "95", tmp_path / "in", tmp_path / "out",
                    "--config", folder / "small.yaml", "--redis", redis_server.url)
    wait_until(lambda: redis_server.client.keys("tc:*:blobs"), what="sources in Redis")
    time.sleep(0.5)  # no worker yet: all that may be sent is there
    carrier.send_signal(signal.SIGSTOP)
    with worker(redis_server):
        job = redis_server.client.lindex("tc:{default}:jobs", 0)
        sent = int(redis_server.client.hget(f"tc:{{default}}:job:{job}", "images"))
        wait_until(lambda: redis_server.client.hget(f"tc:{{default}}:job:{job}", "images_done") == str(sent), what="results")
        held = bytes_of_blobs(redis_server.client)
        carrier.send_signal(signal.SIGCONT)
        assert 0 < sent < 60 and held <= 1 << 20
        assert carrier.wait(timeout=30) == 0
    assert len(images_in(tmp_path / "out")) == 60


def test_an_interrupted_carrier_cancels_its_job_and_says_how_to_go_on(at, start, redis_server, photos, tmp_path):
    carrier = start("submit", "--store", "redis", "--ops", "invert", photos, tmp_path / "out",
                    "--redis", redis_server.url)
    wait_until(lambda: redis_server.client.llen("tc:{default}:ready") == 5, 30, "five tiles")
    carrier.send_signal(signal.SIGINT)
    assert carrier.wait(30) == 130
    assert "cancelled" in carrier.log_path.read_text() and "same command again" in carrier.log_path.read_text()
    jobs = json.loads(at("status", "--json").stdout)["jobs"]
    assert [job["state"] for job in jobs] == ["cancelled"]


def test_watch_outlives_ctrl_c_of_nobody_but_itself(at, start, redis_server, photos, tmp_path):
    job = submit(at, "--ops", "invert", photos, tmp_path / "out")
    watcher = start("watch", job, "--redis", redis_server.url)
    time.sleep(0.5)
    watcher.send_signal(signal.SIGINT)
    assert watcher.wait(30) == 130 and f"job {job} goes on" in watcher.log_path.read_text()
    assert job_of(at, job)["state"] == "running"


def test_symlinks_out_of_the_root_are_refused_by_submit_too(at, photos, tmp_path):
    (photos / "out.png").symlink_to("/etc/hostname")
    done = at("submit", "--ops", "invert", photos, tmp_path / "out")
    assert done.status == 1 and "out.png: a symbolic link out of the input folder" in done.stderr
    assert job_of(at, done.stdout.strip())["images"] == 5


# --- what scripts read


def keys_of(value):
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def test_every_key_of_json_is_documented(at, crew, tilecrew, photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    job = json.loads(at("submit", "--json", "--ops", "invert", photos, tmp_path / "out").stdout)
    at("watch", job["job"])
    outputs = [json.dumps(job)] + [at(*words, "--json").stdout for words in (
        ["status"], ["status", job["job"]], ["watch", job["job"]], ["pause", job["job"]], ["dead", "list"], ["audit"],
        ["workers"], ["doctor"], ["dead", "discard", job["job"]])]
    outputs += [tilecrew("ops", "--json").stdout,
                tilecrew("run", "--json", "--ops", "invert", photos, tmp_path / "run").stdout]
    documented = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs" / "json.md").read_text(encoding="utf-8")))
    for output in outputs:
        assert keys_of(json.loads(output)) <= documented, output
