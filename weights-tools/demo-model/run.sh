#!/usr/bin/env bash
# Makes the demo model from nothing: tokenizer, tower, answers, export, figures. Two hours, on two CPU cores.
#   ./run.sh [folder for checkpoints and results, default: build]
# Needs Debian's fonts-noto-color-emoji and fonts-dejavu-core, and Python with the packages of requirements.txt.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-build}
python=${PYTHON:-python3}
export OMP_WAIT_POLICY=passive # threads that wait sleep, so a busy neighbour costs its share and no more

mkdir -p "$out"
[ -e "$out/tokenizer.json" ] || $python tokenizer.py "$out"
# each stage resumes from its checkpoint, and ends at once when its minutes are used up
$python train.py tower --out "$out" --minutes 12 --text 0.24
$python train.py tower --out "$out" --minutes 30 --text 0.65
$python train.py answer --out "$out" --minutes 90 --text 0.35 --batch 24 --reuse 1 --rate 1.5e-3
$python export.py "$out" "$out/hf" --last
[ -e eval/demo-eval.zip ] || $python make_eval.py
$python eval.py "$out" --last --figures "$out/figures.json"
