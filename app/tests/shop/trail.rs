//! The audit trail: its rows are read back as they were written, and can't be changed.

use quickcart_audit::{Actor, ActsAs, AdminAction, AuditLog, Entity, EntityType, Recorded, WRITER};
use serde_json::json;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::databases::{as_superuser, run_at};
use crate::{Databases, ask, run, with_databases, with_server};

fn entries<T>(recorded: Vec<Recorded<T>>) -> Vec<T> {
    assert!(recorded.is_sorted_by(|a, b| a.id > b.id && a.timestamp >= b.timestamp));
    recorded.into_iter().map(|row| row.entry).collect()
}

#[test]
fn events_are_recorded_and_read_back() {
    with_databases(async |databases| {
        let mut audit = databases.audit().await;
        let full = AuditLog {
            actor: Actor::Admin(123_456_789),
            entity: Entity::new(EntityType::User, "1"),
            action: "ban".into(),
            before: Some(json!({"is_banned": false})),
            after: Some(json!({"is_banned": true})),
            context: Some(json!(["why", {"count": 3}])),
            ip_address: Some("203.0.113.7".parse().unwrap()),
        };
        let bare = |actor, ip: &str| AuditLog {
            actor,
            before: None,
            after: None,
            context: None,
            ip_address: ip.parse().ok(),
            ..full.clone()
        };
        let logs = [full.clone(), bare(Actor::User(1), "2001:db8::7"), bare(Actor::System, "")];
        for log in &logs {
            log.record(&mut audit).await.unwrap();
        }
        // One row is about another user, and one is about another entity with the same number.
        for entity in [Entity::new(EntityType::User, "2"), Entity::new(EntityType::Balance, "1")] {
            AuditLog { entity, ..full.clone() }.record(&mut audit).await.unwrap();
        }
        let newest_first: Vec<_> = logs.iter().rev().cloned().collect();
        assert_eq!(entries(AuditLog::latest(&mut audit, &full.entity, 10).await.unwrap()), newest_first);
        assert_eq!(entries(AuditLog::latest(&mut audit, &full.entity, 2).await.unwrap()), newest_first[..2]);
        assert_eq!(ask(&mut audit, "SELECT ip_address FROM audit_logs WHERE id = 2").await, "2001:db8::7/128");

        let target = Entity::new(EntityType::Product, "1");
        let action = AdminAction {
            admin_id: 123_456_789,
            command: "addstock".into(),
            target: Some(target.clone()),
            parameters: Some(json!({"units": 3})),
            result: "refused: no such product".into(),
            ip_address: Some("::1".parse().unwrap()),
        };
        action.record(&mut audit).await.unwrap();
        let without =
            AdminAction { target: None, parameters: None, ip_address: None, command: "stats".into(), ..action.clone() };
        without.record(&mut audit).await.unwrap();
        assert_eq!(entries(AdminAction::latest(&mut audit, &target, 10).await.unwrap()), [action]);
        assert_eq!(ask(&mut audit, "SELECT count(*) FROM admin_action_audit WHERE target_id IS NULL").await, "1");

        // A refused row is an error, and isn't recorded.
        let error = AuditLog { action: "x".repeat(51), ..full.clone() }.record(&mut audit).await.unwrap_err();
        assert_eq!(error.code().as_deref(), Some("22001"));
        assert_eq!(ask(&mut audit, "SELECT count(*) FROM audit_logs").await, "5");
    });
}

