//! A program that stands in for cargo. It prints recorded outputs of the real programs, so a run of the pipeline compiles
//! nothing. A test can change an answer, make a program wait, and see which calls were made.
//!
//! The recordings are in `tests/fixtures/cargo/`, a folder for each state of the checkout. The tests in `ci::code` and
//! `ci::well` hold them against the real programs: the pipeline has to report the same with both. To write them anew:
//! `UPDATE_EXPECT=1 cargo nextest run -p xtask -j 1 -E 'test(ci::code) | test(ci::well)'`.

use std::path::{Path, PathBuf};

use super::run::Invocation;
use super::{Workspace, set_mode, template};

/// A call of cargo gets a short name, which the files of its answer begin with.
const SCRIPT: &str = r#"#!/bin/sh
folder='FOLDER'
# The program asks for the packages before each run. The real cargo tells them once for each list of packages and files,
# because it takes as long as half a run.
case "$*$PWD" in
    'metadata --no-deps'*[!A-Za-z0-9\ ._/-]*) exec 'CARGO' "$@" ;;
    'metadata --no-deps'*)
        sources=$(find . \( -name .git -o -name target \) -prune -o \( -name '*.rs' -o -name Cargo.toml \) -print)
        kept=$({ echo "$* $CARGO_TARGET_DIR $sources"; cat Cargo.toml ./*/Cargo.toml ./*/*/Cargo.toml 2>/dev/null; } | cksum)
        kept="KEPT/${kept% *}"
        if [ ! -e "$kept" ]; then
            'CARGO' "$@" > "$kept.$$" || { code=$?; rm "$kept.$$"; exit $code; }
            sed -i "s|$PWD|the root|g" "$kept.$$"
            # A path outside the checkout is another one in the next test.
            if grep -q xtask-test- "$kept.$$"; then rm "$kept.$$"; exec 'CARGO' "$@"; fi
            mv "$kept.$$" "$kept"
        fi
        exec sed "s|the root|$PWD|g" "$kept"
        ;;
esac
case "$*" in
    fmt*) name=fmt ;;
    clippy*) name=clippy ;;
    'doc '*' --bin '*) name=hidden ;;
    doc*) name=doc ;;
    'nextest list'*) name=list ;;
    'nextest run'*'package(='*) only=${*#*package(=}; name=nextest-${only%%)*} ;;
    'nextest run'*) name=nextest ;;
    test*' --no-run'*) name=build ;;
    test*' --doc'*) name=examples ;;
    test*) name=test ;;
    build*) name=tool ;;
    run*) name=run ;;
    'metadata --locked'*) name=lock ;;
    metadata*) name=metadata ;;
    xtask*) shift; exec 'XTASK' "$@" ;;
    *) name=$1 ;;
