#!/bin/sh
# demo.sh PROGRAM: runs the operations $OPS over the folder $IN into $OUT, then makes one picture of before and after.
# Its last line is that picture's path.
set -u

# make hands ~ over as it was typed where a space or quotes surround it.
# shellcheck disable=SC2088 # a tilde as it was typed is what is looked for
expand() {
    case $1 in
    '~') printf '%s\n' "$HOME" ;;
    '~/'*) printf '%s/%s\n' "$HOME" "${1#'~/'}" ;;
    *) printf '%s\n' "$1" ;;
    esac
}
in=$(expand "$IN")
out=$(expand "$OUT")

# Status 1 says that some images failed, each of them named; the others are worth seeing.
status=0
"$1" run --ops "$OPS" "$in" "$out" || status=$?
if [ "$status" -gt 1 ]; then
    exit "$status"
fi
echo
/usr/bin/python3 "$(dirname "$0")/contact-sheet.py" --title "$OPS" "$in" "$out" "$out/contact-sheet.png" || exit
exit "$status"
