#!/usr/bin/env bash
# Everything that is asked of a GPU machine, in one go: is it right, what could the device do, what does Fovea do, what do others.
#
#   bench/device/measure.sh BUNDLE OUT [minutes, default 9]
#
# BUNDLE: a folder made by `./fovea bundle -o BUNDLE`; nothing else is needed there but python3 with PyTorch for the ceilings and
# peers. OUT gets one file a part; a part that fails or runs over its time says so in OUT/summary.txt and the next one goes on.
# OUT/summary.txt is printed last. Exit status 1 if a check failed, else 0.
set -uo pipefail
bundle=${1:?usage: measure.sh BUNDLE OUT [minutes]}
out=${2:?usage: measure.sh BUNDLE OUT [minutes]}
minutes=${3:-9}
here=$(cd "$(dirname "$0")" && pwd)
fovea=$bundle/fovea
model=${TMPDIR:-/tmp}/fovea-measure-7b
end=$((SECONDS + minutes * 60))
mkdir -p "$out"
: > "$out/summary.txt"

say() { printf '%s\n' "$*" | tee -a "$out/summary.txt"; }

# part NAME SECONDS COMMAND...: its output in OUT/NAME.txt
part() {
  local name=$1 most=$2 left=$((end - SECONDS)) begun=$SECONDS status
  shift 2
  ((left > 5)) || { say "$name: no time left"; return 1; }
  timeout -k 5 $((left < most ? left : most)) "$@" > "$out/$name.txt" 2> "$out/$name.err"
  status=$?
  [ -s "$out/$name.err" ] || rm -f "$out/$name.err"
  say "$name: status $status, $((SECONDS - begun)) s"
  return $status
}

wrong=0
say "$(date -u +%FT%TZ) $(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null)"
part doctor 60 "$fovea" doctor
part check 200 "$fovea" check --backend cuda || wrong=1
part words 60 "$fovea" ask "$bundle/samples/scene-01.png" --box 360,41,464,180 'What is this?' --backend cuda || wrong=1
part ceilings 90 python3 "$here/ceilings.py"
[ -d "$model" ] || part synth 90 "$fovea" synth llava-1.5-7b --quant q4_0 -o "$model"
part bench 150 "$fovea" bench --backend cuda -m "$model" -p 64,320,640,2048 -n 128 -r 5 -o jsonl
part batches 120 "$fovea" bench --backend cuda -m "$model" -p 0 -n 64 -d 700,2048 -npl 1,2,4,8,16,32,64 -r 3 --no-image -o jsonl
part ask 60 "$fovea" ask -m "$model" "$bundle/samples/scene-01.png" --box 360,41,464,180 'What is this?' --backend cuda --json
part vision 120 python3 "$here/peers.py" --only vision
part decode 150 python3 "$here/peers.py" --only decode
part int4 120 python3 "$here/peers.py" --only int4
if command -v compute-sanitizer > /dev/null; then
  for tool in memcheck racecheck; do
    part "$tool" 200 compute-sanitizer --tool "$tool" --error-exitcode 9 --target-processes all "$fovea" check rms_norm --backend cuda \
      || wrong=1
  done
fi
say ""
for f in ceilings bench batches vision decode int4; do
  [ -s "$out/$f.txt" ] && say "$f" && cut -c1-400 "$out/$f.txt" | tee -a "$out/summary.txt"
done
tail -3 "$out"/check.txt "$out"/words.txt 2>/dev/null
exit $wrong
