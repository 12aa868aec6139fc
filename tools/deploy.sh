#!/usr/bin/env bash
# Brings what a VM with Docker needs there with rsync: the wrapper script, the unit, and templates
# of the configuration. `make deploy VM=user@host` is this. It starts and stops nothing.
#
#   VM=user@host          through ssh; user@host:/root for a system below /root there
#   VM=/mnt/vm            a system whose disk is mounted here
#   DRY_RUN=1             only tell what would change
#   RSYNC_RSH='ssh -p 2222'   another way to the VM;  RSYNC_PATH='sudo rsync'   another rsync there
#   IMAGE, REGISTRY, ALLOW_DIRTY=1    as for the wrapper
#
# On the VM:
#   /opt/datalake-syncd-docker/HASH/    all of it, by version; stays, to go back to
#   /opt/datalake-syncd-docker/current  the version in use, switched in one rename, last
#   /usr/local/bin/datalake-syncd-docker
#   /usr/local/lib/systemd/system/      units; changes of your own in /etc/systemd/system win
#   /etc/datalake-syncd/config.example.toml    what this version can be told
#   /etc/datalake-syncd/config.toml     the same to start from, only where there is none
set -euo pipefail
shopt -s inherit_errexit
umask 022
cd "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

die() {
    printf 'deploy: error: %s\n' "$1" >&2
    shift
    if (($#)); then printf '        %s\n' "$@" >&2; fi
    exit 2
}

vm=${VM:-}
[[ -n $vm ]] || die "deploy needs to know where to" "make deploy VM=user@host"
case $vm in
    /*) at=${vm%/} place=$vm ;;
    *:/*) at=${vm%/} place=${vm%%:*} ;;
    *:*) die "'$vm' is no VM" "user@host, user@host:/root or /a/mounted/system" ;;
    *) at=$vm: place=$vm ;;
esac
[[ $vm == /* || $place =~ ^([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*$ ]] ||
    die "'$vm' is no VM" "user@host, user@host:/root or /a/mounted/system"
command -v rsync >/dev/null || die "rsync is not here" "apt-get install rsync"
case ${DRY_RUN:-} in '' | 0 | 1) ;; *) die "DRY_RUN is 1 or nothing" ;; esac

# shellcheck source=tools/revision.sh
source tools/revision.sh
wrapper=$(tools/wrapper.sh)
stage=$(mktemp -d)
trap 'rm -rf -- "$stage"' EXIT
mkdir -p "$stage/release/units" "$stage/bin" "$stage/units" "$stage/etc"
cp "$wrapper" docker/compose.yaml config.example.toml "$stage/release/"
# All units are at hand in the release; only what a VM with Docker runs is put in force.
cp docker/datalake-syncd-docker.service "$stage/units/"
if [[ -d systemd ]]; then
    cp -R systemd/. "$stage/release/units/"
    if [[ -f systemd/datalake-syncd-failure@.service ]]; then
        cp systemd/datalake-syncd-failure@.service "$stage/units/"
    fi
fi
cp "$stage"/units/* "$stage/release/units/"
cp config.example.toml "$stage/etc/config.example.toml"
mkdir "$stage/first"
cp config.example.toml "$stage/first/config.toml"
ln -s "$VERSION_TAG" "$stage/current"
ln -s /opt/datalake-syncd-docker/current/datalake-syncd-docker "$stage/bin/datalake-syncd-docker"

# Files one by one into folders that others use too: their modes and owners stay as they are.
# By content: a second time nothing is sent, whatever the clocks say.
sync=(rsync --links --perms "--chmod=D755,Fu=rwX,Fgo=rX" --checksum --mkpath --itemize-changes)
if [[ ${DRY_RUN:-} == 1 ]]; then sync+=(--dry-run); fi
if [[ -n ${RSYNC_PATH:-} ]]; then sync+=(--rsync-path "$RSYNC_PATH"); fi

opt=$at/opt/datalake-syncd-docker
"${sync[@]}" --recursive "$stage/release/" "$opt/$VERSION_TAG/"
"${sync[@]}" "$stage"/units/* "$at/usr/local/lib/systemd/system/"
"${sync[@]}" "$stage/etc/config.example.toml" "$at/etc/datalake-syncd/"
# The one that people wrote is theirs.
"${sync[@]}" --ignore-existing "$stage/first/config.toml" "$at/etc/datalake-syncd/"
"${sync[@]}" "$stage/bin/datalake-syncd-docker" "$at/usr/local/bin/"
# Last, when all that it leads to is there. rsync makes the new link aside and renames it.
"${sync[@]}" "$stage/current" "$opt/"

if [[ ${DRY_RUN:-} == 1 ]]; then
    echo "Nothing was changed on $place; the lines above would be."
    exit 0
fi
cat <<TOLD
$place has datalake-syncd-docker $PACKAGE_VERSION ($VERSION_TAG). Nothing was started. There:
  datalake-syncd-docker config check
  systemctl daemon-reload && systemctl enable datalake-syncd-docker
  systemctl restart datalake-syncd-docker
To go back: ln -sfn OLDER-HASH /opt/datalake-syncd-docker/current, and restart.
TOLD
