"""A folder of photographs, whole: tilecrew against the codecs' floor, OpenCV and libvips.

Runs every contender in turn, several rounds, each round in another order, so that whatever the
machine does besides hits all alike. Reports medians, and each contender's ratio to the floor of the
same round. Checks that all made the same pictures. Writes everything it measured as JSON.

    build/bench/venv/bin/python bench/folder.py [--rounds 5] [--processes N] [--skip NAME]...
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

import cv2

OPERATION = "gaussian:sigma=1.4"
QUALITY = 90
LEAST_PSNR = 35.0


def contenders(build, photos, out, processes):
    """Name -> (command, folder of its results or None)."""
    bench = build / "bench"
    files = [str(path) for path in sorted(photos.glob("*.jpg"))]
    count = str(processes)

    def place(name):
        return str(out / name)

    every = {
        "floor": ([bench / "floor", count, *files], None),
        "floor, grey": ([bench / "floor", "--grey", count, *files], None),
        "OpenCV": ([sys.executable, "bench/peers/opencv_folder.py", "gaussian", count, photos,
                    place("opencv")], place("opencv")),
        "libvips": ([bench / "vips_folder", "gaussian", count, place("vips"), *files],
                    place("vips")),
        "tilecrew run": ([build / "bin/tilecrew", "run", "--ops", OPERATION,
                          "--quality", str(QUALITY), "--lanes", count, photos,
                          place("tilecrew")], place("tilecrew")),
    }
    return {name: ([str(word) for word in command], result)
            for name, (command, result) in every.items()}


def measure(command):
    """Wall and CPU seconds of a command and all the processes it waited for."""
    environment = {**os.environ, "VIPS_WARNING": "0"}
    begin = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, env=environment)
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"folder: {command[0]} ended with {process.returncode}:\n"
                 f"{complaint.decode(errors='replace')[-2000:]}")
    return {"wall": wall, "user": usage.ru_utime, "system": usage.ru_stime}


def run_rounds(runs, rounds):
    samples = {name: [] for name in runs}
    for _, result in runs.values():  # once unmeasured: files into the page cache, kernels into theirs
        if result:
            shutil.rmtree(result, ignore_errors=True)
    for command, _ in runs.values():
        measure(command)
    names = list(runs)
    for number in range(rounds):
        for name in names[number % len(names):] + names[:number % len(names)]:
            command, result = runs[name]
            if result:
                shutil.rmtree(result, ignore_errors=True)
            samples[name].append(measure(command))
            print(f"  round {number + 1}: {name:14} {samples[name][-1]['wall']:6.2f} s", file=sys.stderr)
    return samples


def compare(pair):
    how = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    mine, theirs = (cv2.imread(str(path), how) for path in pair)
    if mine is None or theirs is None or mine.shape != theirs.shape:
        return 0.0
    return cv2.PSNR(mine, theirs)


def least_psnr(folder, reference, processes):
    """The worst PSNR of a folder's pictures against those of the same name in the reference folder."""
    pairs = [(pathlib.Path(folder) / path.name, path)
             for path in sorted(pathlib.Path(reference).glob("*.jpg"))]
    with multiprocessing.Pool(processes) as pool:
        return min(pool.map(compare, pairs))


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return (done.stdout or done.stderr).strip().split("\n")[0] or None


def package(name):
    return first_line("dpkg-query", "-W", "-f", "${Version}", name)


def describe_machine():
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    return {
        "processor": processor.group(1) if processor else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": system.group(1) if system else platform.system(),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }


def describe_versions(build):
    jpeg = re.search(r"JPEG:\s*(.*)", cv2.getBuildInformation())
    return {
        "tilecrew": first_line(str(build / "bin/tilecrew"), "--version"),
        "commit": first_line("git", "describe", "--always", "--dirty"),
        "libjpeg-turbo": package("libjpeg62-turbo"),
        "OpenCV": f"{cv2.__version__} ({jpeg.group(1) if jpeg else 'JPEG unknown'})",
        "libvips": package("libvips42"),
        "Redis": first_line("redis-server", "--version"),
        "PoCL": package("libpocl2"),
    }


def summarise(samples):
    floor = [sample["wall"] for sample in samples["floor"]]
    return {name: {
        "seconds": statistics.median(sample["wall"] for sample in series),
        "cpu_seconds": statistics.median(sample["user"] + sample["system"] for sample in series),
        "per_floor": statistics.median(sample["wall"] / base for sample, base in zip(series, floor)),
        "samples": series,
    } for name, series in samples.items()}


def print_table(report):
    machine = report["machine"]
    print(f"{report['images']} photographs, {report['megapixels']:.0f} MP, {OPERATION}, JPEG quality "
          f"{QUALITY}, {report['processes']} processes, median of {report['rounds']} rounds")
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, "
          f"load {machine['load_before']:.2f} before")
    print(", ".join(f"{name} {version}" for name, version in report["versions"].items() if version))
    print(f"\n{'':16}{'seconds':>9}{'CPU s':>9}{'per floor':>11}{'MP/s':>8}{'least PSNR':>12}")
    for name, row in report["results"].items():
        psnr = f"{row['least_psnr']:9.1f} dB" if "least_psnr" in row else ""
        print(f"{name:16}{row['seconds']:9.2f}{row['cpu_seconds']:9.2f}{row['per_floor']:11.2f}"
              f"{report['megapixels'] / row['seconds']:8.0f}{psnr:>12}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("build/bench/folder.json"))
    parser.add_argument("--skip", action="append", default=[], help="leave a contender out",
                        choices=["floor, grey", "libvips", "tilecrew run"])
    settings = parser.parse_args()
    photos = settings.build / "bench/photos"
    out = settings.build / "bench/folder-out"
    cv2.setNumThreads(1)

    machine, versions = describe_machine(), describe_versions(settings.build)
    runs = contenders(settings.build, photos, out, settings.processes)
    for name in settings.skip:
        del runs[name]
    counted = json.loads(subprocess.run(runs["floor"][0], capture_output=True, check=True).stdout)
    results = summarise(run_rounds(runs, settings.rounds))
    failed = []
    for name, (_, result) in runs.items():
        if result and name != "OpenCV":
            results[name]["least_psnr"] = least_psnr(result, runs["OpenCV"][1],
                                                     settings.processes)
            if results[name]["least_psnr"] < LEAST_PSNR:
                failed.append(name)
    report = {
        "operation": OPERATION, "quality": QUALITY,
        "processes": settings.processes, "rounds": settings.rounds,
        "images": counted["images"], "megapixels": counted["pixels"] / 1e6,
        "machine": machine, "versions": versions, "results": results,
    }
    settings.json.parent.mkdir(parents=True, exist_ok=True)
    settings.json.write_text(json.dumps(report, indent=1) + "\n")
    print_table(report)
    shutil.rmtree(out, ignore_errors=True)
    if failed:
        sys.exit(f"folder: not the same picture as OpenCV's (under {LEAST_PSNR} dB): "
                 f"{', '.join(failed)}")


if __name__ == "__main__":
    main()
