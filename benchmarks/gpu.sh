#!/usr/bin/env bash
# What only a GPU can show, in at most 12 minutes on one card, as one table.
#
#   benchmarks/gpu.sh FOLDER [STEP...]    all steps, or those named; results in FOLDER, the table in FOLDER/table.md
#
# What is finished is not repeated: the same command goes on where a run was stopped. Before it, on any machine:
#   make setup
#   .venv/bin/python studies/real/prepare.py studies/real_gpu      (for teachers and the study; downloads CIFAR-10)
# RepDistiller's and mdistiller's own loops are measured too if REPDISTILLER and MDISTILLER name checkouts of them.
# ANY_DEVICE=1 tries the script itself on a machine without a GPU; its numbers then mean nothing.
set -uo pipefail
cd "$(dirname "$0")/.."
OUT=${1:?benchmarks/gpu.sh FOLDER [STEP...]}
shift
PYTHON=${PYTHON:-.venv/bin/python}
CIFAR=studies/real_gpu/resources/cifar10
PEERS=()
[ -n "${REPDISTILLER:-}" ] && PEERS+=(--repdistiller "$REPDISTILLER")
[ -n "${MDISTILLER:-}" ] && PEERS+=(--mdistiller "$MDISTILLER")

# a step's limit in seconds, what it shows, and its command
declare -A LIMIT ABOUT
define() { LIMIT[$1]=$2 ABOUT[$1]=$3; STEPS+=("$1"); }
STEPS=()
define tests 90 "tests that skip without a GPU"
define steps 60 "milliseconds a step of three pairs of networks"
define loops 90 "steps against other loops"
define teacher94 60 "a teacher in seconds (convnet_l)"
define teacher96 90 "a better one (convnet_xl)"
define study 180 "studies/real_gpu: distilling with 800, 4,000 and 7,400 images"
define sd2 60 "images a second of Stable Diffusion 2's architecture"
define sd2_compiled 150 "the same, compiled"
define sd3 60 "images a second of Stable Diffusion 3-medium's architecture"
define memory 60 "peak memory with 8,000 images of 224 pixels, kept on the GPU and copied there a batch ahead"
define photographs 60 "students of 224 pixels with a timm teacher: steps a second, memory"

command_of() {
    case $1 in
        tests) "$PYTHON" -m pytest -q -p no:cacheprovider tests/training/test_cuda_graphs.py tests/training/test_prefetch.py tests/models/test_batchnorm_folding.py ;;
        steps) "$PYTHON" benchmarks/kernels.py steps ;;
        loops) "$PYTHON" benchmarks/training.py "${PEERS[@]}" ;;
        teacher94) "$PYTHON" benchmarks/teacher.py "$CIFAR" --teacher fast ;;
        teacher96) "$PYTHON" benchmarks/teacher.py "$CIFAR" --teacher best ;;
        study) .venv/bin/snakemake --directory studies/real_gpu --cores all --resources=gpu=10 &&
            "$PYTHON" -c "import pandas; print(pandas.read_csv('studies/real_gpu/results/tables/summary.csv').iloc[:, :12].to_string())" ;;
        sd2) "$PYTHON" benchmarks/generation.py --real sd2 ;;
        sd2_compiled) "$PYTHON" benchmarks/generation.py --real sd2 --compile ;;
        sd3) "$PYTHON" benchmarks/generation.py --real sd3 ;;
        memory) "$PYTHON" benchmarks/memory.py ;;
        photographs) "$PYTHON" benchmarks/photographs.py ;;
    esac
}

if [ -z "${ANY_DEVICE:-}" ] && ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "benchmarks/gpu.sh: no GPU that PyTorch can use; nothing is measured." >&2
    exit 1
fi
for step in "$@"; do
    [ -n "${LIMIT[$step]:-}" ] || { echo "benchmarks/gpu.sh: no step $step; there are ${STEPS[*]}" >&2; exit 1; }
done
mkdir -p "$OUT"
for step in "${@:-${STEPS[@]}}"; do
    [ -e "$OUT/$step.done" ] && { echo "$step: finished before"; continue; }
    echo "$step: ${ABOUT[$step]} (at most ${LIMIT[$step]} s)"
    export -f command_of
    export PYTHON CIFAR
    begin=$SECONDS
    PEER_OPTIONS="${PEERS[*]}" timeout --kill-after=10 "${LIMIT[$step]}" bash -c 'PEERS=($PEER_OPTIONS); command_of '"$step" >"$OUT/$step.log" 2>&1
    code=$?
    echo "$((SECONDS - begin)) $code" >"$OUT/$step.seconds"
    [ $code = 0 ] && touch "$OUT/$step.done" || echo "$step: ended with $code; its log is $OUT/$step.log" >&2
done
{
    echo "| step | seconds | ended | what it printed last |"
    echo "|---|---|---|---|"
    failed=0
    for step in "${STEPS[@]}"; do
        [ -e "$OUT/$step.seconds" ] || continue
        read -r seconds code <"$OUT/$step.seconds"
        last=$(grep -v '^\s*$' "$OUT/$step.log" | tail -n 6 | tr '|' '/' | sed 's/$/<br>/' | tr -d '\n')
        ended=$([ "$code" = 0 ] && echo yes || { [ "$code" = 124 ] && echo "no: over its limit" || echo "no: code $code"; })
        echo "| ${ABOUT[$step]} | $seconds | $ended | ${last%<br>} |"
    done
    echo
    "$PYTHON" -c 'import platform, torch; name = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor(); print("Measured on", name, "with PyTorch", torch.__version__)'
    date -u '+%Y-%m-%d'
} >"$OUT/table.md"
cat "$OUT/table.md"
