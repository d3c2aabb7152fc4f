//! The rules by name: squawk's rules, and those of this program.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A rule, by the name that it is reported under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// One of squawk's rules.
    Squawk(squawk_linter::Rule),
    /// squawk's parser doesn't understand the text.
    SyntaxError,
    /// A statement that PostgreSQL refuses in a transaction would run in one.
    NeedsNoTransaction,
    /// A comment that squawk would obey, and that has no effect here.
    SquawkComment,
    /// A statement deletes or changes every row of a table.
    ChangesEveryRow,
    /// A statement runs other statements, which can't be seen.
    HiddenStatements,
    /// A statement switches triggers or rules off.
    ChecksOff,
    /// A statement keeps others from a table for a long time.
    LocksTable,
    /// A statement changes something outside of its database.
    BeyondDatabase,
    /// An entry in the list of accepted findings that can't be used.
    AcceptedInvalid,
    /// An entry in the list of accepted findings that nothing matches.
    AcceptedStale,
}

/// The rules of this program that can be switched off or accepted.
const OWN: [Rule; 8] = [
    Rule::SyntaxError,
    Rule::NeedsNoTransaction,
    Rule::SquawkComment,
    Rule::ChangesEveryRow,
    Rule::HiddenStatements,
    Rule::ChecksOff,
    Rule::LocksTable,
    Rule::BeyondDatabase,
];

/// squawk's rule that [`Rule::NeedsNoTransaction`] replaces. squawk's rule knows one statement only. It also takes a
/// file with nothing but that statement for a file without a transaction.
pub(crate) const REPLACED: squawk_linter::Rule = squawk_linter::Rule::BanConcurrentIndexCreationInTransaction;

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Squawk(rule) => write!(f, "{rule}"),
            Self::SyntaxError => f.write_str("syntax-error"),
            Self::NeedsNoTransaction => f.write_str("needs-no-transaction"),
            Self::SquawkComment => f.write_str("squawk-comment"),
            Self::ChangesEveryRow => f.write_str("changes-every-row"),
            Self::HiddenStatements => f.write_str("hidden-statements"),
            Self::ChecksOff => f.write_str("checks-off"),
            Self::LocksTable => f.write_str("locks-table"),
            Self::BeyondDatabase => f.write_str("beyond-database"),
            Self::AcceptedInvalid => f.write_str("accepted-invalid"),
            Self::AcceptedStale => f.write_str("accepted-stale"),
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a name can't stand in the list of accepted findings.
#[derive(Debug)]
pub(crate) enum NameError {
    /// No rule has this name.
    Unknown,
    /// squawk knows the name, but no finding is reported under it.
    NotRun {
        /// The names to write instead, if there are any.
        instead: Vec<String>,
    },
}

impl FromStr for Rule {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if let Some(own) = OWN.into_iter().find(|own| own.to_string() == name) {
            return Ok(own);
        }
        let rule: squawk_linter::Rule = name.parse().map_err(|_| NameError::Unknown)?;
        if rule == REPLACED {
            return Err(NameError::NotRun { instead: vec![Self::NeedsNoTransaction.to_string()] });
        }
        if !rule.expands_to().is_empty() {
            return Err(NameError::NotRun { instead: rule.expands_to().iter().map(ToString::to_string).collect() });
        }
        if rule.is_opt_in() {
            return Err(NameError::NotRun { instead: Vec::new() });
        }
        Ok(Self::Squawk(rule))
    }
}
