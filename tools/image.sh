#!/usr/bin/env bash
# Images: built from this commit, tagged, pushed. `make build`, `make tag` and `make push` are this.
#
#   tools/image.sh build        NAME:HASH from docker/Dockerfile
#   tools/image.sh tag          the image of this commit as NAME:TAG too (without TAG: the version)
#   tools/image.sh push         NAME:HASH, and NAME:TAG if there is a TAG, to REGISTRY
#
# Environment: BUILDER (docker, podman or buildah; the first that is there), IMAGE (the name,
# datalake-syncd), REGISTRY (host/path), TAG, BUILD_FLAGS (more words for the build),
# ALLOW_DIRTY=1. Prints the names on stdout, all else on stderr.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

die() {
    printf 'image: error: %s\n' "$1" >&2
    shift
    if (($#)); then printf '       %s\n' "$@" >&2; fi
    exit 2
}

what=${1:-}
image=${IMAGE:-datalake-syncd}
builder=${BUILDER:-}
if [[ -z $builder ]]; then
    for builder in docker podman buildah none; do
        command -v "$builder" >/dev/null && break
    done
fi
case $builder in
    docker | podman | buildah) ;;
    none) die "neither docker nor podman nor buildah is here" "Install one of them." ;;
    *) die "BUILDER=$builder is unknown" "docker, podman or buildah" ;;
esac
command -v "$builder" >/dev/null || die "BUILDER=$builder is not here"

is_tag() { [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]]; }

# Is there an image of this name on this machine?
exists() {
    case $builder in
        buildah) buildah inspect --type image "$1" >/dev/null 2>&1 ;;
        *) "$builder" image inspect "$1" >/dev/null 2>&1 ;;
    esac
}

need_image() {
    exists "$image:$VERSION_TAG" || die "there is no image $image:$VERSION_TAG" "make build"
}

build() {
    local -a flags=() more=()
    # OCI images have no HEALTHCHECK, the ones of Docker do.
    [[ $builder == docker ]] || flags+=(--format docker)
    read -r -a more <<<"${BUILD_FLAGS:-}"
    "$builder" build "${flags[@]}" "${more[@]}" \
        --build-arg "VERSION=$PACKAGE_VERSION" \
        --build-arg "REVISION=$REVISION" \
        --build-arg "CREATED=$CREATED" \
        --tag "$image:$VERSION_TAG" --file docker/Dockerfile . >&2
    echo "$image:$VERSION_TAG"
}

tag() {
    local tag=${TAG:-$PACKAGE_VERSION}
    is_tag "$tag" || die "'$tag' can't be a tag" "letters, digits, '_', '.' and '-'"
    need_image
    "$builder" tag "$image:$VERSION_TAG" "$image:$tag"
    echo "$image:$tag"
}

push() {
    local registry=${REGISTRY:-} name
    [[ -n $registry ]] || die "push needs to know where to" \
        "make push REGISTRY=registry.example.org/lab"
    registry=${registry%/}
    [[ $registry =~ ^[A-Za-z0-9][A-Za-z0-9._:/-]*$ ]] || die "'$registry' is no registry" \
        "make push REGISTRY=registry.example.org/lab"
    # Who pulls it must find the commit that it was made from.
    [[ $VERSION_TAG != *-dirty ]] || die "an image of changes that are not committed is not pushed"
    [[ -z ${TAG:-} ]] || is_tag "$TAG" || die "'$TAG' can't be a tag"
    need_image
    for name in "$VERSION_TAG" ${TAG:+"$TAG"}; do
        "$builder" tag "$image:$VERSION_TAG" "$registry/${image##*/}:$name"
        "$builder" push "$registry/${image##*/}:$name" >&2
        echo "$registry/${image##*/}:$name"
    done
}

case $what in
    build | tag | push)
        # shellcheck source=tools/revision.sh
        source tools/revision.sh
        "$what"
        ;;
    *) die "build, tag or push, not '$what'" ;;
esac
