#!/usr/bin/env bash
# Makes a Python environment that holds datalake-syncd and its locked packages, without pip.
# For the image and for installations; development has tools/setup.sh.
#
#   tools/package.sh packages FOLDER      the environment with everything of requirements.txt
#   tools/package.sh project FOLDER [AT]  this package into it; AT is where FOLDER will lie
#
# PYTHON=/path/to/python3.12 chooses the interpreter.
set -euo pipefail
shopt -s inherit_errexit
umask 022

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
what=${1:-}
folder=${2:?packages|project FOLDER}
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "package: error: $python is not Python 3.11 or newer; name one with PYTHON=" >&2
    exit 1
}

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
"$python" -m venv "$work/pip"

# Installs into FOLDER; only what the lock names by hash, never something built from source.
install() {
    "$work/pip/bin/python" -m pip --python "$folder/bin/python" --disable-pip-version-check \
        install --quiet --no-input --root-user-action=ignore "$@"
}

case $what in
    packages)
        "$python" -m venv --without-pip "$folder"
        install --require-hashes --only-binary :all: -r "$root/requirements.txt"
        ;;
    project)
        at=${3:-$folder}
        "$work/pip/bin/python" -m pip --disable-pip-version-check install --quiet --no-input \
            --root-user-action=ignore --require-hashes --only-binary :all: \
            -r "$root/requirements-build.txt"
        # From a copy: nothing is written beside the sources, which may be read-only.
        mkdir "$work/source"
        cp -R "$root/pyproject.toml" "$root/datalake_syncd" "$work/source/"
        "$work/pip/bin/python" -m pip --disable-pip-version-check wheel --quiet --no-deps \
            --no-index --no-build-isolation --wheel-dir "$work/wheel" \
            "$work/source"
        install --no-index --no-deps "$work"/wheel/*.whl
        # Only our own command, started by an interpreter that looks at nobody's ~/.local.
        "$folder/bin/python3" -I -c 'import datalake_syncd'
        rm -f "$folder"/bin/[!p]* "$folder"/bin/pygmentize
        cat >"$folder/bin/datalake-syncd" <<LAUNCHER
#!$at/bin/python3 -I
import os
import sys

from datalake_syncd.cli import main

# The pinned azcopy lies beside this file, or on the PATH of the image.
os.environ["PATH"] = "$at/bin:" + os.environ.get("PATH", os.defpath)
sys.exit(main())
LAUNCHER
        chmod 755 "$folder/bin/datalake-syncd"
        if [[ $at != "$folder" ]]; then
            sed -i "s|^command = .*|command = made for $at|" "$folder/pyvenv.cfg"
            # Traces name the place where the files will lie.
            "$folder/bin/python3" -m compileall -q -f -s "$folder" -p "$at" "$folder/lib"
        fi
        ;;
    *)
        echo "package: error: packages or project, not '$what'" >&2
        exit 2
        ;;
esac
