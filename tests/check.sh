#!/bin/sh
# check.sh STAGE...: what `make check` does. A stage is a target of make. Every stage runs, whatever the others found; the last line counts.
# A stage that fails without having counted a failed test (a build, a linter) counts as one.
set -u
passed=0 failed=0 skipped=0

stage() {
    name=$1
    echo "== $name"
    rm -f "$COUNTS/$name"
    status=0
    $MAKE -k --no-print-directory "$name" </dev/null || status=$?
    counted=0
    if [ -r "$COUNTS/$name" ]; then
        read -r p f s <"$COUNTS/$name"
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s)) counted=$f
    fi
    if [ "$status" -ne 0 ]; then
        echo "== $name failed"
        [ "$counted" -gt 0 ] || failed=$((failed + 1))
    fi
}

mkdir -p "$COUNTS"
for name in "$@"; do
    stage "$name"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
