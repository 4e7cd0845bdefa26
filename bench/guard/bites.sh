#!/usr/bin/env bash
# Proves the guard on real processes: a clone of this commit whose cpu backend waits after every kernel for a quarter of the kernel's time
# (a fifth of all time is then waiting, and a step takes a quarter more) must fail against this commit, and the message must name the test.
#
# bench/guard/bites.sh
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
commit=$(git rev-parse HEAD)
slower=$root/target/guard/slower
rm -rf "$slower"
git clone --quiet --shared . "$slower"
cd "$slower"
git checkout --quiet --detach "$commit"

source=native/src/cpu/table.cpp
sed -i 's|^\( *\)status = l->kernel->run(run, steps\[i\].args);|{ auto begun = std::chrono::steady_clock::now();\n&\nauto took = std::chrono::steady_clock::now() - begun, until = took + took / 4;\nwhile (std::chrono::steady_clock::now() - begun < until) {} }|; 1i #include <chrono>' "$source"
git diff --quiet "$source" && { echo "the delay could not be planted in $source"; exit 1; }
grep -q 'took / 4' "$source" || { echo "the delay could not be planted in $source"; exit 1; }
git -c user.name=guard -c user.email=guard@localhost commit --quiet --all --message "Wait after every kernel"

# As for the base: what is not measured is not built.
cmake -S . -B java/backend-cuda/target/native-build -DCMAKE_BUILD_TYPE=Release -DFOVEA_TESTS=OFF -DFOVEA_CPU=OFF -DFOVEA_NVCC= \
  -DFOVEA_CUDA_EMULATED=OFF --log-level=WARNING >/dev/null
log=$slower/target/guard.log
mkdir -p target
status=0
./fovea bench --guard "$commit" -m models/demo --backend cpu -p 0 -n 32 -r 3 --no-image --rounds 10 >"$log" 2>&1 || status=$?
cat "$log"
if [ "$status" != 1 ] || ! grep -q 'tg32.*SLOWER' "$log"; then
  echo "a planted delay of a quarter was not called slower (exit status $status)"
  exit 1
fi
echo "the planted delay was called slower"
