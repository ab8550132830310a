#!/bin/sh
# Runs every test. What a machine lacks is named, never left out in silence; with CI set, nothing may lack.
set -u
GO=${GO:-go}

lacking=''
lack() { lacking="$lacking
  $1: $2"; }

for pair in nginx:nginx-light knotd:knot named:bind9 promtool:prometheus prometheus-alertmanager:prometheus-alertmanager ip:iproute2 nft:nftables; do
	command -v "${pair%%:*}" >/dev/null 2>&1 || [ -x "/usr/sbin/${pair%%:*}" ] ||
		lack "${pair%%:*}" "tests with this program are skipped (Debian package ${pair#*:})"
done
command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
	lack initdb "tests with PostgreSQL are skipped (Debian package postgresql)"
[ "$(id -u)" = 0 ] || lack root "tests that make network namespaces or mounts are skipped"

race=-race
if ! command -v "$($GO env CC)" >/dev/null 2>&1; then
	race=''
	lack "a C compiler" "the race detector is off (Debian package gcc)"
fi

if [ -n "$lacking" ] && [ -n "${CI:-}" ]; then
	echo "In CI nothing may be left out, and this machine lacks:$lacking" >&2
	exit 1
fi

PATH="$PATH:/usr/sbin"
# The tests of the program itself start it many times and keep real time, so nothing else runs beside them.
status=0
$GO test $race -timeout 20m ./cmd/... || status=1
$GO test $race -timeout 20m $($GO list ./... | grep -v /cmd/) || status=1
if [ -n "$lacking" ]; then
	echo
	echo "Left out on this machine:$lacking"
fi
exit $status
