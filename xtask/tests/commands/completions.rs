//! `completions`: the scripts in real shells. What there is to complete is tested beside the code.

use std::path::{Path, PathBuf};

use crate::support::run::{Invocation, whole_path};
use crate::support::{Workspace, skip};

/// Finds a shell on the search path of the tests.
fn shell(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&whole_path()).map(|folder| folder.join(name)).find(|file| file.exists())
}

/// A checkout with the script of a shell beside it.
fn checkout(shell: &str) -> (Workspace, PathBuf) {
    let workspace = Workspace::generic().build();
    let script = workspace.run(&["completions", shell]).code(0);
    let file = workspace.base().join(format!("cargo-xtask.{shell}"));
    std::fs::write(&file, script.stdout).unwrap();
    (workspace, file)
}

/// Runs commands of a shell, which find the program where cargo compiles it. `$SCRIPT` is the script.
#[track_caller]
fn run(workspace: &Workspace, shell: &Path, script: &Path, commands: &str) -> String {
    let run = Invocation::of(workspace, shell, &["-c", commands]).with_cargo().with_built_target();
    run.env("SCRIPT", script).run().code(0).stdout
}

/// Bash is asked as its Tab key would ask it. Other commands of cargo go to the function that was there before, also one that
/// bash-completion loads later.
#[test]
fn bash_completes_cargo_xtask_and_leaves_the_rest_alone() {
    let Some(bash) = shell("bash") else { skip!("bash isn't installed") };
    let (workspace, script) = checkout("bash");
    let ask = r#"
        ask() {
            COMP_LINE=$1 COMP_POINT=${#1}
            # Bash takes : and = for words of their own.
            local spaced=${1//:/ : }
            read -ra COMP_WORDS <<<"${spaced//=/ = }"
            [[ $1 == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )) COMPREPLY=()
            "$(complete -p cargo | sed 's/.*-F \([^ ]*\).*/\1/')" cargo
            echo "$1> ${COMPREPLY[*]}"
        }
    "#;
    let lines = r#"
        . "$SCRIPT"
        ask 'cargo xtask db-s'
        ask 'cargo xtask migrate add '
        ask 'cargo xtask ci --only lint,que'
        ask 'cargo xtask ci --only test:lib'
        ask 'cargo xtask db-setup --server=loc'
        ask 'cargo bui'
        ask 'cargo xtask db-s'
    "#;
    let expected = "cargo xtask db-s> db-setup db-stop db-snapshot\ncargo xtask migrate add > journal library\n\
                    cargo xtask ci --only lint,que> lint,queries\ncargo xtask ci --only test:lib> library\n\
                    cargo xtask db-setup --server=loc> local\ncargo bui> build\ncargo xtask db-s> db-setup db-stop db-snapshot\n";
    let before = "_cargo() { COMPREPLY=(build); }\n";
    let eager = run(&workspace, &bash, &script, &format!("{ask}{before}complete -F _cargo cargo\n{lines}"));
    assert_eq!(eager, expected);
    let loader = "_comp_load() { _cargo() { COMPREPLY=(build); }; complete -F _cargo cargo; }\n";
    let lazy = run(&workspace, &bash, &script, &format!("{ask}{loader}{lines}"));
    assert_eq!(lazy, expected);
}

#[test]
fn fish_completes_cargo_xtask() {
    let Some(fish) = shell("fish") else { skip!("fish isn't installed") };
    let (workspace, script) = checkout("fish");
    let commands = "source $SCRIPT; complete -C 'cargo xtask db-st'; complete -C 'cargo xtask sqlx lib'; \
                    complete -C 'cargo xtask ci --only lint,que'";
    let found = run(&workspace, &fish, &script, commands);
    let expected = "db-stop\tStop the PostgreSQL that db-setup started, and keep its data\nlibrary\ton LIBRARY_URL\n\
                    lint,queries\n";
    assert_eq!(found, expected);
}

/// Cargo's own completions call this function with the words from `xtask` on.
#[test]
fn zsh_completes_cargo_xtask() {
    let Some(zsh) = shell("zsh") else { skip!("zsh isn't installed") };
    let (workspace, script) = checkout("zsh");
    let commands = r#"
        _describe() { print -rl -- "${candidates[@]}" }
        source $SCRIPT
        words=(xtask sqlx li) CURRENT=3; _cargo-xtask
        words=(cargo xtask db-st) CURRENT=3; _cargo_only_xtask
        words=(xtask ci --only '') CURRENT=4; _cargo-xtask
    "#;
    let found = run(&workspace, &zsh, &script, commands);
    let expected =
        "library:on LIBRARY_URL\ndb-stop:Stop the PostgreSQL that db-setup started, and keep its data\nformat:\n";
    assert!(found.starts_with(expected), "{found}");
}
