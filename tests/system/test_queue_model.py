"""The queue's scripts under random interleavings: after every step each tile is in exactly one place, all counters
agree with the lists and bitmaps, and in the end every job ends and every image was told to its collector."""
import random
import re

import pytest
import redis
from conftest import ROOT

SCRIPTS = ROOT / "queue" / "scripts"
SHARED = ["core", "settle", "fair"]
STEPS = 200
PREFIX = "tc:{model}:"


class Model:
    def __init__(self, client, seed):
        self.redis, self.random = client, random.Random(seed)
        shared = "\n".join((SCRIPTS / f"{name}.lua").read_text(encoding="utf-8") for name in SHARED)
        self.scripts = {path.stem: client.register_script(shared + "\n" + path.read_text(encoding="utf-8"))
                        for path in SCRIPTS.glob("*.lua") if path.stem not in SHARED}
        self.jobs, self.workers, self.claimed, self.log, self.number = [], [], [], [], 0

    def call(self, script, *arguments):
        return self.scripts[script](keys=[PREFIX + "ready"], args=arguments)

    def list(self, name):
        return self.redis.lrange(PREFIX + name, 0, -1)

    def job(self, job):
        return self.redis.hgetall(f"{PREFIX}job:{job}")

    def images(self, job):
        """(first bit, tiles) of each image."""
        count = int(self.job(job)["images"])
        return [tuple(map(int, self.redis.hget(f"{PREFIX}job:{job}:images", image).split()[:2])) for image in range(count)]

    def is_done(self, job, first, tiles):
        return self.redis.getbit(f"{PREFIX}job:{job}:done", first + (tiles if tiles > 1 else 0))

    # --- what must always hold

    def check(self):
        places = [self.list("ready"), self.redis.zrange(PREFIX + "delayed", 0, -1), self.list("dead"),
                  [task for key in self.redis.keys(PREFIX + "processing:*") for task in self.redis.lrange(key, 0, -1)]]
        assert set(places[2]) == set(self.redis.hkeys(PREFIX + "dead:info"))
        for job in self.jobs:
            self.check_job(job, [self.list(f"job:{job}:tiles")] +
                           [[task for task in place if task.startswith(job + ":")] for place in places])

    def check_job(self, job, places):
        fields = self.job(job)
        ended = sum(self.redis.bitcount(f"{PREFIX}job:{job}:{bits}") for bits in ("done", "dropped"))
        tasks = [tuple(task.split(":")[1:3]) for place in places for task in place]
        assert len(tasks) + ended == int(fields["tiles"]) and len(set(tasks)) == len(tasks)
        assert int(fields["dead"]) == len(places[3])
        assert int(fields["left"]) == len(tasks) - len(places[3])
        finished = self.redis.zscore(PREFIX + "finished", job) is not None
        assert finished != (job in self.list("jobs"))
        assert finished == (fields["left"] == "0" and (fields["sealed"] == "1" or fields["state"] == "cancelled"))
        assert finished == (fields["finished_ms"] != "0")
        assert not (fields["state"] in ("paused", "blocked") and places[1])
        self.check_images(job, fields)

    def check_images(self, job, fields):
        done = failed = 0
        for image, (first, tiles) in enumerate(self.images(job)):
            done += self.is_done(job, first, tiles)
            failed += int(self.redis.hget(f"{PREFIX}job:{job}:failed", image) or 0) > 0
            parts = sum(self.redis.getbit(f"{PREFIX}job:{job}:done", first + tile) for tile in range(tiles))
            assert tiles == 1 or parts == int(self.redis.hget(f"{PREFIX}job:{job}:parts", image) or 0)
        assert (done, failed) == (int(fields["images_done"]), int(fields["images_failed"]))

    # --- what may happen

    def create(self):
        job = f"j{self.number}"
        self.number += 1
        self.call("create", job, "store", self.random.choice(["file", "redis"]), "max_fails", 2, "max_losses", 2,
                  "retry_first_ms", 0, "retry_most_ms", 0, "priority", self.random.randint(1, 100))
        self.jobs.append(job)

    def add(self, job):
        images, bit = map(int, self.redis.hmget(f"{PREFIX}job:{job}", "images", "bits"))
        arguments = []
        for _ in range(self.random.randint(1, 3)):
            tiles = self.random.choice([1, 1, 2, 3])
            arguments += [f"{bit} {tiles} 8 8 8 9 0\tp\tq", tiles, 64]
            bit += tiles + 1 if tiles > 1 else 1
        self.call("add", job, images, self.random.choice([1, 4, 16]), self.random.choice([2, 8, 64]), *arguments)

    def cancel(self, job):
        cursor, more = "0", 1
        while more:
            more, cursor = self.call("cancel", job, cursor, self.random.choice([1, 3, 100]))
            self.check()

    def enrol(self):
        self.number += 1
        self.workers.append(f"w{self.number}")
        self.call("enrol", self.workers[-1], "lanes", 2, "state", "live")

    def leave(self, worker):
        while self.call("leave", worker, "leave", 2):
            self.check()
        self.workers.remove(worker)

    def commit(self, claims, worker, tasks, most):
        self.call("commit", claims, worker, most, 2, 8, *[word for task in tasks for word in (task, 64, 5)])

    def act_on_job(self, verb, job):
        if verb == "add":
            self.add(job)
        elif verb == "cancel" and self.random.random() < 0.4:
            self.cancel(job)
        elif verb in ("seal", "pause", "resume", "block"):
            self.call("state", job, verb, "full")
        elif verb in ("retry", "discard"):
            self.call("dead", job, verb, self.random.choice([1, 100]))

    def act_on_lane(self, verb, worker):
        claims = f"{PREFIX}processing:{worker}:{self.random.randrange(2)}"
        held = self.redis.lrange(claims, 0, -1)
        some = self.random.sample(held, self.random.randint(1, len(held))) if held else []
        if verb == "claim":
            self.claimed += self.call("claim", claims, worker, self.random.randint(1, 3), 2, 8)
        elif verb == "late commit" and self.claimed:  # of a tile that was claimed once, by whomever
            self.commit(claims, worker, [self.random.choice(self.claimed)], 0)
        elif verb == "reclaim":
            self.call("reclaim", claims, worker, "died", self.random.choice([1, 50]))
        elif verb == "fence" and self.random.random() < 0.3:
            self.call("mark", worker, "fenced", "")
        elif verb == "leave" and self.random.random() < 0.3:
            self.leave(worker)
        elif some and verb == "commit":
            self.commit(claims, worker, some, self.random.randint(0, 2))
        elif some and verb == "fail":
            self.call("fail", claims, worker, some[0], "broken", self.random.choice("001"), "0.5")
        elif some and verb == "put back":
            self.call("put_back", claims, *some)

    def step(self):
        verb = self.random.choice(["create", "enrol", "promote", "refill", "claim", "claim", "claim", "commit", "commit",
                                   "commit", "late commit", "fail", "put back", "reclaim", "fence", "leave", "add", "seal",
                                   "pause", "resume", "block", "cancel", "retry", "discard"])
        self.log.append(verb)
        if verb == "create" and len(self.jobs) < 4:
            self.create()
        elif verb == "enrol" and len(self.workers) < 3:
            self.enrol()
        elif verb == "promote":
            self.call("promote", self.random.choice([1, 100]))
        elif verb == "refill":
            self.call("refill", 2, 8)
        if self.jobs:
            self.act_on_job(verb, self.random.choice(self.jobs))
        if self.workers:
            self.act_on_lane(verb, self.random.choice(self.workers))

    def allow_refusals(self, action, *arguments):
        try:
            action(*arguments)
        except redis.ResponseError as refusal:
            if not re.search("JOB|FENCED", str(refusal)):
                raise

    # --- the end

    def drain(self):
        for worker in list(self.workers):
            self.leave(worker)
        self.enrol()
        claims = f"{PREFIX}processing:{self.workers[0]}:0"
        for job in self.jobs:
            for verb in ("resume", "seal"):
                self.call("state", job, verb, "")
        tasks = [""]
        while tasks or self.redis.zcard(PREFIX + "delayed"):
            self.call("promote", 100)
            tasks = self.call("claim", claims, self.workers[0], 5, 2, 8)
            self.commit(claims, self.workers[0], tasks, 0)

    def check_end(self):
        for job in self.jobs:
            fields = self.job(job)
            assert fields["state"] in ("done", "cancelled")
            if fields["store"] == "file" or fields["state"] == "cancelled":
                continue
            told = dict(entry.split(":") for entry in self.list(f"job:{job}:finished"))  # the last word on each image
            for image, (first, tiles) in enumerate(self.images(job)):
                assert told[str(image)] == ("done" if self.is_done(job, first, tiles) else "failed")


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_in_whatever_order_no_tile_is_lost_or_doubled(redis_server, seed):
    model = Model(redis_server.client, seed)
    for _ in range(STEPS):
        model.allow_refusals(model.step)
        try:
            model.check()
        except AssertionError as error:
            raise AssertionError(f"after {model.log}") from error
    model.drain()
    model.check()
    model.check_end()
