//! What becomes of a database in an exchange: its new name, its comment and its limit of connections.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::super::marked::{self, SCRATCH, SNAPSHOT};
use super::super::snapshot::Snapshot;
use super::swap::Move;
use crate::connection::sql::{identifier, literal};
use crate::database_url::DatabaseUrl;
use crate::problem::{Code, Problem};
use crate::stamp::{self, Claim, Kept, Stamp, stamp_in};
use crate::target::Target;

/// A database as it is on its server.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    oid: i64,
    pub(crate) name: String,
    comment: Option<String>,
    limit: i32,
    owner: String,
    may_rename: bool,
}

impl Present {
    /// Reads what the server says about a database.
    pub(super) async fn read(connection: &mut PgConnection, name: &str) -> Result<Option<Self>, sqlx::Error> {
        let query = format!(
            "SELECT oid::bigint, datname::text, shobj_description(oid, 'pg_database'), datconnlimit, \
             pg_get_userbyid(datdba)::text, pg_has_role(current_user, datdba, 'USAGE') FROM pg_database WHERE datname = {}",
            literal(name)
        );
        let row = sqlx::raw_sql(AssertSqlSafe(query)).fetch_optional(connection).await?;
        let present = row.map(|row| {
            Ok(Self {
                oid: row.try_get(0)?,
                name: row.try_get(1)?,
                comment: row.try_get(2)?,
                limit: row.try_get(3)?,
                owner: row.try_get(4)?,
                may_rename: row.try_get(5)?,
            })
        });
        present.transpose()
    }

    /// The problem that the role of a URL may not rename it.
    pub(super) fn not_renamed_by(&self, url: &DatabaseUrl) -> Option<Problem> {
        if self.may_rename {
            return None;
        }
        let Self { name, owner, .. } = self;
        let what = format!("{name} belongs to {owner}, so {} may neither copy it nor rename it.", url.user);
        let (database, role) = (identifier(name), identifier(&url.user));
        let remedy = format!("As {owner} or a superuser: ALTER DATABASE {database} OWNER TO {role};");
        Some(Problem::failed(Code::MayNotRename, what).detail("Your databases are as they were.").remedy(remedy))
    }

    /// The stamp in its comment.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        stamp_in(self.comment.as_deref())
    }
}

impl From<&Snapshot> for Present {
    fn from(snapshot: &Snapshot) -> Self {
        let Snapshot { oid, name, comment, kept, .. } = snapshot;
        let (name, comment) = (name.clone(), comment.clone());
        Self { oid: *oid, name, comment, limit: kept.limit, owner: String::new(), may_rename: true }
    }
}

/// A set of snapshots that is being made.
pub(crate) struct NewSet {
    pub(crate) name: String,
    id: String,
    all: Vec<String>,
    at: String,
}

impl NewSet {
    /// A set of the databases of these targets.
    pub(crate) fn new<'t>(name: String, targets: impl IntoIterator<Item = &'t Target<'t>>) -> Self {
        let all = targets.into_iter().map(|target| target.database.name.clone()).collect();
        Self { name, id: format!("{:012x}", marked::random_digits()), all, at: stamp::now() }
    }
}

impl Move {
    /// Makes a snapshot of `database`, which is the present one or a copy of it.
    ///
    /// # Errors
    /// The stamp can't be written as text.
    pub(crate) fn keep(
        claim: &Claim,
        target: &Target<'_>,
        database: &Present,
        present: &Present,
        set: &NewSet,
    ) -> Result<Self> {
        let NewSet { name, id, all, at } = set;
        let kept = Kept {
            name: name.clone(),
            set: id.clone(),
            all: all.clone(),
            database: target.database.name.clone(),
            of: present.name.clone(),
            limit: present.limit,
            at: at.clone(),
        };
        // The present one says which branch made it, and when.
        let mut stamp = present.stamp().unwrap_or_else(|| claim.stamp());
        stamp.checkout.clone_from(&claim.checkout);
        stamp.snapshot = Some(kept);
        Ok(Self {
            oid: database.oid,
            from: database.name.clone(),
            to: SNAPSHOT.new_name(&present.name),
            comment: Some(stamp.in_comment(present.comment.as_deref())?),
            limit: SNAPSHOT.mark,
            is_open: false,
        })
    }

    /// Throws a database away: gives it the name of a scratch database, which is dropped afterwards, or by the next run.
    pub(crate) fn throw_away(present: &Present) -> Self {
        Self {
            oid: present.oid,
            from: present.name.clone(),
            to: SCRATCH.new_name(&present.name),
            comment: None,
            limit: SCRATCH.mark,
            is_open: false,
        }
    }

    /// Takes `database` into use, in the place of the present one. `kept` is the stamp of the snapshot that its content comes
    /// from, if it isn't new.
    ///
    /// # Errors
    /// The stamp can't be written as text.
    pub(crate) fn take_up(
        claim: &Claim,
        target: &Target<'_>,
        database: &Present,
        present: Option<&Present>,
        kept: Option<&Stamp>,
    ) -> Result<Self> {
        let mut stamp = kept.cloned().unwrap_or_else(|| claim.stamp());
        let limit = stamp.snapshot.take().map_or(-1, |kept| kept.limit);
        stamp.checkout.clone_from(&claim.checkout);
        let before = present.and_then(Present::stamp).and_then(|stamp| stamp.environment);
        stamp.environment = before.or_else(|| claim.environment.clone());
        Ok(Self {
            oid: database.oid,
            from: database.name.clone(),
            to: target.url.kept_name().to_owned(),
            comment: Some(stamp.in_comment(present.and_then(|present| present.comment.as_deref()))?),
            limit: present.map_or(limit, |present| present.limit),
            is_open: true,
        })
    }

    /// The name that the database gets.
    pub(crate) fn to(&self) -> &str {
        &self.to
    }
}
