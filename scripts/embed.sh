#!/bin/sh
# embed.sh DIR FILES...: writes DIR/embedded.S, which puts each text file into the program, NUL-terminated, and
# DIR/operations.inc, which lists the operations as DECLARED(name), and DIR/operation_files.inc, which includes their
# files for the C compiler.
#   kernels/NAME.cl        -> operation_source_NAME     compute/NAME.cl -> compute_source_NAME
#   queue/scripts/NAME.lua -> queue_script_NAME
set -eu
out=$1
shift
: >"$out/embedded.S.tmp"
: >"$out/operations.inc.tmp"
: >"$out/operation_files.inc.tmp"
for file in "$@"; do
    name=$(basename "${file%.*}")
    case $file in
    kernels/* | tests/faults/kernels/*)
        symbol=operation_source_$name
        echo "DECLARED($name)" >>"$out/operations.inc.tmp"
        echo "#include \"$file\"" >>"$out/operation_files.inc.tmp"
        ;;
    compute/*) symbol=compute_source_$name ;;
    queue/scripts/*) symbol=queue_script_$name ;;
    *) echo "embed.sh: $file: no room for it" >&2; exit 1 ;;
    esac
    cat >>"$out/embedded.S.tmp" <<END
    .section .rodata
    .global $symbol
$symbol:
    .incbin "$file"
    .byte 0
END
done
echo '    .section .note.GNU-stack,"",@progbits' >>"$out/embedded.S.tmp"
mv "$out/embedded.S.tmp" "$out/embedded.S"
mv "$out/operations.inc.tmp" "$out/operations.inc"
mv "$out/operation_files.inc.tmp" "$out/operation_files.inc"
