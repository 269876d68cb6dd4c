# lengths.awk: no function above 80 lines, no file above 600.
FNR == 1 { inside = 0 }
/^\{$/ { inside = FNR }
/^\}/ && inside { if (FNR - inside > 80) complain(inside, "function of " FNR - inside - 1 " lines"); inside = 0 }
FNR == 601 { complain(FNR, "file of more than 600 lines") }
END { exit bad }
function complain(line, what) { print FILENAME ":" line ": " what; bad = 1 }
