#!/bin/sh
# tidy.sh FILE: clang-tidy on one file, saying nothing when it is clean. The checks are chosen for version 14; what
# other versions find more is shown, and does not fail.
set -u
output=$(clang-tidy -p . --quiet "$1" 2>/dev/null)
status=$?
if [ -n "$output" ]; then
    echo "$output"
fi
if [ "$status" -ne 0 ] && ! clang-tidy --version | grep -q 'version 14'; then
    echo "tidy.sh: $1: not counted, as this is not clang-tidy 14"
    exit 0
fi
exit "$status"
