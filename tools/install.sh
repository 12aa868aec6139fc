#!/usr/bin/env bash
# For a machine without Docker: installs the service, its azcopy and its units, or takes them away
# again. `make install` and `make uninstall` are this. It starts and stops nothing.
#
#   tools/install.sh install | uninstall
#
# Environment: PREFIX (/opt/datalake-syncd), DESTDIR (a folder to install into instead of /, for
# packages), BINDIR (/usr/local/bin), SYSTEMD_DIR (/usr/local/lib; below it systemd/system/,
# sysusers.d/, tmpfiles.d/), SHARE_DIR (/usr/local/share; manual pages, completions), ETC
# (/etc/datalake-syncd), PYTHON (the interpreter, python3).
#
# Each installation goes into a folder of its own below PREFIX/releases, and PREFIX/current is
# switched in one rename: a running service keeps the files that it started with.
set -euo pipefail
shopt -s inherit_errexit nullglob
umask 022
cd "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

prefix=${PREFIX:-/opt/datalake-syncd}
destdir=${DESTDIR:-}
bindir=${BINDIR:-/usr/local/bin}
systemd_dir=${SYSTEMD_DIR:-/usr/local/lib}
share_dir=${SHARE_DIR:-/usr/local/share}
etc=${ETC:-/etc/datalake-syncd}
readonly MARK=.datalake-syncd-release

die() {
    printf 'install: error: %s\n' "$1" >&2
    shift
    if (($#)); then printf '         %s\n' "$@" >&2; fi
    exit 2
}

for name in prefix bindir systemd_dir share_dir etc ${destdir:+destdir}; do
    value=${!name}
    [[ $value == /* && $value != */../* && $value != */.. && ! $value =~ [[:cntrl:]] ]] ||
        die "${name^^}=$value is not an absolute path"
    printf -v "$name" %s "${value%/}"
done
# Not the machine's own folders: what is in PREFIX/bin and PREFIX/releases is ours alone.
case $prefix in
    '' | /usr | /usr/local | /opt | /bin | /lib | /etc | /var | /home | /root | /srv)
        die "PREFIX=$prefix is a folder of the system" "a folder of its own: PREFIX=/opt/datalake-syncd"
        ;;
esac

record=$destdir$prefix/installed-files
with_systemd() { [[ -z $destdir && -d /run/systemd/system ]]; }

# FILE TARGET [MODE]: a file where others have theirs too, put there in one rename, and recorded.
put() {
    mkdir -p -- "$destdir$(dirname -- "$2")"
    install -m "${3:-644}" -- "$1" "$destdir$2.new"
    mv -fT -- "$destdir$2.new" "$destdir$2"
    note "$2"
}
# TARGET LINK: a symbolic link, in the same way.
link() {
    mkdir -p -- "$destdir$(dirname -- "$2")"
    ln -sfn -- "$1" "$destdir$2.new"
    mv -fT -- "$destdir$2.new" "$destdir$2"
    note "$2"
}
note() { printf '%s\n' "$1" >>"$record.new"; }

# PYTHON: manual pages and completions, made by the release that they are of.
put_words() {
    "$1" tools/manual.py "$work/man" >/dev/null
    PROGRAM="$1 -m datalake_syncd" tools/completions.sh "$work/completions" >/dev/null
    put "$work/man/datalake-syncd.1" "$share_dir/man/man1/datalake-syncd.1"
    put "$work/man/datalake-syncd.toml.5" "$share_dir/man/man5/datalake-syncd.toml.5"
    put "$work/completions/bash/datalake-syncd" \
        "$share_dir/bash-completion/completions/datalake-syncd"
    put "$work/completions/zsh/_datalake-syncd" "$share_dir/zsh/site-functions/_datalake-syncd"
    put "$work/completions/fish/datalake-syncd.fish" \
        "$share_dir/fish/vendor_completions.d/datalake-syncd.fish"
}

# A folder that this script made as a release; nothing else is ever removed with what is in it.
remove_release() {
    [[ -f $1/$MARK && ! -L $1 ]] || return 0
    rm -rf -- "$1"
}

# A file or link of the record, never a folder.
remove_file() {
    if [[ -L $destdir$1 || -f $destdir$1 ]]; then rm -f -- "$destdir$1"; fi
}

# Sets PYTHON: the system's own first, which every user can run, also after an update of others.
find_python() {
    local candidate
    for candidate in ${PYTHON:-/usr/bin/python3 python3 python3.11 python3.12 python3.13}; do
        candidate=$(command -v "$candidate") || continue
        "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null || continue
        export PYTHON=$candidate
        return
    done
    die "there is no Python 3.11 or newer with venv" \
        "apt-get install python3-venv, or name one: PYTHON=/path/to/python3.12"
}

install_() {
    local release name hash old keep path running
    [[ -n $destdir || $EUID == 0 ]] || die "only root can install into $prefix" "sudo make install"
    name=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' datalake_syncd/__init__.py)
    # A tree without git, or one that git does not trust root with, has its version alone.
    if hash=$(git rev-parse --short HEAD 2>/dev/null); then
        name+=-$hash
        [[ -z $(git status --porcelain) ]] || name+=-dirty
    fi
    name+=-$(date -u +%Y%m%dT%H%M%S)
    release=$prefix/releases/$name
    # First what may be refused.
    tools/azcopy.sh "$work/azcopy"
    mkdir -p -- "$destdir$release"
    # From the first moment on, so that an interrupted installation is cleared by the next one.
    touch -- "$destdir$release/$MARK"
    find_python
    tools/package.sh packages "$destdir$release"
    tools/package.sh project "$destdir$release" "$release"
    install -m 755 -- "$work/azcopy" "$destdir$release/bin/azcopy"
    if [[ -z $destdir ]]; then
        "$release/bin/azcopy" --version >/dev/null 2>&1 </dev/null ||
            die "$release/bin/azcopy does not start" "apt-get install libsecret-1-0, then again"
        "$release/bin/datalake-syncd" --version >/dev/null
    fi

    rm -f -- "$record.new"
    link ../current/bin/datalake-syncd "$prefix/bin/datalake-syncd"
    link ../current/bin/azcopy "$prefix/bin/azcopy"
    link "$prefix/bin/datalake-syncd" "$bindir/datalake-syncd"
    for file in systemd/*.service systemd/*.timer systemd/*.path systemd/*.target; do
        # The units name the usual place.
        sed "s|/opt/datalake-syncd|$prefix|g" "$file" >"$work/unit"
        put "$work/unit" "$systemd_dir/systemd/system/${file##*/}"
    done
    for file in systemd/sysusers.d/*.conf; do put "$file" "$systemd_dir/sysusers.d/${file##*/}"; done
    for file in systemd/tmpfiles.d/*.conf; do put "$file" "$systemd_dir/tmpfiles.d/${file##*/}"; done
    put_words "$destdir$release/bin/python"
    mkdir -p -- "$destdir$etc"
    install -m 644 -- config.example.toml "$destdir$etc/config.example.toml"
    first_configuration

    old=$(readlink -- "$destdir$prefix/current" || true)
    link "releases/$name" "$prefix/current"
    # What an older version put there and this one does not have.
    if [[ -f $record ]]; then
        while IFS= read -r path; do
            grep -Fxq -- "$path" "$record.new" || remove_file "$path"
        done <"$record"
    fi
    mv -fT -- "$record.new" "$record"
    # The one before stays, and each that a process still runs from: it imports its modules late.
    running=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' || true)
    for keep in "$destdir$prefix"/releases/*/; do
        keep=${keep%/}
        if grep -Fq -- "${keep#"$destdir"}/bin/" <<<"$running"; then continue; fi
        case releases/${keep##*/} in "releases/$name" | "$old") ;; *) remove_release "$keep" ;; esac
    done

    if with_systemd; then
        systemd-sysusers "$systemd_dir"/sysusers.d/datalake-syncd*.conf
        systemd-tmpfiles --create "$systemd_dir"/tmpfiles.d/datalake-syncd*.conf
        systemctl daemon-reload
    fi
    cat <<TOLD
