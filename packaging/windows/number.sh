#!/bin/sh
# Prints the three numbers of a version that Windows compares: number.sh VERSION
# The third is at most 65535.
set -eu
number=$(printf '%s\n' "${1#v}" | sed -nE 's/^([0-9]+\.[0-9]+\.[0-9]+).*/\1/p')
echo "${number:-0.0.0}"
