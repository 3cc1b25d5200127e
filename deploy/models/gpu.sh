#!/usr/bin/env bash
# Makes the encoder `base` on a machine with a GPU, many cores and no internet, in a given time:
#
#   deploy/models/gpu.sh OUT [MINUTES] [options of deploy.models.streamed]
#
# OUT gets base.safetensors, figures.json, log.jsonl, base.onnx and the card. Weights and figures are there after
# MINUTES (7.5), the rest half a minute later. What there is comes to OUT even where the run is cut off. PYTHON names
# the interpreter, TMPDIR a disk with 12 GB for the crops. The interpreter needs Typer and rich beside torch. Without
# internet: `pip install --target FOLDER typer` elsewhere, bring FOLDER, and name it in PYTHONPATH.
set -euo pipefail

[ $# -ge 1 ] || { sed -n '2,10p' "$0" >&2; exit 2; }
out=$(realpath -m "$1")
minutes=${2:-7.5}
cd "$(dirname "$0")/../.."
mkdir -p "$out"
run=$(mktemp -d)

keep_results() {
    find "$run" -maxdepth 1 -type f -exec cp {} "$out" \;
    rm -rf "$run"
}
trap keep_results EXIT

# Each process has one core: threads of their libraries would take it from the others.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1
limit=$(awk -v minutes="$minutes" 'BEGIN { print int(60 * minutes + 75) }')
timeout --kill-after=5 "$limit" "${PYTHON:-python3}" -m deploy.models.streamed \
    --out "$run" --minutes "$minutes" "${@:3}"