#[test]
fn the_shop_may_add_rows_to_the_trail_and_read_them_and_no_more() {
    with_databases(async |databases| {
        let mut audit = databases.audit().await;
        for table in quickcart_audit::TABLES {
            ask(&mut audit, &format!("SELECT count(*) FROM {table}")).await;
            for statement in [
                format!("UPDATE {table} SET id = DEFAULT WHERE false"),
                format!("DELETE FROM {table} WHERE false"),
                format!("TRUNCATE {table}"),
                format!("DROP TABLE {table}"),
                format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
                format!("ALTER TABLE {table} OWNER TO {WRITER}"),
                format!("CREATE TRIGGER t BEFORE INSERT ON {table} EXECUTE FUNCTION reject_audit_change()"),
                format!("SELECT setval('{table}_id_seq', 1)"),
                format!("CREATE INDEX ON {table} (id)"),
                "ALTER FUNCTION reject_audit_change() OWNER TO CURRENT_USER".to_owned(),
                "CREATE OR REPLACE FUNCTION reject_audit_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'"
                    .to_owned(),
                "SET session_replication_role = replica".to_owned(),
            ] {
                assert_denied(&mut audit, &statement).await;
            }
            // A grant of something that the role hasn't is no error, but has no effect.
            run(&mut audit, &format!("GRANT INSERT ON {table} TO PUBLIC")).await;
            let acl = format!(
                "SELECT relacl::text NOT LIKE '%{{=%' AND relacl::text NOT LIKE '%,=%' FROM pg_class WHERE oid = '{table}'::regclass"
            );
            assert_eq!(ask(&mut audit, &acl).await, "true");
        }
    });
}

/// A login that is only a member of the writer can't go back to be an owner.
#[test]
fn a_login_that_is_only_a_member_stays_the_writer() {
    with_server(async |server, databases| {
        let make = format!("CREATE ROLE member LOGIN PASSWORD 'x'; GRANT {WRITER} TO member");
        as_superuser(server, "postgres", &make).await;
        let (mut audit, acts_as) = databases.trail(|login| login.username("member").password("x")).await;
        assert_eq!(acts_as, ActsAs::Writer);
        entry().record(&mut audit).await.unwrap();
        for back in ["RESET ROLE", "SET ROLE NONE"] {
            run(&mut audit, back).await;
            assert_eq!(ask(&mut audit, "SELECT current_user").await, "member");
            for statement in [
                "UPDATE audit_logs SET action = 'unban'",
                "DELETE FROM audit_logs",
                "ALTER TABLE audit_logs DISABLE TRIGGER ALL",
                "SET ROLE quickcart",
                "SET SESSION AUTHORIZATION quickcart",
            ] {
                assert_denied(&mut audit, statement).await;
            }
        }
        assert_eq!(ask(&mut audit, "SELECT action FROM audit_logs").await, "ban");
    });
}

/// Another role acts as the writer only where the server lets it. Elsewhere the trail is written all the same.
#[test]
fn the_trail_is_written_as_the_urls_role_where_the_writer_cant_be_used() {
    with_server(async |server, databases| {
        as_superuser(server, "postgres", "CREATE ROLE stranger LOGIN PASSWORD 'x'").await;
        let tables = quickcart_audit::TABLES.join(", ");
        let owner = databases.0.url("audit");
        run_at(owner, &format!("GRANT INSERT, SELECT ON {tables} TO stranger")).await;
        writes(databases, "stranger", |login| login.username("stranger").password("x"), ActsAs::LoginWithoutMembership)
            .await;
        run_at(owner, &format!("REVOKE INSERT ON audit_logs FROM {WRITER}")).await;
        writes(databases, "quickcart", |login| login, ActsAs::LoginWithoutGrants).await;
    });
}

/// The role of the session may not do this.
async fn assert_denied(audit: &mut PgConnection, statement: &str) {
    let refused = sqlx::query(AssertSqlSafe(statement)).execute(audit).await.unwrap_err();
    let code = refused.as_database_error().unwrap().code();
    assert_eq!(code.as_deref(), Some("42501"), "{statement}: {refused}");
}

async fn writes(
    databases: &Databases,
    user: &str,
    login: impl FnOnce(PgConnectOptions) -> PgConnectOptions,
    expected: ActsAs,
) {
    let (mut audit, acts_as) = databases.trail(login).await;
    assert_eq!(acts_as, expected);
    assert_eq!(ask(&mut audit, "SELECT current_user").await, user);
    entry().record(&mut audit).await.unwrap();
}

fn entry() -> AuditLog {
    AuditLog {
        actor: Actor::System,
        entity: Entity::new(EntityType::User, "1"),
        action: "ban".into(),
        before: None,
        after: None,
        context: None,
        ip_address: None,
    }
}
