#!/usr/bin/env bash
# Makes the script datalake-syncd-docker that runs this commit's image, below dist/wrapper/HASH/;
# dist/wrapper/current names the newest. `make wrapper` is this.
#
# Environment: IMAGE (the image's name, datalake-syncd), REGISTRY (host/path, if the machines pull
# the image from there), ALLOW_DIRTY=1.
set -euo pipefail
shopt -s inherit_errexit
umask 022
cd "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

# shellcheck source=tools/revision.sh
source tools/revision.sh
image=${IMAGE:-datalake-syncd}
if [[ -n ${REGISTRY:-} ]]; then
    image=${REGISTRY%/}/${image##*/}
fi
[[ $image =~ ^[A-Za-z0-9][A-Za-z0-9._:/-]*$ ]] || {
    echo "wrapper: error: '$image' is no name of an image" >&2
    exit 2
}

folder=dist/wrapper/$VERSION_TAG
mkdir -p "$folder"
sed -e "s|@IMAGE@|$image:$VERSION_TAG|g" -e "s|@VERSION@|$PACKAGE_VERSION ($VERSION_TAG)|g" \
    docker/datalake-syncd-docker.in >"$folder/datalake-syncd-docker.new"
bash -n "$folder/datalake-syncd-docker.new"
chmod 755 "$folder/datalake-syncd-docker.new"
mv -f "$folder/datalake-syncd-docker.new" "$folder/datalake-syncd-docker"
# A rename: at every moment there is a current one.
ln -sfn "$VERSION_TAG" dist/wrapper/current.new
mv -fT dist/wrapper/current.new dist/wrapper/current
echo "$folder/datalake-syncd-docker"
