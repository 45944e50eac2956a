#!/bin/sh
# See that there is a PostgreSQL to start: the tests of stores run a throw-away server of their own, on a socket in a folder of /tmp.
# Called by `make setup-postgres`. In CI it is installed where it is missing; elsewhere one line says what is skipped, and why.
set -u

found() {
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

without() {
    if [ -n "${CI:-}" ]; then
        echo "store tests: $1; they need PostgreSQL, and CI may not skip them." >&2
        exit 1
    fi
    echo "store tests: $1; those that need PostgreSQL will be skipped. On Debian or Ubuntu: apt-get install postgresql" >&2
    exit 0
}

if found; then
    exit 0
fi
[ -n "${CI:-}" ] || without "there is no initdb"
command -v apt-get >/dev/null 2>&1 || without "there is neither initdb nor apt-get"

# A package that starts a server of its own when it is installed is told not to.
as_root=
[ "$(id -u)" -eq 0 ] || as_root="sudo -n"
echo "store tests: installing PostgreSQL ..."
$as_root mkdir -p /etc/postgresql-common || without "apt-get needs an administrator"
[ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" | $as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
$as_root apt-get update -qq >/dev/null 2>&1
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null || without "apt-get could not install postgresql"
found || without "apt-get installed postgresql, and there is no initdb"
