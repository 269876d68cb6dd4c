"""Runs unit test programs side by side and counts their tests from cmocka's TAP output.

A program that dies, hangs or ends early counts as one failed test more, so that nothing is missed.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import time

RESULT = re.compile(r"^(not ok|ok) \d+(.*)$", re.MULTILINE)
PLAN = re.compile(r"^1\.\.(\d+)", re.MULTILINE)


def run(program, limit):
    began = time.monotonic()
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    try:
        done = subprocess.run(
            [program], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=limit, errors="replace")
        output, status = done.stdout, done.returncode
    except FileNotFoundError:
        output, status = "it was not built\n", -1
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace") + f"\nstopped after {limit} s\n"
        status = -1
    results = RESULT.findall(output)
    failed = sum(verdict == "not ok" for verdict, _ in results)
    skipped = sum(verdict == "ok" and "# SKIP" in rest for verdict, rest in results)
    planned = sum(int(count) for count in PLAN.findall(output))
    passed = len(results) - failed - skipped
    if planned != len(results) or (status != 0 and failed == 0) or not results:
        output += f"\n{program}: ended with status {status} after {len(results)} of {planned} tests\n"
        failed += 1
    return program, output, (passed, failed, skipped), time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", help="file for 'passed failed skipped'")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one program")
    parser.add_argument("programs", nargs="*")
    arguments = parser.parse_args()
    total = (0, 0, 0)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(lambda program: run(program, arguments.limit), arguments.programs):
            program, output, counts, seconds = done
            total = tuple(map(sum, zip(total, counts)))
            name = os.path.basename(program)
            print(f"{name:24} {counts[0]:4} passed {counts[1]:3} failed {counts[2]:3} skipped {seconds:6.1f} s")
            if counts[1] > 0:
                print(output)
            sys.stdout.flush()
    if arguments.counts:
        with open(arguments.counts, "w", encoding="ascii") as file:
            print(*total, file=file)
    return 1 if total[1] > 0 else 0


if __name__ == "__main__":
    sys.exit(main())
