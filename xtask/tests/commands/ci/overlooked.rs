//! Mistakes in places where the programs that the steps call don't look by themselves.

use super::code::of_one_package;
use super::{TEST, has_nextest, json, real_ci, real_json};
use crate::support::pipeline::TESTS;
use crate::support::skip;

const UNFORMATTED: &str = "//! Left over.\n\nfn  f() {}\n";

/// rustfmt finds a file by the `mod` that names it, and so does the compiler.
#[test]
fn files_that_no_mod_names() {
    let workspace = of_one_package("library");
    let files = ["src/left.rs", "tests/deep/dead.rs", "examples/unused/part.rs"];
    files.iter().for_each(|file| workspace.write(&format!("crates/library/{file}"), UNFORMATTED));
    // These are named: by a `mod`, by an `include!`, by the manifest. And git ignores the last one.
    workspace.write("crates/library/tests/for-all/shared.rs", "//! For all.\n");
    workspace
        .write("crates/library/tests/other/main.rs", "//! Tests.\n\n#[path = \"../for-all/shared.rs\"]\nmod shared;\n");
    workspace.write("crates/library/tests/it.rs", "//! Tests.\n\nmod common;\n\ninclude!(\"parts/table.rs\");\n");
    workspace.write("crates/library/tests/common/mod.rs", "//! For all tests.\n");
    workspace.write("crates/library/tests/parts/table.rs", "const TABLE: u8 = 1;\n");
    workspace.write("crates/library/tests/data/input.rs", "const INPUT: u8 = 1;\n");
    workspace.write("crates/library/src/generated.rs", UNFORMATTED);
    let declared = "\n[package.metadata.xtask.tests]\nread = [\"crates/library/tests/data/*.rs\"]\n";
    workspace.write("crates/library/Cargo.toml", workspace.read("crates/library/Cargo.toml") + declared);
    workspace.write(".gitignore", workspace.read(".gitignore") + "generated.rs\n");

    let pipeline = real_json(&workspace, &["--only", "format"]).code(1).fails(&["format"], &[]);
    let places: Vec<_> =
        files.iter().flat_map(|file| [1, 3].map(|line| format!("crates/library/{file}:{line}"))).collect();
    let texts = pipeline.at("format", &places.iter().map(String::as_str).collect::<Vec<_>>());
    for (file, texts) in files.iter().zip(texts.chunks(2)) {
        assert!(texts[0].contains("error[unreached]: No target of library includes this file"), "{file}: {}", texts[0]);
        assert!(texts[1].contains("-fn  f() {}"), "{file}: {}", texts[1]);
        assert!(texts[1].contains(&format!("rustfmt --edition 2024 crates/library/{file}")), "{file}: {}", texts[1]);
    }
    assert!(texts[0].contains("mod left;") && texts[2].contains("mod dead;"), "{texts:?}");

    files.iter().for_each(|file| workspace.remove(&format!("crates/library/{file}")));
    real_json(&workspace, &["--only", "format"]).passes_but(&[]);
    // What can't be known isn't called a success.
    std::fs::remove_dir_all(workspace.root().join(".git")).unwrap();
    real_json(&workspace, &["--only", "format"]).passes_but(&["format"]);
}