datalake-syncd $name is in $prefix. Nothing was started. Next:
  fill in $etc/config.toml, then: datalake-syncd config check
  systemctl enable datalake-syncd; systemctl restart datalake-syncd
TOLD
}

# The configuration to start from; the one that people wrote is theirs.
first_configuration() {
    local file=$destdir$etc/config.toml
    [[ ! -e $file && ! -L $file ]] || return 0
    # noclobber: also not one that somebody makes at this very moment.
    (set -o noclobber && cat config.example.toml >"$file")
}

uninstall() {
    local path unit
    [[ -n $destdir || $EUID == 0 ]] || die "only root can remove $prefix" "sudo make uninstall"
    [[ -f $record ]] || die "nothing is installed in $destdir$prefix" \
        "PREFIX and DESTDIR as they were for make install"
    if with_systemd; then
        for unit in datalake-syncd.service datalake-syncd-once.service datalake-syncd-once.timer; do
            # Not is-active: to that a pass that goes on and a first scan are no running service.
            case $(systemctl show --property ActiveState --value "$unit") in
                inactive | failed) ;;
                *) die "$unit is running" "systemctl disable --now $unit" ;;
            esac
            systemctl disable --quiet "$unit" 2>/dev/null || true
        done
    fi
    while IFS= read -r path; do remove_file "$path"; done <"$record"
    for path in "$destdir$prefix"/releases/*/; do remove_release "${path%/}"; done
    rm -f -- "$record"
    # Folders go if they are empty; what somebody else put there stays.
    for path in "$prefix/bin" "$prefix/releases" "$prefix"; do
        rmdir -- "$destdir$path" 2>/dev/null || true
    done
    if with_systemd; then systemctl daemon-reload; fi
    echo "datalake-syncd is gone from $prefix. Configuration ($etc), state, logs and the user stay."
}

case ${1:-} in
    install)
        work=$(mktemp -d)
        trap 'rm -rf -- "$work"' EXIT
        install_
        ;;
    uninstall) uninstall ;;
    *) die "install or uninstall, not '${1:-}'" ;;
esac
