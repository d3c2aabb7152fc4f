# Completions of `cargo xtask` for fish. They ask the program that cargo has compiled in the checkout, and compile nothing.

function __cargo_xtask_candidates
    set -l folder $PWD
    while test -n "$folder"
        set -l target $folder/target
        set -q CARGO_TARGET_DIR; and set target $CARGO_TARGET_DIR
        if test -f $folder/Cargo.toml -a -x $target/debug/xtask
            set -l words (commandline -opc)
            $target/debug/xtask complete -- $words[3..-1] (commandline -ct) 2>/dev/null
            return
        end
        set folder (string replace -r '/[^/]*$' '' $folder)
    end
end

function __cargo_xtask_is_meant
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test $words[2] = xtask
end

complete -c cargo -n __cargo_xtask_is_meant -f -a '(__cargo_xtask_candidates)'
