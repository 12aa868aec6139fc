#!/usr/bin/env bash
# Writes the shells' completion scripts, made by click from the commands.
#
#   tools/completions.sh FOLDER      bash/datalake-syncd, zsh/_datalake-syncd, fish/datalake-syncd.fish
#
# Where they belong: /usr/share/bash-completion/completions/, /usr/share/zsh/vendor-completions/,
# /usr/share/fish/vendor_completions.d/
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

readonly FOLDER=${1:?the folder to write to}
# The command, as words: PROGRAM="python -m datalake_syncd".
read -r -a program <<<"${PROGRAM:-.venv/bin/datalake-syncd}"

write() { # SHELL FILE
    mkdir -p "$FOLDER/$1"
    _DATALAKE_SYNCD_COMPLETE=$1_source "${program[@]}" >"$FOLDER/$1/$2.new"
    # Whatever goes wrong while somebody types stays out of the prompt.
    # shellcheck disable=SC2016 # the $1 of the script that is written
    sed -i -E 's/ (\$1|datalake-syncd)\)/ \1 2>\/dev\/null)/' "$FOLDER/$1/$2.new"
    grep -q '2>/dev/null' "$FOLDER/$1/$2.new"
    mv "$FOLDER/$1/$2.new" "$FOLDER/$1/$2"
}

write bash datalake-syncd
write zsh _datalake-syncd
# zsh runs the file anew when it is asked for the second time: click's script only registers then,
# and that TAB gives nothing.
sed -i 's/ == loadautofunc \]\]/ == (loadautofunc|shfunc) ]]/' "$FOLDER/zsh/_datalake-syncd"
grep -q '(loadautofunc|shfunc)' "$FOLDER/zsh/_datalake-syncd"
write fish datalake-syncd.fish
