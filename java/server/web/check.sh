#!/usr/bin/env bash
# The web page's own checks: types, units, that the committed build is fresh, and the page in Chromium. Installs what is missing.
# The last line counts what passed and what failed; screenshots are left in target/screenshots.
set -u
cd "$(dirname "$0")" || exit 1

need() {
  command -v "$1" >/dev/null && return
  local sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -q && $sudo apt-get install -q -y --no-install-recommends "$2"
}
need npm npm && need "${CHROMIUM:-chromium}" chromium || exit 1
[ -x node_modules/.bin/vite ] && [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund || exit 1

npm run --silent check || exit 1
log=$(mktemp)
shots=$(cd ../../.. && pwd)/target/screenshots
rm -rf "$shots"
trap 'rm -f "$log"' EXIT
# Named one by one: node takes every file below a folder called test for one.
[ $# -gt 0 ] || set -- $(find test -name '*.test.js' | sort)
node --test --test-concurrency=1 --test-reporter=tap "$@" >"$log" 2>&1
status=$?
grep -E '^ *(ok|not ok) ' "$log"
[ "$status" = 0 ] || cat "$log"
[ ! -d "$shots" ] || printf '%d screenshots in %s\n' "$(find "$shots" -name '*.png' | wc -l)" "$shots"
figure() { sed -n "s/^# $1 //p" "$log" | tail -n 1; }
printf '%d passed, %d failed\n' "$(figure pass)" "$(($(figure fail) + $(figure cancelled) + $(figure skipped)))"
[ "$status" = 0 ] && [ "$(figure skipped)" = 0 ] && [ "$(figure pass)" -gt 0 ]
