# Completions of `cargo xtask` for bash. They ask the program that cargo has compiled in the checkout, and compile nothing.
# Other commands of cargo are completed as before.

_cargo_xtask_program() {
    local folder=$PWD program
    while [[ -n $folder ]]; do
        program=${CARGO_TARGET_DIR:-$folder/target}/debug/xtask
        if [[ -f $folder/Cargo.toml && -x $program ]]; then
            printf '%s' "$program"
            return
        fi
        folder=${folder%/*}
    done
    return 1
}

# Keeps the function that completes cargo now.
_cargo_xtask_keep() {
    if [[ $(complete -p cargo 2>/dev/null) =~ -F\ ([^ ]+) && ${BASH_REMATCH[1]} != _cargo_xtask ]]; then
        _cargo_xtask_other=${BASH_REMATCH[1]}
    fi
}

_cargo_xtask() {
    if [[ ${COMP_WORDS[1]} != xtask || $COMP_CWORD -lt 2 ]]; then
        # bash-completion loads the function for cargo when it is first needed, which puts it in the place of this one.
        if [[ -z $_cargo_xtask_other ]]; then
            if declare -F _comp_load >/dev/null; then _comp_load cargo; elif declare -F _completion_loader >/dev/null; then _completion_loader cargo; fi
            _cargo_xtask_keep
            complete -F _cargo_xtask cargo
        fi
        if declare -F "$_cargo_xtask_other" >/dev/null; then "$_cargo_xtask_other" "$@"; fi
        return
    fi
    local program line=${COMP_LINE:0:COMP_POINT} words current value
    program=$(_cargo_xtask_program) || return
    # Bash splits words at : and = as well, and replaces only what follows them.
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    current=${words[${#words[@]} - 1]}
    COMPREPLY=()
    while IFS=$'\t' read -r value _; do
        COMPREPLY+=("${value#"${current%"${current##*[:=]}"}"}")
    done < <("$program" complete -- "${words[@]:2}" 2>/dev/null)
}

_cargo_xtask_other=
_cargo_xtask_keep
complete -F _cargo_xtask cargo
