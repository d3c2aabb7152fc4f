# Completions of `cargo xtask` for zsh. They ask the program that cargo has compiled in the checkout, and compile nothing.
# Cargo's own completions call this function; rustup writes them with `rustup completions zsh cargo`.

_cargo-xtask() {
    local folder=$PWD program line
    local -a candidates
    while [[ -n $folder ]]; do
        program=${CARGO_TARGET_DIR:-$folder/target}/debug/xtask
        [[ -f $folder/Cargo.toml && -x $program ]] && break
        program=
        folder=${folder%/*}
    done
    [[ -n $program ]] || return 1
    for line in "${(@f)$("$program" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    _describe 'cargo xtask' candidates
}

# Without cargo's own completions, only `cargo xtask` is completed.
_cargo_only_xtask() {
    [[ $words[2] == xtask ]] && (( CURRENT > 2 )) || return 1
    shift words
    (( CURRENT-- ))
    _cargo-xtask
}

if (( $+functions[compdef] )) && [[ -z ${_comps[cargo]} ]]; then
    compdef _cargo_only_xtask cargo
fi
