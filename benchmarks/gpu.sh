#!/usr/bin/env bash
# Measures everything that needs a GPU, in at most 12 minutes on one, and prints one table.
#
#   benchmarks/gpu.sh FOLDER [STEP...]    all steps, or those named; results in FOLDER, the table in FOLDER/table.md
#
# Finished steps are not repeated: run the same command again to continue. Before the first run, on any machine:
#   make setup
#   .venv/bin/python studies/real/prepare.py studies/real_gpu      (for teachers and the study; downloads CIFAR-10)
# To also measure the loops of RepDistiller and mdistiller, set REPDISTILLER and MDISTILLER to folders of checkouts.
# ANY_DEVICE=1 runs the script on a machine without a GPU, to test the script; its numbers then mean nothing.
set -uo pipefail
cd "$(dirname "$0")/.."
OUT=${1:?benchmarks/gpu.sh FOLDER [STEP...]}
shift
PYTHON=${PYTHON:-.venv/bin/python}
CIFAR=studies/real_gpu/resources/cifar10
PEERS=()
[ -n "${REPDISTILLER:-}" ] && PEERS+=(--repdistiller "$REPDISTILLER")
[ -n "${MDISTILLER:-}" ] && PEERS+=(--mdistiller "$MDISTILLER")

# step → its limit in seconds, and what it measures; command_of has its command
declare -A LIMIT ABOUT
define() { LIMIT[$1]=$2 ABOUT[$1]=$3; STEPS+=("$1"); }
STEPS=()
define tests 75 "tests that are skipped without a GPU"
define steps 50 "milliseconds per step of three pairs of networks"
define loops 75 "milliseconds per step against other training loops"
define teacher94 45 "seconds to train a fast teacher (convnet_l)"
define teacher96 75 "seconds to train a better teacher (convnet_xl)"
define study 150 "studies/real_gpu: distilling with 800, 4,000 and 7,400 images"
define sd2 45 "images per second of Stable Diffusion 2's architecture"
define sd2_compiled 110 "images per second of Stable Diffusion 2's architecture, compiled"
define sd3 45 "images per second of Stable Diffusion 3-medium's architecture"
define memory 50 "a student of 224 pixels distilled from a network of timm: time and peak memory"

command_of() {
    case $1 in
        tests) "$PYTHON" -m pytest -q -p no:cacheprovider tests/training/test_cuda_graphs.py tests/training/data/test_prefetch.py tests/models/test_batchnorm_folding.py ;;
        steps) "$PYTHON" benchmarks/kernels.py steps ;;
        loops) "$PYTHON" benchmarks/training.py "${PEERS[@]}" ;;
        teacher94) "$PYTHON" benchmarks/teacher.py "$CIFAR" --teacher fast ;;
        teacher96) "$PYTHON" benchmarks/teacher.py "$CIFAR" --teacher best ;;
        study) .venv/bin/snakemake --directory studies/real_gpu --cores all --resources=gpu=10 &&
            "$PYTHON" -c "import pandas; print(pandas.read_csv('studies/real_gpu/results/tables/summary.csv').iloc[:, :12].to_string())" ;;
        sd2) "$PYTHON" benchmarks/generation.py --real sd2 ;;
        sd2_compiled) "$PYTHON" benchmarks/generation.py --real sd2 --compile ;;
        sd3) "$PYTHON" benchmarks/generation.py --real sd3 ;;
        memory) "$PYTHON" benchmarks/memory.py --steps 100 ;;
    esac
}

if [ -z "${ANY_DEVICE:-}" ] && ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "benchmarks/gpu.sh: PyTorch finds no GPU, so nothing is measured." >&2
    exit 1
fi
for step in "$@"; do
    [ -n "${LIMIT[$step]:-}" ] || { echo "benchmarks/gpu.sh: unknown step $step; choose among ${STEPS[*]}" >&2; exit 1; }
done
mkdir -p "$OUT"
for step in "${@:-${STEPS[@]}}"; do
    [ -e "$OUT/$step.done" ] && { echo "$step: already finished"; continue; }
    echo "$step: ${ABOUT[$step]} (at most ${LIMIT[$step]} s)"
    export -f command_of
    export PYTHON CIFAR
    begin=$SECONDS
    PEER_OPTIONS="${PEERS[*]}" timeout --kill-after=10 "${LIMIT[$step]}" bash -c 'PEERS=($PEER_OPTIONS); command_of '"$step" >"$OUT/$step.log" 2>&1
    code=$?
    echo "$((SECONDS - begin)) $code" >"$OUT/$step.seconds"
    [ $code = 0 ] && touch "$OUT/$step.done" || echo "$step: failed with exit code $code; see $OUT/$step.log" >&2
done
{
    echo "| step | seconds | finished | last lines of output |"
    echo "|---|---|---|---|"
    failed=0
    for step in "${STEPS[@]}"; do
        [ -e "$OUT/$step.seconds" ] || continue
        read -r seconds code <"$OUT/$step.seconds"
        last=$(grep -v '^\s*$' "$OUT/$step.log" | tail -n 6 | tr '|' '/' | sed 's/$/<br>/' | tr -d '\n')
        ended=$([ "$code" = 0 ] && echo yes || { [ "$code" = 124 ] && echo "no: over its time limit" || echo "no: exit code $code"; })
        echo "| ${ABOUT[$step]} | $seconds | $ended | ${last%<br>} |"
    done
    echo
    "$PYTHON" -c 'import platform, torch; name = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor(); print("Measured on", name, "with PyTorch", torch.__version__)'
    date -u '+%Y-%m-%d'
} >"$OUT/table.md"
cat "$OUT/table.md"
