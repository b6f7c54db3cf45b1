#!/bin/sh
# Gives osssync.exe its manifest and its version, and signs it, in place:
# program.sh VERSION OSSSYNC.EXE
#
# No program is released without a version: an upgrade would leave an older one
# that has one in its place, and then remove it. Needs go.
set -eu

version=${1:?version} exe=$(realpath "${2:?program}")
here=$(cd "$(dirname "$0")" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

number=$("$here/number.sh" "$version")
sed "s/@NUMBER@/$number.0/; s/@VERSION@/${version#v}/" "$here/winres.json" >"$stage/winres.json"
cd "$here" # where go may look for modules
go run github.com/tc-hib/go-winres@v0.3.3 patch --in "$stage/winres.json" --no-backup --delete "$exe" >/dev/null
"$here/sign.sh" "$exe"
