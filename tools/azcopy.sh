#!/usr/bin/env bash
# Fetches the azcopy of tools/package-lock.json with npm and installs it as TARGET, but only if
# its SHA-256 is the one in azcopy.sha256. Needs npm, sha256sum, tar; nothing else of the project.
#
#   tools/azcopy.sh TARGET [MACHINE]      MACHINE as `uname -m` says, of this machine without it
set -euo pipefail
shopt -s inherit_errexit
umask 022

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
target=${1:?the place to install azcopy at}
machine=${2:-$(uname -m)}

die() {
    printf 'azcopy: error: %s\n' "$1" >&2
    shift
    if (($#)); then printf '        %s\n' "$@" >&2; fi
    exit 1
}

case $machine in
    x86_64 | amd64) name=azcopy_linux_amd64 ;;
    aarch64 | arm64) name=azcopy_linux_arm64 ;;
    *) name=azcopy_linux_$machine ;;
esac
wanted=$(awk -v name="$name" '$2 == name { print $1 }' "$here/azcopy.sha256")
[[ -n $wanted ]] || die "no pinned azcopy for this machine ($name)" \
    "tools/azcopy.sha256 lists what there is."

is_pinned() { [[ -f $1 && $(sha256sum <"$1" | cut -c1-64) == "$wanted" ]]; }

if is_pinned "$target"; then
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
# What `make setup` fetched is the same file, if it is the pinned one.
found=$here/../.tools/bin/azcopy
if ! is_pinned "$found"; then
    package=@azure-tools/azcopy-linux
    version=$(awk -v entry="\"node_modules/$package\":" \
        '$1 == entry { seen = 1 } seen && $1 == "\"version\":" { gsub(/[",]/, "", $2); print $2; exit }' \
        "$here/package-lock.json")
    [[ -n $version ]] || die "package-lock.json does not name $package"
    (cd "$work" && npm pack --silent --ignore-scripts "$package@$version" >/dev/null) ||
        die "npm could not fetch $package@$version" "Its own message is above."
    tar -xzf "$work"/*.tgz -C "$work" "package/dist/bin/$name"
    found=$work/package/dist/bin/$name
    is_pinned "$found" || die "azcopy is not the pinned one" \
        "SHA-256 wanted $wanted" "         found $(sha256sum <"$found" | cut -c1-64)" \
        "Do not use it. Find out why it differs before changing tools/azcopy.sha256."
fi
mkdir -p -- "$(dirname -- "$target")"
install -m 755 -- "$found" "$target.new"
mv -f -- "$target.new" "$target"
