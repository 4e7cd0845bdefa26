#!/usr/bin/env bash
# Runs the harness's small cases on oclgrind, a simulator that sees every access of every kernel: one outside of its buffer, or a race
# of two work-items, fails with kernel and line. Usage: kernels/opencl/test/oclgrind.sh [OP...]; all OpenCL kernels if none is
# named.
#
# The command `oclgrind` cannot do this: it puts itself before the program's calls with LD_PRELOAD, and Java finds OpenCL with dlsym. So the
# system's loader is told of no driver but oclgrind's.
set -u
cd "$(dirname "$0")/../../.." || exit 1

driver=$(ls /usr/lib/oclgrind/liboclgrind-rt-icd.so /usr/lib/*/oclgrind/liboclgrind-rt-icd.so 2>/dev/null | head -n 1)
[ -n "$driver" ] || { echo "oclgrind is missing: apt-get install oclgrind"; exit 2; }
out=$PWD/target/oclgrind${case:+-$case}
rm -rf "$out"
mkdir -p "$out/vendors"
echo "$driver" >"$out/vendors/oclgrind.icd"
# The arena of a case is more than the 128 MiB that it pretends to have otherwise.
export OCL_ICD_VENDORS=$out/vendors OCLGRIND_DATA_RACES=1 OCLGRIND_GLOBAL_MEM_SIZE=$((4 << 30)) OCLGRIND_MAX_ERRORS=5
export XDG_CACHE_HOME=$out/cache out
# As for a processor, unless one says otherwise: work-items that share memory are very slow to watch.
export JDK_JAVA_OPTIONS="-Dfovea.opencl.tuning=${tuning:-1x64} ${JDK_JAVA_OPTIONS:-}"

all=false
if [ $# = 0 ]; then
  all=true
  # Three run no kernel that linear_add, linear_quick_gelu and norm_swiglu do not.
  # shellcheck disable=SC2046
  set -- $(sed -n '/^## Kernels of opencl/,/^## [^K]/s/^| `\([a-z_]*\)`.*/\1/p' docs/ops.md | sort -u | grep -vxE 'linear|linear_gelu|swiglu')
fi
./fovea build && ./fovea doctor | grep -q '^backend opencl *Oclgrind' || { echo "the opencl backend does not run on oclgrind"; exit 1; }

# Passed, and nothing found.
one() {
  OCLGRIND_LOG=$out/$1.log ./fovea check --backend opencl --small --case "${case:-}" "$1" >"$out/$1.txt" 2>&1
  local status=$?
  if [ $status != 0 ] || [ ! -s "$out/$1.txt" ] || [ -s "$out/$1.log" ]; then
    echo "FAILED: $1 on oclgrind"
    tail -n 5 "$out/$1.txt"
    head -n 20 "$out/$1.log" 2>/dev/null
    return 1
  fi
  echo "$1: nothing found"
}
export -f one
status=0
printf '%s\n' "$@" | xargs -P "$(nproc)" -I OP bash -c 'one OP' || status=1
# One case of the tiles in local memory.
$all && { case=3x96x17 tuning=8x16 kernels/opencl/test/oclgrind.sh linear_add || status=1; }
exit $status
