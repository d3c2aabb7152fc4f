//! The step `env`: the values in `.env.ci`, and whether git ignores `.env`.

use super::{checkout, git, json, make_whole};
use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::{Pipeline, StandInCargo, Workspace, set_mode};

/// Runs the step `env` and two quick ones. They need no server.
fn quick(workspace: &Workspace) -> Pipeline {
    json(workspace, &["--only", "format,env,deps"])
}

/// Makes a checkout in which the step `env` compiles nothing.
fn plain() -> Workspace {
    let workspace = Workspace::generic().build();
    make_whole(&workspace);
    workspace.write("Cargo.toml", workspace.read("Cargo.toml").replace("env-check = \"tools settings\"\n", ""));
    workspace
}

/// Makes a `.env` as `db-setup` does.
fn write_env(workspace: &Workspace) {
    workspace.write(".env", workspace.read(".env.ci"));
    set_mode(&workspace.root().join(".env"), 0o600);
}

#[track_caller]
fn fails_at(workspace: &Workspace, places: &[&str]) -> Vec<String> {
    quick(workspace).code(1).fails(&["env"], &[]).at("env", places)
}

#[test]
fn tracked_by_git() {
    let workspace = plain();
    write_env(&workspace);
    quick(&workspace).passes_but(&["deps"]);
    git(&workspace, &["add", "--force", ".env"]);
    let text = fails_at(&workspace, &[".env:1"]).concat();
    assert!(text.contains("tracked by git") && text.contains("git rm --cached .env"), "{text}");
    git(&workspace, &["rm", "--quiet", "--cached", ".env"]);
    quick(&workspace).passes_but(&["deps"]);
}

#[test]
fn not_ignored_by_git() {
    let workspace = plain();
    // There is no .env yet. git must ignore it once it is made.
    workspace.write(".gitignore", "/target\n");
    let text = fails_at(&workspace, &[".gitignore:1"]).concat();
    assert!(
        text.contains("error[env-in-git]: Git doesn't ignore .env") && text.contains("echo .env >> .gitignore"),
        "{text}"
    );
}

/// It holds the secrets of this machine's user.
#[test]
fn readable_by_other_users() {
    let workspace = plain();
    write_env(&workspace);
    quick(&workspace).passes_but(&["deps"]);
    for mode in [0o644, 0o640, 0o602] {
        set_mode(&workspace.root().join(".env"), mode);
        let text = fails_at(&workspace, &[".env:1"]).concat();
        assert!(text.contains(&format!("{mode:o}")) && text.contains("chmod 600 .env"), "{text}");
    }
}

