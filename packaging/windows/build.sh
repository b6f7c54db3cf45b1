#!/bin/sh
# Makes the MSI of osssync for amd64: build.sh VERSION OSSSYNC.EXE OUTDIR
#
# Needs wixl and msibuild (Debian: wixl, msitools). With go-winres on the path
# the program gets a version resource. With OSSSYNC_SIGN_CERT and
# OSSSYNC_SIGN_KEY (PEM files) program and MSI are signed by osslsigncode, with
# a time stamp of OSSSYNC_SIGN_TSA (an address) if that is given.
#
# The same program, version and SOURCE_DATE_EPOCH give the same bytes, unless
# they are signed with a time stamp.
set -eu

version=${1:?version} exe=${2:?program} out=${3:?directory to write to}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${SOURCE_DATE_EPOCH:=$(git -C "$root" log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
umask 022

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

# Windows compares three numbers, of which the third is at most 65535.
number=$(printf '%s\n' "${version#v}" | sed -nE 's/^([0-9]+\.[0-9]+\.[0-9]+).*/\1/p')
: "${number:=0.0.0}"

# uuid NAME prints an identifier that is the same for the same name.
uuid() {
	printf '%s' "osssync $1" | sha1sum |
		sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/\1-\2-5\3-8\4-\5/' | tr a-f A-F
}

sign() {
	[ -n "${OSSSYNC_SIGN_CERT-}" ] || return 0
	osslsigncode sign -certs "$OSSSYNC_SIGN_CERT" -key "${OSSSYNC_SIGN_KEY:?}" -h sha256 -n osssync \
		${OSSSYNC_SIGN_TSA:+-ts "$OSSSYNC_SIGN_TSA"} -time "$SOURCE_DATE_EPOCH" -in "$1" -out "$1.signed" >/dev/null
	mv "$1.signed" "$1"
}

cp "$exe" "$stage/osssync.exe"
cp "$root/LICENSE" "$stage/LICENSE.txt"
cp "$root/config.example.toml" "$root/docs/configuration.md" "$here/osssync.toml" "$here/osssync.wxs" "$stage/"
chmod 644 "$stage"/*
cd "$stage"
if command -v go-winres >/dev/null; then
	sed "s/@NUMBER@/$number.0/; s/@VERSION@/$version/" "$here/winres.json" >winres.json
	go-winres patch --in winres.json --no-backup --delete osssync.exe >/dev/null
else
	echo "packaging/windows: no go-winres, so no version resource" >&2
fi
sign osssync.exe
touch -d "@$SOURCE_DATE_EPOCH" ./*

name=osssync_${version#v}_windows_amd64.msi
wixl -a x64 -D ProductCode="$(uuid "product $version")" -D Version="$number" -D FullVersion="$version" -o "$name" osssync.wxs

query() { msibuild "$name" -q "$1"; }

# Never overwritten, and left when the rest goes: 256 64-bit, 16 permanent, 128
# never overwrite. wixl knows neither.
query "UPDATE Component SET Attributes = 400 WHERE Component = 'cConf'"

# PATH, for all users (*), removed again (-). wixl 0.101 fails at Environment,
# 0.106 forgets the removal.
printf 'Environment\tName\tValue\tComponent_\r\ns72\tl64\tL255\ts72\r\nEnvironment\tEnvironment\r\nenvPath\t=-*PATH\t[~];[INSTALLDIR]\tcExe\r\n' >Environment.idt
msibuild "$name" -i Environment.idt
query "INSERT INTO InstallExecuteSequence (Action, Sequence) VALUES ('WriteEnvironmentStrings', 5200)"
query "INSERT INTO InstallExecuteSequence (Action, Sequence) VALUES ('RemoveEnvironmentStrings', 3300)"

# The setup of the service: the installed program (18), its failure ignored
# (64), in the script (1024), as the system (2048).
query "UPDATE CustomAction SET Type = 3154 WHERE Action = 'Setup'"
query "INSERT INTO InstallExecuteSequence (Action, Condition, Sequence) VALUES ('Setup', 'NOT REMOVE', 6500)"

# wixl leaves a backslash at the end of the key.
query "UPDATE Registry SET \`Key\` = 'SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\osssync'"

query "INSERT INTO LaunchCondition (Condition, Description) VALUES ('VersionNT64 >= 603', 'osssync needs a 64-bit Windows Server 2016 or Windows 10, or later.')"

# The package code, and the times that wixl took from the clock.
msibuild "$name" -s "osssync $version" "The osssync authors" "x64;1033" "{$(uuid "package $version $(sha256sum osssync.exe)")}"
(cd "$root" && go run ./packaging/windows/settimes "$stage/$name" "$SOURCE_DATE_EPOCH")
sign "$name"

mkdir -p "$out"
cp "$name" "$out/$name"
echo "$out/$name"
