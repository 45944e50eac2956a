#!/bin/sh
# Put the mock provider of the wire tests into .tools/aimock: one npm package, no dependencies, nothing installed elsewhere.
# Called by `make setup-wire`. Without node the wire tests are skipped; in CI (the variable CI is set) that is a failure.
set -u

package=@copilotkit/aimock
version=1.43.0
oldest_node=20.15

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
home=$root/.tools/aimock
installed=$home/node_modules/$package/package.json

# In CI nothing may be skipped; elsewhere one line says what is, and why.
without() {
    if [ -n "${CI:-}" ]; then
        echo "wire tests: $1; they need node >= $oldest_node and npm, and CI may not skip them." >&2
        exit 1
    fi
    echo "wire tests: $1; they need node >= $oldest_node and npm, and will be skipped." >&2
    exit 0
}

new_enough() {
    node -e 'const [a, b] = process.versions.node.split(".").map(Number), [x, y] = process.argv[1].split(".").map(Number); process.exit(a > x || (a === x && b >= y) ? 0 : 1)' "$oldest_node"
}

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || without "node or npm is missing"
    echo "wire tests: installing nodejs and npm with apt-get ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm; } >/dev/null || without "apt-get could not install nodejs and npm"
fi
new_enough || without "node is $(node --version 2>&1), which is too old (a distribution's own package may be)"

if [ -f "$installed" ] && grep -q "\"version\": \"$version\"" "$installed"; then
    exit 0
fi
echo "wire tests: installing $package@$version into .tools/aimock ..."
mkdir -p "$home" || without "$home cannot be written"
npm install --prefix "$home" --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error "$package@$version" >/dev/null || without "npm could not install $package@$version"