/// All of them are reported at once, each at its line, and none of them is shown.
#[test]
fn values_that_look_like_real_credentials() {
    let workspace = plain();
    let secrets = [
        "5839201746:AAF3kd82jslQ0xP_mZz91vWqLr4TnYbHcUe",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "hunter2-7781",
        "a1B2c3D4e5F6g7H8i9J0k1L2",
        "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    ];
    let [bot, hub, digest, word, hook, key] = secrets;
    let more = format!(
        "\nBOT={bot}\nHARMLESS=test_key_for_everybody_to_see\nexport HUB='{hub}'\nDIGEST=\"{digest}\"\n\
         ELSEWHERE=postgres://me:{word}@db.acme.io/shop\nLOCAL=postgres://me:{word}@localhost/shop\n\
         CACHE=redis://:{word}@cache-1.acme.io:6379,cache-2.acme.io:6379/0\n\
         SETTINGS=\"host=db.acme.io user=me password={word}\"\n\
         ERRORS=https://{key}@o123456.ingest.acme.io/4507\n\
         CHAT=https://hooks.slack.com/services/T02ABCDEF/B03GHIJKL/{hook}\n"
    );
    workspace.write(".env.ci", workspace.read(".env.ci") + &more);
    secrets.iter().for_each(|secret| workspace.add_secret(secret));
    let lines = workspace.read(".env.ci");
    let place = |name: &str| format!(".env.ci:{}", 1 + lines.lines().position(|line| line.contains(name)).unwrap());
    let names = ["BOT", "HUB", "DIGEST", "ELSEWHERE", "CACHE", "SETTINGS", "ERRORS", "CHAT"];
    let places = names.map(|name| place(&format!("{name}=")));
    let texts = fails_at(&workspace, &places.each_ref().map(String::as_str));
    for (text, name) in texts.iter().zip(names) {
        assert!(text.contains(&format!("error[real-credential]: {name} looks like a real credential")), "{text}");
    }
}

/// It would be another contract for everybody.
#[test]
fn a_value_that_the_environment_has_a_say_in() {
    let workspace = plain();
    let contract = workspace.read(".env.ci");
    let line = contract.lines().count() + 1;
    workspace.write(".env.ci", contract.clone() + "SHELL_OF=${SHELL}\n");
    let text = fails_at(&workspace, &[&format!(".env.ci:{line}")]).concat();
    assert!(text.contains("refers to a variable"), "{text}");
    workspace.write(".env.ci", contract + "PRICE='5$'\n");
    quick(&workspace).passes_but(&["deps"]);
}

#[test]
fn a_contract_that_lacks_a_database() {
    let workspace = plain();
    write_env(&workspace);
    workspace.write(".env.ci", "GREETING=hello\nno sign here\n");
    let texts = fails_at(&workspace, &[".env.ci:1", ".env.ci:1", ".env.ci:2"]);
    let all = quick(&workspace).outcome().text();
    assert!(all.contains("LIBRARY_URL") && all.contains("JOURNAL_URL"), "{texts:?}");
    assert!(texts[0].contains("error[contract-wrong]"), "{texts:?}");
    // If `.env` is good, the databases don't depend on `.env.ci`, so only the step `env` fails.
    let (_server, workspace) = checkout();
    write_env(&workspace);
    workspace.write(".env.ci", "GREETING=hello\n");
    json(&workspace, &["--only", "db-setup,schema,env"]).code(1).fails(&["env"], &[]);
}

/// The program's own check of the settings decides, and its message is passed on.
#[test]
fn settings_that_the_program_rejects() {
    let workspace = Workspace::generic().build();
    make_whole(&workspace);
    workspace.write(".env.ci", workspace.read(".env.ci").replace("GREETING", "GREETNIG"));
    let stand_in = StandInCargo::of(&workspace);
    let asks_cargo = || stand_in.calls().iter().any(|call| call.starts_with("begins run: "));
    // The program that `build` has built is run as it is.
    stand_in.builds("build", "tools", &stand_in.settings_check());
    let pipeline = json(&workspace, &["--only", "build,env"]).code(1).fails(&["env"], &[]);
    assert!(!asks_cargo(), "{:?}", stand_in.calls());
    let text = pipeline.at("env", &[".env.ci:1"]).concat();
    assert!(text.contains("GREETING is nowhere to be found"), "{text}");
    assert!(text.contains("`cargo run --quiet --bin tools -- settings .env.ci` says the same"), "{text}");
    // The result is the same without the step `build`.
    json(&workspace, &["--only", "env"]).code(1).fails(&["env"], &[]).at("env", &[".env.ci:1"]);
    assert!(asks_cargo(), "{:?}", stand_in.calls());
    // A program that doesn't compile isn't run, because the settings may be right.
    stand_in.answers("uncompilable");
    let pipeline = json(&workspace, &["--only", "build,env"]).code(1).fails(&["build"], &["env"]);
    pipeline.at("build", &["crates/library/src/lib.rs:5:5"]);
    // The key `env-check` is misspelled.
    workspace.write("Cargo.toml", workspace.read("Cargo.toml").replace("env-check", "env-chekc"));
    let outcome = super::ci(&workspace, &["--list"]).run().fails();
    outcome.problem("manifest").says(["Cargo.toml", "env-chekc", "env-check"]);
}

/// If the databases' host isn't this machine, nothing is made there without `--allow-remote`.
#[test]
fn a_host_that_is_not_this_machine() {
    let workspace = plain();
    workspace.set_authority("db.example.com", 5432, ROLE, PASSWORD);
    let steps = ["migrations", "schema"];
    let pipeline = json(&workspace, &["--only", "migrations,schema"]).code(6).fails(&steps, &[]);
    for step in steps {
        let text = pipeline.at(step, &["", ""]).concat();
        assert!(
            text.contains("error[remote-host]: db.example.com") && text.contains("cargo xtask ci --allow-remote"),
            "{text}"
        );
    }
    let pipeline = json(&workspace, &["--only", "db-setup,migrations,schema"]).code(6);
    pipeline.fails(&["db-setup"], &steps).at("db-setup", &[""]);
}
