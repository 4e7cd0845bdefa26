#!/usr/bin/env bash
# Fetches the emoji pictures (64 px, Noto) of the npm package emoji-datasource-google into emoji/, where scenes.py looks for them.
set -euo pipefail
cd "$(dirname "$0")"
[ -e emoji/LICENSE ] && exit
package=emoji-datasource-google version=15.1.2
sha512=RzBMQtclTnSDgjf/QbcNAkgZmA7al3TSnQxKJvZNwdDjOOlYdzBSmkvGYP9ZzHpBS4HBQ8IOQDsueV1YCA64LA==

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm pack --silent --pack-destination "$work" "$package@$version" > "$work/name"
archive=$work/$(cat "$work/name")
found=$(openssl dgst -sha512 -binary "$archive" | base64 -w0)
if [ "$found" != "$sha512" ]; then
  echo "$package@$version: expected sha512-$sha512, found sha512-$found" >&2
  exit 1
fi
tar -xzf "$archive" -C "$work" package/LICENSE package/img/google/64
mkdir -p emoji
mv "$work"/package/img/google/64/*.png emoji/
mv "$work/package/LICENSE" emoji/ # last: its presence says that all is there