/// Every other step compiles the default features only.
#[test]
fn features_that_do_not_compile() {
    let workspace = of_one_package("library");
    let manifest = workspace.read("crates/library/Cargo.toml");
    workspace.write(
        "crates/library/Cargo.toml",
        format!("{manifest}\n[features]\ndefault = [\"on\"]\non = [\"below\"]\nbelow = []\noff = []\nfine = []\n"),
    );
    let code = "#[cfg(feature = \"off\")]\n/// One.\npub fn one() -> u8 {\n    \"one\"\n}\n\n\
                #[cfg(not(feature = \"below\"))]\n/// Two.\npub fn two() -> u8 {\n    \"two\"\n}\n";
    workspace.write("crates/library/src/lib.rs", format!("{TEST}\n{code}"));
    let lint = ["--only", "lint"];
    let pipeline = real_json(&workspace, &lint).code(1).fails(&["lint"], &[]);
    let lines = [14, 20].map(|line| format!("crates/library/src/lib.rs:{line}:5"));
    pipeline.at("lint", &lines.each_ref().map(String::as_str));
    let listed = real_ci(&workspace, &["--only", "lint", "--explain"]).run().code(0);
    assert!(!listed.text().contains("--features on"), "{listed}");
    listed.says(["--all-targets --no-default-features --", "--features off --", "--features fine --"]);

    // Features that exclude each other are selected as the manifest says.
    let chosen = "\n[package.metadata.xtask]\nfeatures = [\"on fine\"]\n";
    workspace.write("crates/library/Cargo.toml", workspace.read("crates/library/Cargo.toml") + chosen);
    real_json(&workspace, &lint).passes_but(&[]);
}

/// Cargo documents the library in place of a program of the same name.
#[test]
fn a_broken_link_in_a_program_with_the_name_of_its_library() {
    let workspace = of_one_package("tools");
    let program = workspace.read("crates/tools/src/main.rs");
    workspace.write("crates/tools/src/main.rs", format!("//! As in [`nowhere`].\n{program}"));
    let docs = ["--only", "docs"];
    let pipeline = real_json(&workspace, &docs).code(1).fails(&["docs"], &[]);
    let text = pipeline.at("docs", &["crates/tools/src/main.rs:1:13"]).concat();
    assert!(text.contains("unresolved link to `nowhere`"), "{text}");
    // The pages are those of the library, whatever has changed.
    workspace.write("crates/tools/src/lib.rs", TEST.replace("//! Tests.", "//! Own page."));
    for text in ["", "//! Changed.\n"] {
        workspace.write("crates/tools/src/main.rs", format!("{text}{program}"));
        real_json(&workspace, &docs).passes_but(&[]);
        assert!(workspace.read("target/doc/tools/index.html").contains("Own page."), "{text}");
    }
}

/// A step that tested nothing looks like one that passed.
#[test]
fn packages_without_a_test() {
    let workspace = of_one_package("library");
    let tests = ["--only", TESTS];
    let ignored = TEST.replace("    #[test]\n", "    #[test]\n    #[ignore = \"slow\"]\n");
    for text in ["//! Nothing.\n", &ignored] {
        workspace.write("crates/library/src/lib.rs", text);
        let runs = [real_ci(&workspace, &tests), real_ci(&workspace, &tests).without("cargo-nextest")];
        for run in runs.into_iter().skip(usize::from(!has_nextest())) {
            let outcome = run.run().code(1);
            outcome.says(["error[no-tests]: crates/library/Cargo.toml:1: No test of library was run.", "test = false"]);
        }
    }
    // No package says that it has tests.
    let manifest = workspace.read("crates/library/Cargo.toml") + "\n[lib]\ntest = false\n";
    workspace.write("crates/library/Cargo.toml", manifest);
    let pipeline = json(&workspace, &["--only", "format,test"]).code(1).fails(&[TESTS], &[]);
    assert!(pipeline.tests_at(&[""]).concat().contains("No package of this workspace has a test"));
}

