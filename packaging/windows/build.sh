#!/bin/sh
# Makes the MSI of osssync for amd64: build.sh VERSION OSSSYNC.EXE OUTDIR
#
# The program is packed as program.sh leaves it. Needs wixl and msibuild
# (Debian: wixl, msitools), and go. The MSI is signed as sign.sh says.
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

number=$("$here/number.sh" "$version")

# uuid NAME prints an identifier that is the same for the same name.
uuid() {
	printf '%s' "osssync $1" | sha1sum |
		sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/\1-\2-5\3-8\4-\5/' | tr a-f A-F
}

cp "$exe" "$stage/osssync.exe"
cp "$root/LICENSE" "$stage/LICENSE.txt"
cp "$root/config.example.toml" "$root/docs/configuration.md" "$root/docs/windows.md" "$here/osssync.toml" "$here/osssync.wxs" "$stage/"
chmod 644 "$stage"/*
cd "$stage"
touch -d "@$SOURCE_DATE_EPOCH" ./*

name=osssync_${version#v}_windows_amd64.msi
wixl -a x64 -D ProductCode="$(uuid "product $version")" -D Version="$number" -D FullVersion="$version" -o "$name" osssync.wxs

query() { msibuild "$name" -q "$1"; }

# Never overwritten, and left when the rest goes: 256 64-bit, 16 permanent, 128
# never overwrite. wixl knows neither.
query "UPDATE Component SET Attributes = 400 WHERE Component = 'cConf'"

# The program has a version, which wixl does not look for. To Windows a file that
# has one is newer than a file that has none: an upgrade would leave the old
# program in its place, and remove it after.
query "UPDATE File SET Version = '$number.0', Language = '1033' WHERE File = 'fExe'"
query "DELETE FROM MsiFileHash WHERE File_ = 'fExe'"

# PATH, for all users (*), removed again (-). wixl 0.101 fails at Environment,
# 0.106 forgets the removal.
printf 'Environment\tName\tValue\tComponent_\r\ns72\tl64\tL255\ts72\r\nEnvironment\tEnvironment\r\nenvPath\t=-*PATH\t[~];[INSTALLDIR]\tcExe\r\n' >Environment.idt
msibuild "$name" -i Environment.idt
query "INSERT INTO InstallExecuteSequence (Action, Sequence) VALUES ('WriteEnvironmentStrings', 5200)"
query "INSERT INTO InstallExecuteSequence (Action, Sequence) VALUES ('RemoveEnvironmentStrings', 3300)"

# The setup of the service: the installed program (18), in the script (1024), as
# the system (2048). Where it fails nothing is installed: it gives the directory
# of the configuration to the administrators.
query "UPDATE CustomAction SET Type = 3090 WHERE Action = 'Setup'"
query "INSERT INTO InstallExecuteSequence (Action, Condition, Sequence) VALUES ('Setup', 'NOT REMOVE', 6500)"

# wixl leaves a backslash at the end of the key.
query "UPDATE Registry SET \`Key\` = 'SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\osssync'"

# Windows tells an MSI that it is 8.1, so the registry is asked.
query "INSERT INTO LaunchCondition (Condition, Description) VALUES ('Installed OR (VersionNT64 AND WINDOWS10)', 'osssync needs a 64-bit Windows Server 2016 or Windows 10, or later.')"

# What is found before the rights are raised has to be known after.
query "UPDATE Property SET Value = 'WIX_DOWNGRADE_DETECTED;WIX_UPGRADE_DETECTED;WINDOWS10' WHERE Property = 'SecureCustomProperties'"

# Windows compares no more than three numbers, so 1.2.0-rc.1 and 1.2.0 are one
# version to it: that too is replaced (512), or both would be there.
query "DELETE FROM Upgrade WHERE ActionProperty = 'WIX_UPGRADE_DETECTED'"
query "INSERT INTO Upgrade (UpgradeCode, VersionMax, Attributes, ActionProperty) VALUES ('{7E0C1D52-4E3B-4C3D-9C0B-5D3A7C0F5A11}', '$number', 513, 'WIX_UPGRADE_DETECTED')"

# The package code, and the times that wixl took from the clock.
msibuild "$name" -s "osssync $version" "The osssync authors" "x64;1033" "{$(uuid "package $version $(sha256sum osssync.exe)")}"
(cd "$root" && go run ./packaging/windows/settimes "$stage/$name" "$SOURCE_DATE_EPOCH")
"$here/sign.sh" "$name"

mkdir -p "$out"
cp "$name" "$out/$name"
echo "$out/$name"
