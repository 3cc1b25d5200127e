#!/usr/bin/env bash
# What ResNet-50 at 256x128 does on a machine with a GPU and no internet, in a given time (see bench/papers_size_work.py):
#
#   deploy/models/gpu_resnet.sh OUT DATA [MINUTES] [options of bench.papers_size]
#
# DATA is a folder of Market-1501's layout. OUT gets figures.json, and eea.jsonl and merged.jsonl, the runs' logs. What
# there is comes to OUT even where the run is cut off, a minute after MINUTES (7.5). PYTHON names the interpreter.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,7p' "$0" >&2; exit 2; }
out=$(realpath -m "$1")
data=$(realpath "$2")
minutes=${3:-7.5}
cd "$(dirname "$0")/../.."
mkdir -p "$out"
run=$(mktemp -d)

keep_results() {
    [ ! -f "$run/figures.json" ] || cp "$run/figures.json" "$out"
    for method in eea merged; do
        [ ! -f "$run/$method/log.jsonl" ] || cp "$run/$method/log.jsonl" "$out/$method.jsonl"
    done
    rm -rf "$run"
}
trap keep_results EXIT

limit=$(awk -v minutes="$minutes" 'BEGIN { print int(60 * minutes + 60) }')
timeout --kill-after=5 "$limit" "${PYTHON:-python3}" -m bench.papers_size_work \
    --data "market1501:$data" --out "$run" --minutes "$minutes" "${@:4}"
