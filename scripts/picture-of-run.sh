#!/bin/sh
# picture-of-run.sh FOLDER [OUT.svg]: draws docs/images/run.svg, the README's picture: two real runs over a folder, in a
# terminal of their own (tmux), the second one as it stands half way; needs tmux and a build.
#   bench/fetch-photos.sh && scripts/picture-of-run.sh build/bench/photos
set -eu

photos=$(realpath "${1:?usage: picture-of-run.sh FOLDER [OUT.svg]}")
picture=${2:-docs/images/run.svg}
programs=$(realpath build/bin)
here=$(dirname "$(realpath "$0")")
place=$(mktemp -d "${TMPDIR:-/tmp}/trip-XXXX")
terminal() {
    tmux -L "tilecrew-picture-$$" -f /dev/null "$@"
}
# The first screen on which a line matches.
wait_for() {
    tries=0
    until terminal capture-pane -p | grep -Eq "$1"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 600 ]; then
            echo "picture-of-run: no '$1' within 30 s; the terminal holds:" >&2
            terminal capture-pane -p >&2
            exit 1
        fi
        sleep 0.05
    done
}
trap 'terminal kill-server 2>/dev/null || true; rm -rf "$place"' EXIT

ln -s "$photos" "$place/photos"
terminal new-session -d -x 100 -y 12 -c "$place" \
    "env PATH='$programs:$PATH' PS1='\\[\\e[1;32m\\]\$\\[\\e[0m\\] ' COLORTERM= LC_ALL=C.UTF-8 bash --norc --noprofile"
terminal set-option -g status off
sleep 1
terminal send-keys "cd $place && clear" Enter
sleep 0.5
terminal send-keys "tilecrew run --ops gaussian:sigma=1.4 photos blurred" Enter
wait_for 'images, .* in .*blurred'
terminal send-keys "tilecrew run --ops grayscale,sobel,invert photos drawn" Enter
wait_for '^ *[5-8][0-9] %'
terminal capture-pane -e -p | "$here/terminal-svg.py" --title "tilecrew run" >"$picture"
terminal send-keys C-c
wait_for 'interrupted|images, .* in .*drawn'
echo "$picture"
