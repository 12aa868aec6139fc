# What this tree is, for tools that build from it; sourced, after `cd` to the repository's root.
# Sets REVISION (full hash), VERSION_TAG (short hash, with "-dirty" where changes are not
# committed), CREATED (the commit's time) and PACKAGE_VERSION. A dirty tree is refused unless
# ALLOW_DIRTY=1: an image must be what its hash says.
# shellcheck shell=bash disable=SC2034  # used by who sources this

REVISION=$(git rev-parse HEAD)
VERSION_TAG=$(git rev-parse --short HEAD)
CREATED=$(git show -s --format=%cI HEAD)
PACKAGE_VERSION=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' datalake_syncd/__init__.py)
changes=$(git status --porcelain)
if [[ -n $changes ]]; then
    if [[ ${ALLOW_DIRTY:-} != 1 ]]; then
        {
            echo "error: there are changes that are not committed:"
            head -n 20 <<<"$changes" | sed 's/^/    /'
            echo "  Commit them first: what is made is named after the commit."
            echo "  To try something out: ALLOW_DIRTY=1, and the name ends with -dirty."
        } >&2
        exit 1
    fi
    REVISION=$REVISION-dirty
    VERSION_TAG=$VERSION_TAG-dirty
fi
