#!/usr/bin/env bash
# Fuzzes: fuzz/run.sh SECONDS [TARGET…] runs each target (all by default) for that long, as many at a time as there are
# cores, from fixtures as seeds. Ends with an error if one finds something; the input lies in fuzz/artifacts/TARGET/.
set -euo pipefail
cd "$(dirname "$0")"
seconds=$1
shift
# The stable compiler takes the fuzzer's flags with this.
export RUSTC_BOOTSTRAP=1
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked --profile dev
if [ $# = 0 ]; then
  mapfile -t targets < <(cargo fuzz list --fuzz-dir .)
  set -- "${targets[@]}"
fi
python3 seeds.py >/dev/null
# Without AddressSanitizer, three times as fast: there is no `unsafe` in what runs here but the mapping of files, and the
# tests run under that sanitizer (CONTRIBUTING.md). Overflow checks are on.
cargo fuzz build --fuzz-dir . --sanitizer none
one() {
  mkdir -p "artifacts/$1" "corpus/$1"
  local log="artifacts/$1.log" dictionary=()
  [ "$1" != pickle_machine ] || dictionary=(-dict=pickle.dict)
  if ! cargo fuzz run --fuzz-dir . --sanitizer none "$1" -- -max_total_time="$2" -max_len=8192 -timeout=20 \
    -rss_limit_mb=2048 -malloc_limit_mb=512 -print_final_stats=1 "${dictionary[@]}" >"$log" 2>&1; then
    tail -n 60 "$log"
    echo "$1 FOUND SOMETHING: fuzz/artifacts/$1/"
    return 1
  fi
  echo "$1: $(grep -a number_of_executed_units "$log" | tr -dc 0-9) executions in $2 s"
}
export -f one
printf '%s\n' "$@" | xargs -P "$(nproc)" -I TARGET bash -c "one TARGET $seconds"
