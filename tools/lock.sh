#!/usr/bin/env bash
# Writes requirements.txt, requirements-dev.txt, requirements-build.txt and
# tools/package-lock.json anew.
# They name versions and hashes, never the address of an index: any mirror will do.
#
#   tools/lock.sh UV_VERSION [--upgrade]
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
uv_version=$1
shift

uv_home=.tools/uv-$uv_version
if [[ ! -x $uv_home/bin/uv ]]; then
    .venv/bin/python -m venv "$uv_home"
    "$uv_home/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version"
fi

compile() {
    "$uv_home/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
        "$@"
}
compile "$@" --output-file requirements.txt pyproject.toml
compile "$@" --extra dev --constraints requirements.txt --output-file requirements-dev.txt \
    pyproject.toml
# What builds the package for images and installations, at the versions that development uses.
.venv/bin/python -c 'import tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["build-system"]["requires"], sep="\n")' |
    compile --constraints requirements-dev.txt --output-file requirements-build.txt -

npm install --prefix tools --package-lock-only --omit-lockfile-registry-resolved \
    --no-audit --no-fund --loglevel=error

if grep -nE '"resolved"|--(extra-)?index-url|--find-links' \
    requirements.txt requirements-dev.txt requirements-build.txt tools/package-lock.json; then
    echo 'lock: the lines above name an address; they must not' >&2
    exit 1
fi