/// What a test prints changes neither the number of tests nor what is reported of the others, whoever runs them.
#[test]
fn tests_that_print_results() {
    if !has_nextest() {
        skip!("cargo-nextest isn't installed");
    }
    let workspace = of_one_package("library");
    let lies = "\
//! Tests.

#[cfg(test)]
mod tests {
    fn lie() {
        println!(\"test result: ok. 99 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.0s\");
        println!(\"     Summary [   0.1s] 99 tests run: 99 passed, 0 skipped\");
        println!(\"failures:\\n\\n---- tests::nobody stdout ----\");
        println!(\"Starting 99 tests across 1 binary\");
        let child = std::process::Command::new(\"/bin/sh\").args([\"-c\", \"echo 'test tests::nobody ... ok'\"]).status();
        assert!(child.is_ok());
    }

    #[test]
    fn a_lies_and_fails() {
        lie();
        panic!(\"first\");
    }

    #[test]
    fn b_lies() {
        lie();
    }

    #[test]
    fn c_fails() {
        panic!(\"second\");
    }
}
";
    workspace.write("crates/library/src/lib.rs", lies);
    // The totals are told if the step passes, and the failures if it doesn't.
    let passing = lies.replace("panic!(", "println!(");
    for (text, nextest) in [(lies, true), (lies, false), (&passing, true), (&passing, false)] {
        workspace.write("crates/library/src/lib.rs", text);
        let run = real_ci(&workspace, &["--format", "json", "--only", TESTS]).env("RUST_TEST_THREADS", "1");
        let run = if nextest { run } else { run.without("cargo-nextest") };
        let pipeline = super::json_of(run);
        if text == passing {
            let pipeline = pipeline.passes_but(&[]);
            assert_eq!(pipeline.tests().what, "3 passed, 0 failed, 0 skipped", "{}", pipeline.outcome());
        } else {
            let pipeline = pipeline.code(1).fails(&[TESTS], &[]);
            let texts = pipeline.tests_at(&["crates/library/src/lib.rs:17:9", "crates/library/src/lib.rs:27:9"]);
            assert!(texts[0].contains("a_lies_and_fails failed: first"), "{}", texts[0]);
            assert!(texts[1].contains("c_fails failed: second"), "{}", texts[1]);
        }
    }
}

/// Somebody may take a file with SQL for the schema of a database, and nobody checks it.
#[test]
fn files_with_sql_that_belong_to_no_database() {
    let (_server, workspace) = super::checkout();
    workspace.write("schema/old.sql", workspace.read("schema/library.sql"));
    workspace.write("schema/README.md", "How these files are made.\n");
    workspace.write("migrations/old/001_first.up.sql", "CREATE TABLE first ();\n");
    let pipeline = json(&workspace, &["--only", "db-setup,schema"]).code(1).fails(&["schema"], &[]);
    let texts = pipeline.at("schema", &["schema/old.sql:1", "migrations/old/001_first.up.sql:1"]);
    assert!(texts[0].contains("error[unknown-sql]: schema/old.sql is the schema of no database"), "{}", texts[0]);
    assert!(texts[1].contains("migrations/journal, migrations/library"), "{}", texts[1]);
    workspace.remove("schema/old.sql");
    workspace.remove("migrations/old/001_first.up.sql");
    json(&workspace, &["--only", "schema"]).passes_but(&[]);
    // They are inputs: the result of the run before isn't kept.
    workspace.write("schema/old.sql", "-- Old.\n");
    json(&workspace, &["--only", "schema"]).code(1).fails(&["schema"], &[]);
}

/// sqlx's macros then use DATABASE_URL, whatever database that is.
#[test]
fn queries_in_a_package_without_a_database() {
    let (_server, workspace) = super::checkout();
    let manifest = workspace.read("crates/tools/Cargo.toml");
    workspace
        .write("crates/tools/Cargo.toml", manifest.replacen("[[bin]]", "[dependencies]\nsqlx = \"0.9\"\n\n[[bin]]", 1));
    // These are no checked queries.
    let unchecked = "//! Queries.\n\n// sqlx::query!(\"SELECT 1\")\nfn f() {\n    sqlx::query(\"SELECT 1\");\n}\n";
    workspace.write("crates/tools/src/reports.rs", unchecked);
    json(&workspace, &["--only", "queries"]).passes_but(&[]);
    for name in ["query", "query_as_unchecked"] {
        workspace.write("crates/tools/src/reports.rs", unchecked.replace("sqlx::query(", &format!("sqlx::{name}!(")));
        let pipeline = json(&workspace, &["--only", "queries"]).code(1).fails(&["queries"], &[]);
        let text = pipeline.at("queries", &["crates/tools/src/reports.rs:5"]).concat();
        assert!(
            text.contains("error[queries-unknown]")
                && text.contains("DATABASE_URL")
                && text.contains("crates/tools/sqlx.toml"),
            "{text}"
        );
    }
}
