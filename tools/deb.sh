#!/usr/bin/env bash
# A Debian package of the service for machines without Docker, in dist/. `make deb` is this. It is
# for machines of this architecture with this machine's Python 3.x.
#
# Installing it enables and starts nothing; removing it leaves configuration, state and logs.
set -euo pipefail
shopt -s inherit_errexit
umask 022
cd "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

# shellcheck source=tools/revision.sh
source tools/revision.sh
command -v dpkg-deb >/dev/null || {
    echo "deb: error: dpkg-deb is not here" >&2
    exit 2
}
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work/root/DEBIAN" dist
PREFIX=/opt/datalake-syncd BINDIR=/usr/bin SYSTEMD_DIR=/usr/lib SHARE_DIR=/usr/share DESTDIR=$work/root \
    tools/install.sh install >/dev/null
# The package has no file in /etc: what people write there is no business of dpkg's.
mkdir -p "$work/root/usr/share/doc/datalake-syncd"
mv "$work/root/etc/datalake-syncd/config.example.toml" "$work/root/usr/share/doc/datalake-syncd/"
rm -r "$work/root/etc"
rm "$work/root/opt/datalake-syncd/installed-files"
python=$(readlink -f "$work/root/opt/datalake-syncd/current/bin/python3")
[[ $python == /usr/bin/python3.* ]] || {
    echo "deb: error: $python is not Debian's own" "(apt-get install python3-venv)" >&2
    exit 2
}
minor=${python#/usr/bin/python3.}

cat >"$work/root/DEBIAN/control" <<CONTROL
Package: datalake-syncd
Version: $PACKAGE_VERSION+git$(git show -s --format=%cd --date=format:%Y%m%d%H%M%S HEAD).${VERSION_TAG//-/.}
Architecture: $(dpkg --print-architecture)
Maintainer: $(git config user.name || echo unknown) <$(git config user.email || echo root@localhost)>
Depends: python3 (>= 3.$minor), python3 (<< 3.$((minor + 1))), libsecret-1-0, util-linux
Section: science
Priority: optional
Description: carries finished instrument runs to Azure Blob storage and proves them there
 The service with its Python packages and its azcopy, below /opt/datalake-syncd.
CONTROL
cat >"$work/root/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    for file in /usr/lib/sysusers.d/datalake-syncd*.conf; do
        [ ! -e "$file" ] || ! command -v systemd-sysusers >/dev/null || systemd-sysusers "$file"
    done
    if [ -d /run/systemd/system ]; then
        for file in /usr/lib/tmpfiles.d/datalake-syncd*.conf; do
            [ ! -e "$file" ] || systemd-tmpfiles --create "$file"
        done
        systemctl daemon-reload
        # A running service goes on with the new version.
        systemctl try-restart datalake-syncd.service 2>/dev/null || true
    fi
fi
POSTINST
cat >"$work/root/DEBIAN/prerm" <<'PRERM'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now datalake-syncd.service datalake-syncd-once.timer 2>/dev/null || true
fi
PRERM
cat >"$work/root/DEBIAN/postrm" <<'POSTRM'
#!/bin/sh
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload
POSTRM
chmod 755 "$work/root/DEBIAN"/post* "$work/root/DEBIAN/prerm"
package=dist/datalake-syncd_${PACKAGE_VERSION}_$VERSION_TAG.deb
dpkg-deb -Zgzip --root-owner-group --build "$work/root" "$package" >/dev/null
echo "$package"
