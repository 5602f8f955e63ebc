#!/usr/bin/env bash
# Counts the instructions of the main paths with valgrind's callgrind: wall time is noisy, these are not.
#
#   benches/instructions.sh                 prints each work's count beside the committed one (instructions.tsv)
#   benches/instructions.sh --check         and ends with 1 if one is more than 5 % above it
#   benches/instructions.sh --update        and writes the counts to instructions.tsv
#   benches/instructions.sh [--check] WORK… only these
#
# Repeated on one machine, the counts differ by less than 0.1 % (hash tables are seeded anew in each process). They hold for
# one compiler, one C library (whose memcpy is counted) and the vector instructions of one kind of processor; of threads,
# only what the first does is counted.
set -euo pipefail
cd "$(dirname "$0")/.."
allowed=5
mode=print
case "${1-}" in
  --check | --update) mode=${1#--}; shift ;;
  -*) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
command -v valgrind >/dev/null || { echo "valgrind is not installed" >&2; exit 2; }

baseline=benches/instructions.tsv
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
driver=$(cargo bench --bench instructions --no-run --locked --message-format json 2>/dev/null |
  sed -n 's/.*"name":"instructions".*"executable":"\([^"]*\)".*/\1/p')
[ -x "$driver" ] || { echo "cargo bench --bench instructions --no-run gave no executable" >&2; exit 2; }
"$driver" make "$folder"

if [ $# = 0 ]; then mapfile -t works < <("$driver" names); else works=("$@"); fi
: >"$folder/counts"
worse=0
printf '%-58s %15s %15s %7s\n' work before now ratio
for work in "${works[@]}"; do
  said=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*instructions*measured*' \
    "$driver" "$work" "$folder" 2>&1) || { echo "$said" >&2; exit 2; }
  now=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' <<<"$said")
  before=$(awk -F '\t' -v work="$work" '$1 == work { print $2 }' "$baseline" 2>/dev/null || true)
  printf '%s\t%s\n' "$work" "$now" >>"$folder/counts"
  awk -v work="$work" -v before="$before" -v now="$now" -v allowed="$allowed" 'BEGIN {
    more = before && now > before * (1 + allowed / 100)
    ratio = before ? sprintf("%.3f", now / before) : "-"
    printf "%-58s %15s %15d %7s%s\n", work, before ? before : "-", now, ratio, more ? "  more" : ""
    exit more
  }' || worse=1
done

if [ "$mode" = update ]; then
  [ $# = 0 ] || { echo "--update takes no works: it writes all of them" >&2; exit 2; }
  { printf 'work\tinstructions (%s)\n' "$(rustc --version | cut -d ' ' -f 1,2)"; cat "$folder/counts"; } >"$baseline"
elif [ "$mode" = check ] && [ "$worse" = 1 ]; then
  echo "more than $allowed % above $baseline; where: callgrind without --callgrind-out-file, then callgrind_annotate" >&2
  exit 1
fi
