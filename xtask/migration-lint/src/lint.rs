//! Lints one migration with squawk.

use squawk_linter::{Linter, Version, ignore};
use squawk_syntax::syntax_error::SyntaxError;
use squawk_syntax::{Parse, SourceFile, SyntaxElement, SyntaxKind, SyntaxToken};

use crate::accepted::List;
use crate::finding::{Finding, Position};
use crate::reach;
use crate::rule::{REPLACED, Rule};
use crate::transaction;

/// Returns the findings in a migration in the order of the text, except those of rules that are off.
pub(crate) fn findings(file: &str, text: &str, postgres: Version, list: &List) -> Vec<Finding> {
    let finding = |rule, offset, message: String, help: Vec<String>| Finding {
        file: file.to_owned(),
        position: Position::of(text, offset),
        rule,
        message,
        help,
    };
    let parse = SourceFile::parse(text);
    let mut findings = Vec::new();
    for error in first_of_each_statement(&parse) {
        let message =
            format!("squawk's parser doesn't understand this statement: {}.", error.message().trim_end_matches('.'));
        let help = "If PostgreSQL understands it, look through the statement yourself: the rules can't see all of it."
            .to_owned();
        findings.push(finding(Rule::SyntaxError, error.range().start().into(), message, vec![help]));
    }

    let comments = squawk_comments(&parse);
    for comment in &comments {
        let message = "A comment that silences squawk has no effect here.".to_owned();
        let help = "Leave it out: once the migration is applied, the comment can't be removed.".to_owned();
        findings.push(finding(Rule::SquawkComment, comment.text_range().start().into(), message, vec![help]));
    }

    for refused in transaction::refused(text, &parse) {
        findings.push(finding(Rule::NeedsNoTransaction, refused.offset, refused.message, vec![refused.help]));
    }

    for found in reach::found(&parse) {
        findings.push(finding(found.rule, found.offset, found.message, vec![found.help.to_owned()]));
    }

    // Each file needs a new linter, because a linter keeps the findings and the offsets of its last file.
    let mut linter = Linter::with_rules(&[], &[REPLACED]);
    linter.settings.pg_version = postgres;
    linter.settings.assume_in_transaction = !transaction::is_without(text);
    let text_alone = without(text, &comments);
    for violation in linter.lint(&SourceFile::parse(&text_alone), &text_alone) {
        let (rule, offset) = (Rule::Squawk(violation.code), violation.text_range.start().into());
        findings.push(finding(rule, offset, violation.message, violation.help.into_iter().collect()));
    }

    findings.retain(|finding| !list.off_in(file).any(|off| off == finding.rule));
    findings.sort_by_key(|finding| finding.position);
    findings
}

/// Returns the first syntax error of each statement. The other errors in the statement are consequences of the first.
fn first_of_each_statement(parse: &Parse<SourceFile>) -> Vec<SyntaxError> {
    // The parser may split a statement that it doesn't understand, but the statement has only one semicolon.
    let ends: Vec<_> = tokens(parse, SyntaxKind::SEMICOLON).map(|token| token.text_range().start()).collect();
    let mut errors = parse.errors();
    errors.dedup_by_key(|error| ends.partition_point(|end| *end < error.range().start()));
    errors
}

/// Returns the comments that would silence squawk, or would tell squawk that there is no transaction.
fn squawk_comments(parse: &Parse<SourceFile>) -> Vec<SyntaxToken> {
    tokens(parse, SyntaxKind::COMMENT).filter(obeyed_by_squawk).collect()
}

fn tokens(parse: &Parse<SourceFile>, kind: SyntaxKind) -> impl Iterator<Item = SyntaxToken> {
    let elements = parse.syntax_node().descendants_with_tokens();
    elements.filter_map(SyntaxElement::into_token).filter(move |token| token.kind() == kind)
}

fn obeyed_by_squawk(comment: &SyntaxToken) -> bool {
    let body = comment.text().trim_start_matches(['-', '/', '*']).trim_start();
    ignore::ignore_rule_info(comment).is_some() || body.starts_with("squawk-disable-assume-in-transaction")
}

/// Returns the text with blanks in place of the comments, so that no offset changes.
fn without(text: &str, comments: &[SyntaxToken]) -> String {
    let mut blanked = text.to_owned();
    for comment in comments {
        let range = comment.text_range();
        let blank = |byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' };
        let blank: String = comment.text().bytes().map(blank).collect();
        blanked.replace_range(usize::from(range.start())..usize::from(range.end()), &blank);
    }
    blanked
}
