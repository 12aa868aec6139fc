#!/usr/bin/env bash
# Makes what development needs: .venv/ (Python, from requirements-dev.txt) and
# .tools/bin/{azcopy,azurite-blob} (from tools/package-lock.json). Quick when nothing changed.
#
#   PYTHON=/path/to/python3.12 tools/setup.sh     to choose the interpreter
set -euo pipefail
shopt -s inherit_errexit # a failure inside $(...) is a failure
umask 022

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
readonly ROOT=$PWD
readonly NODE_MIN=20 # Azurite 3.37 asks for 22 in its package.json, but runs on 20

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
    printf 'setup: error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
digest() { sha256sum | cut -c1-64; }

# --- what the machine must bring ------------------------------------------------------------

python_is_new() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    if [[ -n ${PYTHON:-} ]]; then
        have "$PYTHON" || die "PYTHON=$PYTHON is not there" "Point PYTHON at a Python >= 3.11."
        python_is_new "$PYTHON" || die "PYTHON=$PYTHON is older than 3.11"
        command -v "$PYTHON"
        return
    fi
    for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
        if have "$candidate" && python_is_new "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
}

node_major() { node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

has_libsecret() {
    PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | grep -F 'libsecret-1.so.0' >/dev/null
}

has_libfuse() {
    PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | grep -E 'libfuse3?\.so\.' >/dev/null
}

# Prints the Debian packages that are missing, one per line.
missing_packages() {
    local python
    python=$(find_python)
    if [[ -z $python ]]; then
        echo python3
        echo python3-venv
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo python3-venv
    fi
    have node || echo nodejs
    have npm || echo npm
    # azcopy is linked against libsecret although it only needs it for "azcopy login".
    has_libsecret || echo libsecret-1-0
    { have flock && have setpriv && have unshare; } || echo util-linux
    # For tests with a source that misbehaves; only root can mount it. fuse3 brings the library
    # under whatever name this release of Debian has for it.
    ((EUID != 0)) || has_libfuse || echo fuse3
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >&2
}

ensure_system() {
    local -a missing
    local listed
    listed=$(missing_packages)
    read -r -d '' -a missing <<<"$listed" || true
    if ((${#missing[@]})); then
        have apt-get || die "missing on this machine: ${missing[*]} (Debian's names)" \
            "Install them with your system's package manager, then run 'make setup' again."
        ((EUID == 0)) || die "missing packages: ${missing[*]}" \
            "Only root can install them. Run, then 'make setup' again:" \
            "    sudo apt-get install -y --no-install-recommends ${missing[*]}"
        say "installing with apt: ${missing[*]}"
        # The package lists of a fresh image are empty or stale: fetch them only then.
        apt_install "${missing[@]}" || { apt-get update >&2 && apt_install "${missing[@]}"; } ||
            die "apt could not install: ${missing[*]}" "Its own message is above."
        listed=$(missing_packages)
        [[ -z $listed ]] || die "still missing after apt: ${listed//$'\n'/ }" \
            "A Python >= 3.11 elsewhere is named with PYTHON=/path/to/python3.12."
    fi
    if (($(node_major) < NODE_MIN)); then
        die "node is $(node --version), the storage emulator needs >= $NODE_MIN" \
            "Install a newer Node.js and put it first on PATH."
    fi
}

# --- .venv ----------------------------------------------------------------------------------

# A venv is bound to its interpreter and to its place: both are part of the stamp, so that a
# copied or moved tree makes its own.
venv_stamp() {
    { printf '%s\n' "$ROOT" "$1"; "$1" --version; cat requirements-dev.txt; } | digest
}

ensure_venv() {
    local python deps project
    python=$(find_python)
    deps=$(venv_stamp "$python")
    project=$({ echo "$deps"; cat pyproject.toml; } | digest)
    if [[ ! -x .venv/bin/python || $(cat .venv/.deps-stamp 2>/dev/null) != "$deps" ]]; then
        say "making .venv with $("$python" --version)"
        "$python" -m venv --clear .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check \
            --require-hashes -r requirements-dev.txt
        echo "$deps" >.venv/.deps-stamp
    fi
    if [[ $(cat .venv/.project-stamp 2>/dev/null) != "$project" ]]; then
        say "installing datalake-syncd into .venv (editable)"
        # The build back end comes from the lock: no network, no unpinned code.
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index \
            --no-deps --no-build-isolation --editable .
        .venv/bin/python -m pip check --disable-pip-version-check >/dev/null ||
            die "the locked packages do not fit pyproject.toml" "Run 'make lock', then again."
        echo "$project" >.venv/.project-stamp
    fi
}

# --- .tools ---------------------------------------------------------------------------------

azcopy_name() {
    case $(uname -m) in
        x86_64) echo azcopy_linux_amd64 ;;
        aarch64 | arm64) echo azcopy_linux_arm64 ;;
        *) echo "azcopy_linux_$(uname -m)" ;;
    esac
}

install_azcopy() {
    local name source wanted found
    name=$(azcopy_name)
    wanted=$(awk -v name="$name" '$2 == name { print $1 }' tools/azcopy.sha256)
    [[ -n $wanted ]] || die "no pinned azcopy for this machine ($name)" \
        "tools/azcopy.sha256 lists what there is."
    source=.tools/node_modules/@azure-tools/azcopy-linux/dist/bin/$name
    found=$(digest <"$source")
    [[ $found == "$wanted" ]] || die "azcopy is not the pinned one: $source" \
        "SHA-256 wanted $wanted" "         found $found" \
        "Do not use it. Find out why it differs before changing tools/azcopy.sha256."
    install -m 755 "$source" .tools/bin/azcopy.new
    mv -f .tools/bin/azcopy.new .tools/bin/azcopy
    AZCOPY_LOG_LOCATION=$ROOT/.tools/azcopy-log AZCOPY_JOB_PLAN_LOCATION=$ROOT/.tools/azcopy-log \
        .tools/bin/azcopy --version </dev/null >/dev/null ||
        die ".tools/bin/azcopy does not start" "Its own message is above."
}

install_azurite() {
    cat >.tools/bin/azurite-blob.new <<'WRAPPER'
#!/bin/sh
# The pinned Azurite, wherever this folder lies.
here=$(dirname -- "$(readlink -f -- "$0")")
exec node "$here/../node_modules/azurite/dist/src/blob/main.js" "$@"
WRAPPER
    chmod 755 .tools/bin/azurite-blob.new
    mv -f .tools/bin/azurite-blob.new .tools/bin/azurite-blob
    .tools/bin/azurite-blob --version >/dev/null || die ".tools/bin/azurite-blob does not start"
}

ensure_tools() {
    local stamp
    # "layout" is to be raised when the functions above put something else into .tools/bin.
    stamp=$({ echo layout 1; azcopy_name; cat tools/package.json tools/package-lock.json \
        tools/azcopy.sha256; } | digest)
    if [[ -x .tools/bin/azcopy && -x .tools/bin/azurite-blob &&
        $(cat .tools/.stamp 2>/dev/null) == "$stamp" ]]; then
        return
    fi
    say "fetching azcopy and Azurite into .tools (about a minute)"
    rm -f .tools/.stamp
    cp tools/package.json tools/package-lock.json .tools/
    (cd .tools && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 ||
        die "npm could not fetch the pinned tools" "Its own message is above."
    mkdir -p .tools/bin
    install_azcopy
    install_azurite
    echo "$stamp" >.tools/.stamp
}

# --- one at a time --------------------------------------------------------------------------

main() {
    ensure_system
    mkdir -p .tools
    exec 9>.tools/.lock
    flock --nonblock 9 || { say "another setup is running here, waiting for it"; flock 9; }
    ensure_venv
    ensure_tools
}

main
