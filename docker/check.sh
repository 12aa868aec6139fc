#!/usr/bin/env bash
# Builds the image with buildah and tries it: a real run to a real Azurite on this machine, SIGTERM
# in the middle of a transfer, a second start that goes on; as its own user, with a read-only root
# and no capabilities. As root, on Linux, after `make setup`; `make image-check` is this.
#
#   docker/check.sh [IMAGE]     IMAGE is tried as it is; without it one is built
#
# Ends with 75 when the base images can't be had.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

((EUID == 0)) || {
    echo "check: error: mounts and other users need root" >&2
    exit 2
}
for program in buildah unshare nsenter setpriv; do
    command -v "$program" >/dev/null || {
        echo "check: error: $program is missing (apt-get install buildah util-linux)" >&2
        exit 2
    }
done

image=${1:-}
if [[ -z $image ]]; then
    while read -r base; do
        buildah inspect --type image "$base" >/dev/null 2>&1 ||
            timeout 300 buildah pull --quiet "$base" >/dev/null </dev/null ||
            {
                echo "check: the base image $base can't be had" >&2
                exit 75
            }
    done < <(sed -n 's/^ARG [A-Z]*_IMAGE=//p' docker/Dockerfile)
    # The image of a tree that is being worked on may be tried; only its name tells so.
    export BUILDER=buildah ALLOW_DIRTY=1 IMAGE=localhost/datalake-syncd-check
    image=$(BUILD_FLAGS="--isolation chroot --layers ${BUILD_FLAGS:-}" tools/image.sh build)
fi
exec .venv/bin/python -m tests.home.image_trial "$image"
