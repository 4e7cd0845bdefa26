#!/usr/bin/env bash
# Makes the demo model from nothing: pictures, tokenizer, tower, answers, export, held-out scenes, figures. Two hours on two CPU cores.
#   ./run.sh [folder for checkpoints and results, default: build]
# Stop it and start it again as you like. Needs npm, openssl, Debian's fonts-dejavu-core, and Python with the packages of
# requirements.txt.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-build}
python=${PYTHON:-python3}
export OMP_WAIT_POLICY=passive # threads that wait sleep, so a busy neighbour costs its share and no more

mkdir -p "$out"
./fetch.sh
[ -e "$out/tokenizer.json" ] || $python tokenizer.py "$out"
# each stage resumes from its checkpoint, and ends at once when it has seen its scenes
$python train.py tower --out "$out" --scenes 28800 --hold --text 0.24
$python train.py tower --out "$out" --scenes 46848 --text 0.65
$python train.py answer --out "$out" --scenes 57600 --text 0.35 --batch 24 --reuse 1 --rate 1.5e-3
$python export.py "$out" "$out/hf" --last
[ -e "$out/demo-eval.zip" ] || $python make_eval.py "$out/demo-eval.zip"
$python eval.py "$out" --data "$out/demo-eval.zip" --last --figures "$out/figures.json"
