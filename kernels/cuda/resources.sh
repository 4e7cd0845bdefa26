#!/bin/sh
# Registers, shared memory, stack and spills of every kernel on every architecture, as docs/cuda-resources.md has them, from what
# ptxas said when the fatbins were built.
#
#   kernels/cuda/resources.sh BUILD            writes docs/cuda-resources.md
#   kernels/cuda/resources.sh --check BUILD    compares with it, and fails on any spill
#
# BUILD: the folder CMake built in, with nvcc and all architectures. Another release of nvcc gives other numbers: they are then
# not compared, which is said.
set -eu
check=
if [ "${1:-}" = --check ]; then
  check=1
  shift
fi
build=${1:?usage: resources.sh [--check] BUILD}
root=$(cd "$(dirname "$0")/../.." && pwd)
table=$root/docs/cuda-resources.md
set -- "$build"/native/kernels/*.usage
[ -e "$1" ] || {
  echo "no *.usage in $build/native/kernels: build there with nvcc first" >&2
  exit 1
}
nvcc=$(sed -n 's/^FOVEA_NVCC:[A-Z]*=//p' "$build/CMakeCache.txt")
release=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
new=$(mktemp)
trap 'rm -f "$new"' EXIT

# Three kinds of lines matter:
#   ptxas info    : Compiling entry function 'add__four' for 'sm_90a'
#       0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
#   ptxas info    : Used 32 registers, used 1 barriers, 256 bytes smem
awk -v release="$release" -v quote="'" '
  function sort(list, count, numbers,    i, j, t) {
    for (i = 2; i <= count; i++)
      for (j = i; j > 1 && (numbers ? list[j] + 0 < list[j - 1] + 0 : list[j] < list[j - 1]); j--) {
        t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
      }
  }
  /Compiling entry function/ {
    split($0, part, quote)
    kernel = part[2]
    architecture = substr(part[4], 4)
    if (!(kernel in known)) { known[kernel]; kernels[++kernel_count] = kernel }
    if (!(architecture in known)) { known[architecture]; architectures[++architecture_count] = architecture }
  }
  /bytes stack frame/ { stack = $1; spill = $5 + $9 }
  /Used [0-9]+ registers/ {
    text = $0
    sub(/.*Used /, "", text)
    shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
    cell[kernel, architecture] = text + 0 (shared ? " / " shared : "") \
        (stack ? " stack " stack : "") (spill ? " SPILL " spill : "")
  }
  END {
    sort(kernels, kernel_count, 0)
    sort(architectures, architecture_count, 1)
    print "# What the CUDA kernels take"
    print ""
    print "Registers a thread / static shared memory a block in bytes, by architecture; then the stack, where there is one, and spills,"
    print "which `kernels/cuda/resources.sh --check` forbids. Written by `kernels/cuda/resources.sh` with nvcc " release "."
    print ""
    line = "| kernel |"
    rule = "|---|"
    for (a = 1; a <= architecture_count; a++) { line = line " " architectures[a] " |"; rule = rule "---|" }
    print line
    print rule
    for (k = 1; k <= kernel_count; k++) {
      line = "| " kernels[k] " |"
      for (a = 1; a <= architecture_count; a++) line = line " " cell[kernels[k], architectures[a]] " |"
      print line
    }
  }' "$@" >"$new"

if [ -z "$check" ]; then
  cp "$new" "$table"
  exit
fi
failed=0
if grep SPILL "$new" >&2; then
  echo "these kernels spill registers" >&2
  failed=1
fi
if ! grep -q "with nvcc $release\.\$" "$table"; then
  echo "docs/cuda-resources.md is of another nvcc than $release: not compared" >&2
elif ! diff -u "$table" "$new" >&2; then
  echo "docs/cuda-resources.md is not what was built: run kernels/cuda/resources.sh" >&2
  failed=1
fi
exit $failed
