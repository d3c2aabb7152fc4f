//! The check of workflows that needs this program's own knowledge. The program must accept each call of `cargo xtask`.
//! A job must run the whole pipeline in any case. The last job must wait for the others.

use super::yaml::{self, Entry, Piece, Place};
use super::{Judge, Refusal, shell};
use crate::problem::{Code, Problem};

/// The calls of `cargo xtask` in all workflows.
#[derive(Default)]
pub(super) struct Calls {
    pub(super) problems: Vec<Problem>,
    /// The number of calls that were judged.
    pub(super) judged: usize,
    /// The number of calls with a variable. Only GitHub knows the variable's value.
    pub(super) variable: usize,
    /// For each call of the whole pipeline, the thing that can keep its failure from failing the run.
    pipelines: Vec<Option<Problem>>,
}

/// Checks all workflows, which are given by their names and contents.
pub(super) fn check(files: &[(String, String)], judge: Judge) -> Calls {
    let mut calls = Calls::default();
    for (file, source) in files {
        let workflow = yaml::read(source).map(|entries| Workflow { file, entries });
        if let Err(place) = workflow.and_then(|workflow| workflow.judge(judge, &mut calls)) {
            let problem = problem(file, place, "`cargo xtask ci` can't read this workflow from here on.");
            let remedy = "Write it in lines and indentation, without anchors, tags and braces.";
            calls.problems.push(problem.remedy(remedy));
            // The call of the whole pipeline may be in this file.
            calls.pipelines.push(None);
        }
    }
    let obstacles: Option<Vec<Problem>> = std::mem::take(&mut calls.pipelines).into_iter().collect();
    if let (Some((file, _)), Some(obstacles)) = (files.first(), obstacles) {
        let missing = Problem::failed(Code::Workflow, "No workflow runs the whole pipeline.").at(file, 1, None);
        let missing = missing.remedy("Add a step to a job: run: cargo xtask ci");
        calls.problems.extend(if obstacles.is_empty() { vec![missing] } else { obstacles });
    }
    calls
}

fn problem(file: &str, Place { line, column }: Place, what: impl Into<String>) -> Problem {
    Problem::failed(Code::Workflow, what).at(file, line, Some(column))
}

/// A workflow that was read.
struct Workflow<'a> {
    file: &'a str,
    entries: Vec<Entry>,
}

impl Workflow<'_> {
    fn find(&self, path: &[&str], key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == [path, &[key]].concat())
    }

    /// Finds the entry that allows a job or a step to fail.
    fn may_fail(&self, path: &[&str]) -> Option<&Entry> {
        self.find(path, "continue-on-error").filter(|entry| !entry.names().eq(["false"]))
    }

    /// Judges all calls. The error is the first place that this check can't read.
    fn judge(&self, judge: Judge, calls: &mut Calls) -> Result<(), Place> {
        let before = calls.pipelines.len();
        for entry in &self.entries {
            let path: Vec<&str> = entry.path.iter().map(String::as_str).collect();
            match path[..] {
                // An alias or braces hide their content.
                ["jobs"] | ["jobs", _] | ["jobs", _, "steps"] | ["jobs", _, "steps", _] if !entry.lines.is_empty() => {
                    return Err(entry.place);
                }
                ["jobs", _, "steps", _, "run"] if entry.lines.iter().any(|(line, _)| line.contains("xtask")) => {
                    for (words, end) in shell::commands(entry.script().ok_or(entry.place)?) {
                        self.judge_command(&path, &words, end, judge, calls);
                    }
                }
                _ => {}
            }
        }
        if calls.pipelines.len() > before {
            calls.problems.extend(self.forgotten());
        }
        Ok(())
    }

    fn judge_command(&self, path: &[&str], words: &[Piece], end: char, judge: Judge, calls: &mut Calls) {
        let Some(cargo) = words.iter().position(|(word, _)| word == "cargo") else { return };
        let mut behind = words[cargo + 1..].iter().skip_while(|(word, _)| word.starts_with(['+', '-']));
        if behind.next().is_none_or(|(word, _)| word != "xtask") || ["echo", "printf"].contains(&words[0].0.as_str()) {
            return;
        }
        let arguments: Vec<String> = behind.clone().map(|(word, _)| word.clone()).collect();
        if arguments.iter().any(|word| word.contains('$')) {
            calls.variable += 1;
            return;
        }
        calls.judged += 1;
        match judge(&arguments) {
            Ok(false) => {}
            Ok(true) => calls.pipelines.push(self.obstacle(path, &words[0].0, words[cargo].1, end)),
            Err(refusals) => calls.problems.extend(refusals.into_iter().map(|Refusal { part, problem }| {
                let has_part = |(word, _): &&Piece| word.split([',', '=', ' ']).any(|other| other == part);
                let Place { line, column } = behind.clone().find(has_part).unwrap_or(&words[cargo]).1;
                problem.at(self.file, line, Some(column))
            })),
        }
    }

    /// Looks for a thing that can keep the failure of a call from failing the run.
    fn obstacle(&self, path: &[&str], first: &str, place: Place, end: char) -> Option<Problem> {
        let (job, step) = (&path[..2], &path[..4]);
        let (place, what) = if let Some(entry) = self.may_fail(job).or_else(|| self.may_fail(step)) {
            (entry.place, "With this setting, the run passes even if the whole pipeline fails.")
        } else if let Some(entry) = self.find(job, "if").or_else(|| self.find(step, "if")) {
            (entry.place, "The whole pipeline runs only under this condition.")
        } else if !"\n;".contains(end) || ["!", "if", "until", "while"].contains(&first) {
            (place, "The script may go on after the whole pipeline fails, because other commands depend on this one.")
        } else {
            return None;
        };
        let remedy =
            "Let a step run it without `if`, without `continue-on-error`, and on a separate line: cargo xtask ci";
        Some(problem(self.file, place, what).remedy(remedy))
    }

    /// Finds the jobs that must pass, and for which the last job with `needs` doesn't wait.
    fn forgotten(&self) -> Vec<Problem> {
        let jobs = || self.entries.iter().filter(|entry| entry.path.len() == 2 && entry.path[0] == "jobs");
        let needs = |job: &Entry| Some((job.path[1].clone(), self.find(&["jobs", &job.path[1]], "needs")?));
        let Some((last, needs)) = jobs().filter_map(needs).next_back() else { return Vec::new() };
        let lists = self.entries.iter().filter(|entry| entry.path.starts_with(&needs.path));
        let names: Vec<&str> = lists.flat_map(Entry::names).collect();
        let others = jobs().map(|job| job.path[1].as_str()).filter(|name| *name != last && !names.contains(name));
        let forgotten = others.filter(|name| self.may_fail(&["jobs", name]).is_none());
        let what = |name| format!("The job `{last}` doesn't wait for the job `{name}`, which must pass.");
        let remedy = "Add the job to `needs`, or allow it to fail: continue-on-error: true";
        forgotten.map(|name| problem(self.file, needs.place, what(name)).remedy(remedy)).collect()
    }
}
