#!/bin/sh
# Signs a program or an MSI in place, if there is a certificate: sign.sh FILE
#
# OSSSYNC_SIGN_CERT and OSSSYNC_SIGN_KEY are PEM files, OSSSYNC_SIGN_TSA is the
# address of who stamps the time, without which the signature ends with the
# certificate. Needs osslsigncode, and SOURCE_DATE_EPOCH for the same bytes.
set -eu
[ -n "${OSSSYNC_SIGN_CERT-}" ] || exit 0
osslsigncode sign -certs "$OSSSYNC_SIGN_CERT" -key "${OSSSYNC_SIGN_KEY:?}" -h sha256 -n osssync \
	${OSSSYNC_SIGN_TSA:+-ts "$OSSSYNC_SIGN_TSA"} ${SOURCE_DATE_EPOCH:+-time "$SOURCE_DATE_EPOCH"} \
	-in "$1" -out "$1.signed" >/dev/null
mv "$1.signed" "$1"
