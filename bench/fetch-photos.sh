#!/bin/bash
# Fetches the folder of photographs that bench/ measures with: the distinct JPEGs over 100 kB of three Debian
# packages of desktop backgrounds, downloaded and unpacked, not installed. Leaves them in build/bench/photos and
# does nothing when they are there.
#   bench/fetch-photos.sh [DIRECTORY]        default: build/bench
set -euo pipefail

packages=(mate-backgrounds plasma-workspace-wallpapers gnome-backgrounds)
smallest=100000
# Debian 12's set, on which the figures in docs/ were measured.
expected_count=39
expected_bytes=58000000

base=${1:-build/bench}
photos=$base/photos
debs=$base/debs
unpacked=$base/photos-src

fail() {
    echo "fetch-photos: $*" >&2
    exit 1
}

download() {
    mkdir -p "$debs"
    # apt drops its rights to the user _apt for downloads; it cannot do so in a directory closed to it and warns.
    (cd "$debs" && apt-get download -q "${packages[@]}" 2> apt.log) ||
        { cat "$debs/apt.log" >&2; fail "cannot download ${packages[*]}: run 'apt-get update', and see the lines above"; }
}

unpack() {
    rm -rf "$unpacked"
    mkdir -p "$unpacked"
    local package deb
    for package in "${packages[@]}"; do
        deb=$(find "$debs" -name "${package}_*.deb" | sort | tail -n 1)
        [ -n "$deb" ] || fail "no ${package}_*.deb in $debs after the download"
        dpkg -x "$deb" "$unpacked"
    done
}

# One file of each hash, the first by path; named by its place in that order, since many are called 3840x2160.jpg.
pick() {
    rm -rf "$photos.new"
    mkdir -p "$photos.new"
    local number=0 hash path
    while read -r hash path; do
        number=$((number + 1))
        cp "$path" "$(printf '%s/%02d-%s.jpg' "$photos.new" "$number" "${hash:0:8}")"
    done < <(find "$unpacked" -type f \( -iname '*.jpg' -o -iname '*.jpeg' \) -size +"${smallest}c" -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum | awk '!seen[$1]++')
}

check() {
    local count bytes
    count=$(find "$1" -type f | wc -l)
    bytes=$(find "$1" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')
    echo "fetch-photos: $count files, $((bytes / 1000000)) MB in $1"
    if [ "$count" -ne "$expected_count" ] ||
        [ "$bytes" -lt $((expected_bytes * 95 / 100)) ] || [ "$bytes" -gt $((expected_bytes * 105 / 100)) ]; then
        fail "expected $expected_count files and about $((expected_bytes / 1000000)) MB, as in Debian 12:" \
            "another release ships other pictures, whose figures do not compare"
    fi
}

if [ -d "$photos" ]; then
    check "$photos"
    exit 0
fi
download
unpack
pick
check "$photos.new"
mv "$photos.new" "$photos"
