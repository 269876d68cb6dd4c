#!/bin/sh
# install-deps.sh GROUP...: installs what is missing of the packages of each group, on Debian and Ubuntu.
#   build   what compiling and running tilecrew and `make demo` need
#   test    what `make check` needs besides
# Does nothing, and needs no rights, when all is there. Uses sudo where it is not run by root.
set -eu

build_packages="gcc make pkg-config libc6-dev redis-server libhiredis-dev ocl-icd-opencl-dev opencl-headers
    pocl-opencl-icd libjpeg-dev libpng-dev zlib1g-dev libcurl4-openssl-dev libssl-dev libyaml-dev libjansson-dev
    python3 python3-pil fonts-dejavu-core ca-certificates"
test_packages="iproute2 libcmocka-dev oclgrind python3-venv clang-tidy cppcheck shellcheck"

fail() {
    echo "install-deps.sh: $*" >&2
    exit 1
}

missing=
for group in "${@:-build}"; do
    case $group in
    build) packages=$build_packages ;;
    test) packages=$test_packages ;;
    *) fail "unknown group '$group'; there are build and test" ;;
    esac
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        fail "this is no Debian or Ubuntu; install what these packages hold by other means: $packages"
    fi
    for package in $packages; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
if [ "$(id -u)" -eq 0 ]; then
    as_root='env'
elif command -v sudo >/dev/null; then
    as_root="sudo env"
else
    fail "as root, run: apt-get install --no-install-recommends$missing"
fi
# Redis is wanted as a program only: where the package would start it as a service, it stays stopped, so that nothing
# listens on the network that nobody asked for. A service that already runs is left alone.
policy=/usr/sbin/policy-rc.d
cleanup=:
if [ ! -e "$policy" ]; then
    $as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
    cleanup="$as_root rm -f $policy"
fi
trap '$cleanup' EXIT
trap 'exit 1' HUP INT TERM
quiet="-q -o DPkg::Lock::Timeout=300"
# shellcheck disable=SC2086 # lists of words
{
    $as_root apt-get $quiet update
    $as_root DEBIAN_FRONTEND=noninteractive apt-get $quiet install -y --no-install-recommends $missing
}
