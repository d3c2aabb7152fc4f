//! The statements that can't run in a migration's transaction.
//!
//! sqlx runs a migration in a transaction, unless the file begins with `-- no-transaction`. Even then, PostgreSQL makes
//! one transaction of all statements that it receives together.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{Parse, SourceFile, SyntaxNode};

/// Returns whether sqlx runs the file without a transaction.
pub(crate) fn is_without(text: &str) -> bool {
    // sqlx makes exactly this test.
    text.starts_with("-- no-transaction")
}

/// A statement that PostgreSQL will refuse, because it would run in a transaction.
pub(crate) struct Refused {
    /// The offset of the statement, in bytes.
    pub(crate) offset: usize,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Returns the statements of a file that PostgreSQL will refuse, because they would run in a transaction.
pub(crate) fn refused(text: &str, parse: &Parse<SourceFile>) -> Vec<Refused> {
    let is_empty = |statement: &ast::Stmt| matches!(statement, ast::Stmt::EmptyStmt(_));
    let statements: Vec<_> = parse.tree().stmts().filter(|statement| !is_empty(statement)).collect();
    let alone = statements.len() == 1;
    let (why, help) = match (is_without(text), alone) {
        (true, true) => return Vec::new(),
        (true, false) => (
            "PostgreSQL makes one transaction of a file with several statements",
            "Move it to a file of its own that begins with `-- no-transaction`.",
        ),
        (false, true) => ("this file runs in one", "Begin the file with the line `-- no-transaction`."),
        (false, false) => {
            ("this file runs in one", "Move it to a file of its own that begins with `-- no-transaction`.")
        }
    };
    let refused = |statement: ast::Stmt| {
        let what = refuses_transaction(&statement)?;
        let message = format!("PostgreSQL refuses {what} in a transaction, and {why}.");
        Some(Refused { offset: start_of(statement.syntax()), message, help: help.to_owned() })
    };
    statements.into_iter().filter_map(refused).collect()
}

/// Returns PostgreSQL's name for a statement that it refuses in a transaction, or `None` for any other statement.
/// Statements that no migration needs, such as DISCARD ALL, are left out. So are statements that PostgreSQL refuses
/// only for some objects.
fn refuses_transaction(statement: &ast::Stmt) -> Option<&'static str> {
    match statement {
        ast::Stmt::CreateIndex(index) => index.concurrently_token().map(|_| "CREATE INDEX CONCURRENTLY"),
        ast::Stmt::DropIndex(index) => index.concurrently_token().map(|_| "DROP INDEX CONCURRENTLY"),
        ast::Stmt::AlterTable(table) => {
            table.actions().any(|action| detaches_concurrently(&action)).then_some("DETACH PARTITION CONCURRENTLY")
        }
        ast::Stmt::Reindex(reindex) if reindex.is_concurrently() => Some("REINDEX CONCURRENTLY"),
        ast::Stmt::Reindex(reindex) => match reindex.reindex_target()? {
            ast::ReindexTarget::ReindexTargetDatabase(_) => Some("REINDEX DATABASE"),
            ast::ReindexTarget::ReindexTargetSchema(_) => Some("REINDEX SCHEMA"),
            ast::ReindexTarget::ReindexTargetSystem(_) => Some("REINDEX SYSTEM"),
            ast::ReindexTarget::ReindexTargetIndex(_) | ast::ReindexTarget::ReindexTargetTable(_) => None,
        },
        ast::Stmt::Cluster(cluster) => every_table(cluster).then_some("CLUSTER of every table"),
        ast::Stmt::AlterSystem(_) => Some("ALTER SYSTEM"),
        ast::Stmt::CreateDatabase(_) => Some("CREATE DATABASE"),
        ast::Stmt::CreateTablespace(_) => Some("CREATE TABLESPACE"),
        ast::Stmt::DropDatabase(_) => Some("DROP DATABASE"),
        ast::Stmt::DropTablespace(_) => Some("DROP TABLESPACE"),
        ast::Stmt::Vacuum(_) => Some("VACUUM"),
        _ => None,
    }
}

fn detaches_concurrently(action: &ast::AlterTableAction) -> bool {
    let ast::AlterTableAction::DetachPartition(detach) = action else { return false };
    matches!(detach.detach_partition_option(), Some(ast::DetachPartitionOption::DetachConcurrently(_)))
}

fn every_table(cluster: &ast::Cluster) -> bool {
    cluster.table_name_ref().is_none() && cluster.cluster_legacy().is_none()
}

/// Returns the offset of a statement, without the comments before it.
pub(crate) fn start_of(statement: &SyntaxNode) -> usize {
    let first = statement.children_with_tokens().find(|child| !child.kind().is_trivia());
    first.map_or_else(|| statement.text_range().start(), |child| child.text_range().start()).into()
}
