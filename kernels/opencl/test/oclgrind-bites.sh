#!/usr/bin/env bash
# What oclgrind.sh is for must fail it: a kernel that reads outside of its buffer, and one whose work-items race. They go before the
# kernels of the jar on the class path.
set -u
cd "$(dirname "$0")/../../.." || exit 1
planted=$(mktemp -d) || exit 1
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted/kernels/opencl"
kernel=kernels/opencl/concat_rows.cl

# Whether concat_rows with this change to its last line is found, as that.
bites() {
  sed "$1" $kernel >"$planted/$kernel"
  cmp -s $kernel "$planted/$kernel" && { echo "nothing was planted: $1"; return 1; }
  local found
  found=$(JDK_JAVA_OPTIONS=-Xbootclasspath/a:$planted kernels/opencl/test/oclgrind.sh concat_rows) && { echo "NOT FOUND: $2"; return 1; }
  grep "$2" <<<"$found" | head -n 1 | grep . || { echo "NOT FOUND: $2, but:"; echo "$found"; return 1; }
}

bites 's/: F32(b)\[i - first\];/: F32(b)[i - first] + 0 * F32(b)[i + (1 << 26)];/' 'Invalid read' &&
  bites 's/F32(y)\[i\] = /F32(y)[i \/ 2] = /' 'data race' &&
  kernels/opencl/test/oclgrind.sh concat_rows
