#!/usr/bin/env bash
# Installs the big tools that `make test-home` needs: Debian packages, as root.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

# command -> Debian package
declare -A PACKAGES=(
    [systemd-nspawn]=systemd-container
    [systemd-analyze]=systemd
    [debootstrap]=debootstrap
    [buildah]=buildah
    [chromium]=chromium
    [promtool]=prometheus
    [rsync]=rsync
    [sshd]=openssh-server
    [qemu-system-x86_64]=qemu-system-x86
    [mkfs.ext4]=e2fsprogs
    [docker-compose]=docker-compose
    [dpkg-deb]=dpkg
    [zsh]=zsh
    [fish]=fish
)

missing=()
for command in "${!PACKAGES[@]}"; do
    PATH=$PATH:/sbin:/usr/sbin command -v "$command" >/dev/null 2>&1 ||
        missing+=("${PACKAGES[$command]}")
done
if ((${#missing[@]} == 0)); then
    exit 0
fi
if ((EUID != 0)); then
    printf 'home: error: missing packages: %s\n' "${missing[*]}" >&2
    printf '       Only root can install them. Run, then again:\n' >&2
    printf '           sudo apt-get install -y --no-install-recommends %s\n' "${missing[*]}" >&2
    exit 1
fi
printf 'home: installing with apt: %s\n' "${missing[*]}" >&2
# Packages must not start services of their own on this machine.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
install() {
    apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" >&2
}
install || { apt-get update >&2 && install; }