esac
# The tests of all packages have the same kind of call.
kind=${name%%-*}
flags=
[ -z "$RUSTDOCFLAGS" ] || flags="RUSTDOCFLAGS='$RUSTDOCFLAGS' "
echo "begins $kind: $flags$*" >> "$folder/calls"
[ ! -e "$folder/$kind.sh" ] || . "$folder/$kind.sh"
[ -e "$folder/$name.code" ] || { echo "The program that stands in for cargo has no answer to this: $*" >&2; exit 101; }
cat "$folder/$name.stdout"
cat "$folder/$name.stderr" >&2
case $kind in
    # rustfmt names the files that it reads.
    fmt) find "$PWD/crates" -name '*.rs' | sed 's/^/Formatting /' ;;
    # The runner of the tests also writes its results into a file.
    test | examples)
        log=${*##*--logfile }
        sed -n 's/^test \(.*\) \.\.\. ok$/ok \1/p; s/^test \(.*\) \.\.\. FAILED$/failed \1/p; s/^test \(.*\) \.\.\. ignored$/ignored \1/p; s/^\(.*\) --- FAILED$/failed \1/p' \
            "$folder/$name.stdout" > "$log"
        ;;
esac
echo "ends $kind: $*" >> "$folder/calls"
exit "$(cat "$folder/$name.code")"
"#;

/// The script of each call when the outputs are recorded. The first folder on the search path is the stand-in's, and holds
/// its nextest.
const RECORD: &str = "\
PATH=${PATH#*:} 'CARGO' \"$@\" > \"$folder/$name.stdout\" 2> \"$folder/$name.stderr\"
echo $? > \"$folder/$name.code\"
";

/// The names of the calls whose outputs are recorded. The calls `run` and `deny` run other programs.
const RECORDED: [&str; 13] = [
    "fmt",
    "build",
    "list",
    "nextest",
    "nextest-journal",
    "nextest-library",
    "nextest-tools",
    "test",
    "clippy",
    "doc",
    "examples",
    "lock",
    "metadata",
];

/// The program of the checkout that checks the settings.
const TOOLS: &str = "\
#!/bin/sh
[ \"$*\" = 'settings .env.ci' ] || exit 2
grep -q GREETING= .env.ci || { echo 'GREETING is nowhere to be found' >&2; exit 1; }
";

/// The program that stands in for cargo in one checkout.
pub(crate) struct StandInCargo<'a> {
    workspace: &'a Workspace,
}

impl<'a> StandInCargo<'a> {
    /// Returns the stand-in of a checkout. It is made if there is none yet, and answers as in a checkout where every step
    /// passes.
    pub(crate) fn of(workspace: &'a Workspace) -> Self {
        let this = Self { workspace };
        if !this.folder().exists() {
            let script = SCRIPT.replace("FOLDER", &this.folder().display().to_string());
            let script = script.replace("KEPT", &template::answers_of_cargo().display().to_string());
            let script = script.replace("XTASK", env!("CARGO_BIN_EXE_xtask")).replace("CARGO", env!("CARGO"));
            workspace.add_program("stand-in", "cargo", &script);
            // Nextest counts as installed, because there is a program of this name.
            workspace.add_program("stand-in", "cargo-nextest", "#!/bin/sh\nexit 2\n");
            workspace.add_program("stand-in", "tools", TOOLS);
            this.answers("passing");
            this.answer("tool", "", "", 0);
            this.answer("hidden", "", "", 0);
            this.does("run", "while [ \"$1\" != -- ]; do shift; done; shift; exec \"$folder/tools\" \"$@\"");
        }
        this
    }

    /// The program of the checkout that checks the settings. The calls `run` run it.
    pub(crate) fn settings_check(&self) -> PathBuf {
        self.folder().join("tools")
    }

    /// Lets a run call the stand-in, also where a shell looks for cargo.
    pub(crate) fn serves<'r>(&self, run: Invocation<'r>) -> Invocation<'r> {
        let folder = self.folder();
        run.with_cargo().env("CARGO", folder.join("cargo")).path_first(folder)
    }

    /// From now on, the answers are those that the real programs gave in this state of the checkout. An answer that has no
    /// recording in this state stays as it is.
    pub(crate) fn answers(&self, state: &str) {
        assert!(recording(state, "").parent().unwrap().exists() || is_recording(), "nothing is recorded of {state}");
        for name in RECORDED {
            if let Ok(text) = std::fs::read_to_string(recording(state, name)) {
                let fill =
                    |text: String, (place, path): (&str, &Path)| text.replace(place, &path.display().to_string());
                let text = self.places().into_iter().fold(text, fill);
                let (code, text) = text.split_once("\n--- stdout\n").unwrap();
                let (stdout, stderr) = text.split_once("--- stderr\n").unwrap();
                self.answer(name, stdout, stderr, code.rsplit(' ').next().unwrap().parse().unwrap());
            }
        }
    }

    /// Sets the answer to the calls of this name.
    pub(crate) fn answer(&self, name: &str, stdout: &str, stderr: &str, code: u8) {
        self.write(&format!("{name}.stdout"), stdout);
        self.write(&format!("{name}.stderr"), stderr);
        self.write(&format!("{name}.code"), &code.to_string());
    }

    /// Answers the calls of this name as if cargo had built this program.
    pub(crate) fn builds(&self, name: &str, program: &str, path: &Path) {
        let built = serde_json::json!({
            "reason": "compiler-artifact",
            "target": { "name": program, "kind": ["bin"] },
            "profile": { "test": false },
            "executable": path,
        });
        self.answer(name, &format!("{built}\n"), "", 0);
    }

    /// Sets the shell commands that the calls of this name run before they answer.
    pub(crate) fn does(&self, name: &str, commands: &str) {
        self.write(&format!("{name}.sh"), &format!("{commands}\n"));
    }

    /// Lets the calls of this name run until they are ended. Returns the file that they make when they begin, with the
    /// numbers of the call's process and of a process below it.
    pub(crate) fn never_ends(&self, name: &str) -> PathBuf {
        self.hangs(name, "")
    }

    /// Does the same, and the calls ignore the signals that ask a process to end.
    pub(crate) fn ignores_signals(&self, name: &str) -> PathBuf {
        self.hangs(name, "trap '' TERM INT HUP\n")
    }

    fn hangs(&self, name: &str, before: &str) -> PathBuf {
        let file = self.folder().join(format!("{name}.begun"));
        // The loop runs in a shell below this one, as a test runs below cargo.
        let begun = file.display();
        self.does(
            name,
            &format!(
                "{before}/bin/sh -c 'echo $PPID $$ > {begun}.tmp; mv {begun}.tmp {begun}; while :; do sleep 1; done'"
            ),
        );
        file
    }

    /// Returns the lines about the calls up to now: `begins NAME: ARGUMENTS` and `ends NAME: ARGUMENTS`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Forgets the calls up to now.
    pub(crate) fn forget_calls(&self) {
        self.write("calls", "");
    }

    /// Records what the real programs print while `run` runs the pipeline with this stand-in, if the recordings are to be
    /// written anew.
    pub(crate) fn record(&self, state: &str, names: &[&str], run: impl FnOnce()) {
        if !is_recording() {
            return;
        }
        let scripts = RECORDED.map(|name| (name, self.folder().join(format!("{name}.sh"))));
        let before = scripts.each_ref().map(|(_, file)| std::fs::read(file).ok());
        for (name, _) in &scripts {
            self.does(name, &RECORD.replace("CARGO", env!("CARGO")));
        }
        run();
        for ((_, file), before) in scripts.iter().zip(before) {
            match before {
                Some(text) => std::fs::write(file, text).unwrap(),
                None => std::fs::remove_file(file).unwrap(),
            }
        }
        let is_wanted = |name: &str| names.contains(&name.split('-').next().unwrap_or_default());
        let is_there = |name: &str| self.folder().join(format!("{name}.code")).exists();
        for name in RECORDED.into_iter().filter(|name| is_wanted(name) && is_there(name)) {
            let [code, stdout, stderr] = ["code", "stdout", "stderr"].map(|end| self.read(&format!("{name}.{end}")));
            let text = format!("exit code {}\n--- stdout\n{stdout}--- stderr\n{stderr}", code.trim());
            let empty = |text: String, (place, path): (&str, &Path)| text.replace(&path.display().to_string(), place);
            let text = self.places().into_iter().fold(text, empty);
            let file = recording(state, name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
    }

    /// The paths that differ from machine to machine, with what stands for them in a recording.
    fn places(&self) -> [(&'static str, &Path); 3] {
        let toolchain = Path::new(env!("CARGO")).ancestors().nth(2).unwrap();
        [("<checkout>", self.workspace.root()), ("<base>", self.workspace.base()), ("<toolchain>", toolchain)]
    }

    fn folder(&self) -> PathBuf {
        self.workspace.base().join("stand-in")
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder().join(file)).unwrap()
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder().join(file), text).unwrap();
    }
}

/// Returns whether the recordings are to be written anew.
fn is_recording() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some()
}

/// Returns the file with the recorded output of a call.
fn recording(state: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cargo").join(state).join(format!("{name}.txt"))
}
