#!/usr/bin/python3
"""demo-failover.py PROGRAMS IN: four workers and one that stands by, on a job that takes about a minute; one after the other
the four are killed (SIGKILL). Shows all of it live, then audits the queue and compares the results, byte for byte, with those
of a quiet run. On a terminal the picture is redrawn; elsewhere what happens is told line by line."""

import filecmp
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

OPS = "gaussian:sigma=40,gaussian:sigma=40,gaussian:sigma=40,sobel"
COPIES = 12  # of each photograph
KILL_EVERY = 4.0  # seconds
LIMIT = 600
BAR = 50
SUFFIXES = (".jpg", ".jpeg", ".png")
CONFIG = """redis:
  url: unix:{folder}/redis.sock
worker:
  lanes: 1
  claim_ahead: 2
monitor:
  min_workers: 2
job:
  tile_pixels: 1M
"""


class Demo:
    def __init__(self, programs, folder):
        self.programs = programs
        self.folder = folder
        self.config = folder / "tilecrew.yaml"
        self.config.write_text(CONFIG.format(folder=folder), encoding="utf-8")
        self.started = []
        self.live_view = sys.stdout.isatty()
        self.begin = time.monotonic()
        self.told = []
        self.lines = 0

    def start(self, *command, name):
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        process.name = name
        self.started.append(process)
        return process

    def start_program(self, program, name, *arguments):
        return self.start(self.programs / program, "--config", self.config, *arguments, name=name)

    def ask(self, *words):
        done = subprocess.run([self.programs / "tilecrew", *words, "--config", self.config, "--json"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"demo-failover: tilecrew {words[0]}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def workers(self):
        return {worker["pid"]: worker for worker in self.ask("workers")["workers"]}

    def wait_for(self, what, promise):
        until = time.monotonic() + LIMIT
        while not promise():
            if time.monotonic() > until:
                sys.exit(f"demo-failover: {what} did not come")
            time.sleep(0.1)

    def end(self):
        for process in reversed(self.started):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    # --- what a person sees

    def tell(self, text):
        line = f"{time.monotonic() - self.begin:6.1f} s  {text}"
        self.told.append(line)
        if not self.live_view:
            print(line, flush=True)

    def draw(self, crew, dead, job):
        if not self.live_view:
            return
        known = self.workers()
        done, all_tiles = job["tiles"] - job["tiles_left"], job["tiles"]
        filled = BAR * done // max(all_tiles, 1)
        lines = [f"[{'#' * filled}{'.' * (BAR - filled)}] {done} of {all_tiles} tiles"]
        for process in crew:
            record = known.get(process.pid, {})
            state = "KILLED" if process in dead else record.get("state", "starting")
            seen = f" ({record['state']} in the books)" if process in dead and record else ""
            lines.append(f"  {process.name:9} pid {process.pid:<8} {state + seen:28} {record.get('tiles', 0):5} tiles"
                         f" {record.get('megapixels_per_second', 0):7.1f} MP/s")
        lines += ["", *self.told]
        print(f"\033[{self.lines}F\033[J" if self.lines else "", end="")
        print("\n".join(lines), flush=True)
        self.lines = len(lines)


def copy_photos(source, target):
    photos = [path for path in sorted(source.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not photos:
        sys.exit(f"demo-failover: no photographs below {source}")
    target.mkdir()
    for copy in range(COPIES):
        for number, path in enumerate(photos):
            shutil.copy(path, target / f"{copy:02d}-{number:03d}{path.suffix}")
        if sum(1 for _ in target.iterdir()) >= 60:
            break


def same_files(one, other):
    names = sorted(path.name for path in one.iterdir() if path.is_file())
    matches, differ, errors = filecmp.cmpfiles(one, other, names, shallow=False)
    return len(matches), differ + errors


def run_failover(demo, source, output):
    demo.start("redis-server", "--port", "0", "--unixsocket", demo.folder / "redis.sock", "--dir", demo.folder,
               "--appendonly", "yes", "--maxmemory-policy", "noeviction", name="redis")
    demo.wait_for("Redis", (demo.folder / "redis.sock").exists)
    demo.start_program("tilecrew-monitor", "monitor")
    crew = [demo.start_program("tilecrew-worker", f"worker {number}") for number in range(1, 5)]
    crew.append(demo.start_program("tilecrew-worker", "standby", "--standby"))
    demo.wait_for("the crew", lambda: len(demo.workers()) == len(crew))
    job = demo.ask("submit", "--ops", OPS, source, output)["job"]
    demo.begin = time.monotonic()
    demo.tell("four workers work, one stands by")
    dead, awake = [], False
    while True:
        record = demo.ask("status", job)
        record = record.get("job", record) if isinstance(record.get("job"), dict) else record
        if not awake and demo.workers().get(crew[4].pid, {}).get("state") == "live":
            awake = True
            demo.tell("the standby is live")
        demo.draw(crew, dead, record)
        if record["state"] == "done":
            break
        if len(dead) < 4 and time.monotonic() - demo.begin > KILL_EVERY * (len(dead) + 1):
            os.killpg(crew[len(dead)].pid, signal.SIGKILL)
            demo.tell(f"kill -9 of {crew[len(dead)].name}")
            dead.append(crew[len(dead)])
        time.sleep(0.3)
    demo.tell(f"the job is done; {len(dead)} of 4 workers were killed")
    demo.draw(crew, dead, record)
    return demo.ask("audit")["conserved"], len(dead), awake


def main(programs, source):
    with tempfile.TemporaryDirectory(prefix="tc-") as place:
        folder = pathlib.Path(place)
        demo = Demo(pathlib.Path(programs).resolve(), folder)
        copy_photos(pathlib.Path(source), folder / "in")
        print("A quiet run first, to have something to compare with ...", flush=True)
        quiet = subprocess.run([demo.programs / "tilecrew", "run", "--quiet", "--config", demo.config, "--ops", OPS,
                                folder / "in", folder / "quiet"], check=False)
        if quiet.returncode != 0:
            sys.exit("demo-failover: the quiet run failed")
        try:
            conserved, killed, awake = run_failover(demo, folder / "in", folder / "out")
        finally:
            demo.end()
        matches, differ = same_files(folder / "quiet", folder / "out")
    print(f"\nEvery tile accounted for: {'yes' if conserved else 'NO'}")
    print(f"Results with the bytes of the quiet run: {matches}; others: {len(differ)}")
    print(f"Killed: {killed}; the standby {'took over' if awake else 'was not needed'}")
    return 0 if conserved and not differ and killed == 4 and awake else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
