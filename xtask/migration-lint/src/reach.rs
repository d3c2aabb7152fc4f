//! The statements that squawk lets pass, and that a reviewer has to see: they change every row, hide what they run, switch
//! checks off, lock a table for a long time, or reach beyond their database.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{Parse, SourceFile, SyntaxElement, SyntaxKind, SyntaxNode};

use crate::rule::Rule;
use crate::transaction::start_of;

/// A statement that a reviewer has to see.
pub(crate) struct Found {
    /// The offset of the statement, in bytes.
    pub(crate) offset: usize,
    pub(crate) rule: Rule,
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

/// The objects that all databases of a server share.
const SHARED: [&str; 7] = ["database", "group", "parameter", "role", "system", "tablespace", "user"];

/// Functions that act on the server, on its files or on other sessions.
const ON_SERVER: [&str; 8] = [
    "dblink_exec",
    "lo_export",
    "lo_import",
    "pg_cancel_backend",
    "pg_promote",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_terminate_backend",
];

/// The setting with which no trigger and no foreign key is checked any more.
const REPLICATION_ROLE: &str = "session_replication_role";

/// Returns the statements of a file that squawk lets pass, in no order.
pub(crate) fn found(parse: &Parse<SourceFile>) -> Vec<Found> {
    let mut found: Vec<Found> = parse.tree().stmts().filter_map(|statement| of_statement(&statement)).collect();
    // A statement that changes rows may be a part of another one, such as WITH. In a function or a rule it doesn't run yet.
    let runs = |node: &SyntaxNode| !node.ancestors().any(|above| is_definition(above.kind()));
    for node in parse.syntax_node().descendants().filter(runs) {
        found.extend(of_every_row(&node));
    }
    found
}

fn is_definition(kind: SyntaxKind) -> bool {
    [SyntaxKind::CREATE_FUNCTION, SyntaxKind::CREATE_PROCEDURE, SyntaxKind::CREATE_RULE].contains(&kind)
}

fn of_every_row(node: &SyntaxNode) -> Option<Found> {
    let message = if let Some(delete) = ast::Delete::cast(node.clone()) {
        delete.where_clause_or_current_of().is_none().then_some("DELETE without WHERE deletes every row of the table")
    } else if let Some(update) = ast::Update::cast(node.clone()) {
        update.where_clause_or_current_of().is_none().then_some("UPDATE without WHERE changes every row of the table")
    } else {
        ast::Truncate::cast(node.clone()).map(|_| "TRUNCATE deletes every row of the table")
    }?;
    let help = "Say with WHERE which rows are meant. On a table in use, change them in several migrations.";
    Some(Found { offset: start_of(node), rule: Rule::ChangesEveryRow, message: format!("{message}."), help })
}

fn of_statement(statement: &ast::Stmt) -> Option<Found> {
    let node = statement.syntax();
    let words = words(node);
    let (rule, message, help) = hidden(statement, &words)
        .or_else(|| checks_off(statement, &words))
        .or_else(|| locking(statement))
        .or_else(|| beyond_database(&words))?;
    Some(Found { offset: start_of(node), rule, message, help })
}

type Why = (Rule, String, &'static str);

/// Statements whose own statements nobody can see here.
fn hidden(statement: &ast::Stmt, words: &[String]) -> Option<Why> {
    let help = "Write the statements out. If that can't be done, look through what it runs yourself.";
    let what = match statement {
        ast::Stmt::Do(_) => "The statements in a DO block can't be checked",
        ast::Stmt::Execute(_) => "The statement that EXECUTE runs can't be checked",
        ast::Stmt::Call(_) => "The statements of the procedure that CALL runs can't be checked",
        ast::Stmt::CreateFunction(_) | ast::Stmt::CreateProcedure(_) => {
            let builds = |word: &String| word.starts_with(['\'', '$']) && has_word(word, "execute");
            words.iter().any(builds).then_some("The statement that EXECUTE builds in this function can't be checked")?
        }
        _ => return None,
    };
    Some((Rule::HiddenStatements, format!("{what}."), help))
}

/// Returns whether a text has a word, in upper or lower case.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part.eq_ignore_ascii_case(word))
}

fn checks_off(statement: &ast::Stmt, words: &[String]) -> Option<Why> {
    let what = match statement {
        ast::Stmt::AlterTable(table) => table.actions().find_map(|action| match action {
            ast::AlterTableAction::DisableTrigger(_) => Some("DISABLE TRIGGER"),
            ast::AlterTableAction::EnableReplicaTrigger(_) => Some("ENABLE REPLICA TRIGGER"),
            ast::AlterTableAction::DisableRule(_) => Some("DISABLE RULE"),
            _ => None,
        })?,
        _ if words.iter().any(|word| word.trim_matches('\'') == REPLICATION_ROLE) => REPLICATION_ROLE,
        _ => return None,
    };
    let help = "Change the data so that the checks accept it. Rows that come in meanwhile aren't checked later either.";
    Some((Rule::ChecksOff, format!("{what} switches triggers off, and with them may go foreign keys."), help))
}

fn locking(statement: &ast::Stmt) -> Option<Why> {
    let what = match statement {
        ast::Stmt::Lock(_) => "LOCK TABLE keeps others from the table up to the end of the migration",
        ast::Stmt::Cluster(_) => "CLUSTER writes the whole table anew, and nobody can read the table meanwhile",
        ast::Stmt::AlterTable(table) => table.actions().find_map(|action| match action {
            ast::AlterTableAction::SetUnlogged(_) => {
                Some("SET UNLOGGED writes the whole table anew, and the table is empty after a crash of the server")
            }
            ast::AlterTableAction::SetLogged(_) => {
                Some("SET LOGGED writes the whole table anew, and nobody can read the table meanwhile")
            }
            _ => None,
        })?,
        _ => return None,
    };
    let help = "Do it outside of migrations, when nobody uses the table, or leave it out.";
    Some((Rule::LocksTable, format!("{what}."), help))
}

/// The statement is known by its words, because squawk's parser doesn't know every form.
fn beyond_database(words: &[String]) -> Option<Why> {
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let is_shared = |index| SHARED.contains(&word(index));
    let what = match (word(0), word(1)) {
        // A user mapping belongs to a foreign server, and so to the database.
        ("create" | "alter" | "drop", "user") if word(2) == "mapping" => return None,
        ("create" | "alter" | "drop", "subscription") => "A subscription acts on another server",
        ("create" | "alter" | "drop", _) if is_shared(1) => {
            "This changes something that all databases of the server share"
        }
        ("drop" | "reassign", "owned") => "This also changes what the role owns in the whole server",
        ("comment", "on") if is_shared(2) => "The comment is on something that all databases of the server share",
        ("security", "label") if words.windows(2).any(|pair| pair[0] == "on" && SHARED.contains(&pair[1].as_str())) => {
            "The label is on something that all databases of the server share"
        }
        ("grant" | "revoke", _) => {
            let on = words.iter().position(|word| word == "on");
            match on {
                None => "Memberships of roles are shared by all databases of the server",
                Some(on) if is_shared(on + 1) => "The privilege is on something that all databases of the server share",
                Some(_) => return None,
            }
        }
        ("copy", _) if words.iter().any(|word| word == "program") => {
            "COPY … PROGRAM runs a program on the server's machine"
        }
        ("copy", _)
            if words
                .windows(2)
                .any(|pair| ["from", "to"].contains(&pair[0].as_str()) && pair[1].starts_with(['\'', '$'])) =>
        {
            "COPY uses a file of the server's machine"
        }
        ("load" | "checkpoint", _) => "This acts on the whole server",
        _ if words.windows(2).any(|pair| ON_SERVER.contains(&pair[0].as_str()) && pair[1] == "(") => {
            "This function acts on the whole server"
        }
        _ => return None,
    };
    let help = "Do it where the server is set up. A migration also runs on scratch databases beside those in use.";
    Some((Rule::BeyondDatabase, format!("{what}."), help))
}

/// Returns the tokens of a statement in lower case, without comments and white space.
fn words(node: &SyntaxNode) -> Vec<String> {
    let tokens = node.descendants_with_tokens().filter_map(SyntaxElement::into_token);
    tokens.filter(|token| !token.kind().is_trivia()).map(|token| token.text().to_lowercase()).collect()
}
