//! The owners and privileges, where they are asked for: which columns are compared, and as what they are read.

use super::known;

/// The type of the columns with privileges.
pub(super) const TYPE: &str = "_aclitem";

/// What stays out of the comparison, because it differs between databases of one server that are both right. Who owns the
/// database is decided where the server is set up, and an extension belongs to whoever has installed it. `pg_init_privs`
/// says what was usual when an object was made, and the privileges for settings belong to the server.
const OUT: &[(&str, Option<&str>)] = &[
    ("pg_database", Some("datdba")),
    ("pg_extension", Some("extowner")),
    ("pg_init_privs", None),
    ("pg_parameter_acl", None),
];

/// The catalogs with privileges: the column with them, the letter for `acldefault`, and the column with the owner.
const CATALOGS: &[(&str, &str, &str, &str)] = &[
    ("pg_attribute", "attacl", "'c'", "(SELECT relowner FROM pg_class AS o WHERE o.oid = c.attrelid)"),
    ("pg_class", "relacl", "CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\"", "c.relowner"),
    ("pg_foreign_data_wrapper", "fdwacl", "'F'", "c.fdwowner"),
    ("pg_foreign_server", "srvacl", "'S'", "c.srvowner"),
    ("pg_language", "lanacl", "'l'", "c.lanowner"),
    ("pg_namespace", "nspacl", "'n'", "c.nspowner"),
    ("pg_proc", "proacl", "'f'", "c.proowner"),
    ("pg_type", "typacl", "'T'", "c.typowner"),
];

/// Returns whether a catalog, or a column of it, is compared only if privileges are asked for.
pub(super) fn is_compared(catalog: &str, column: Option<&str>) -> bool {
    let left_out = match column {
        None => known::CATALOGS.iter().any(|(name, _, why)| *name == catalog && *why == known::PRIVILEGES),
        Some(column) => {
            known::COLUMNS.iter().any(|(of, name, why)| (*of, *name) == (catalog, column) && *why == known::PRIVILEGES)
        }
    };
    left_out && !OUT.contains(&(catalog, column))
}

/// Returns the expression that a column with owners or privileges is read as. There is none for a column that this program
/// doesn't know, which is compared as it is.
pub(super) fn expression(catalog: &str, column: &str) -> Option<String> {
    if let Some((.., letter, owner)) = CATALOGS.iter().find(|(of, name, ..)| (*of, *name) == (catalog, column)) {
        // The privileges of a new object are the same whether they are written out or not.
        let default = format!("COALESCE(c.{column}, NULLIF(acldefault({letter}, {owner}), '{{}}'))");
        return Some(listed(&default, owner, "true"));
    }
    match (catalog, column) {
        ("pg_default_acl", "defaclacl") => Some(listed("c.defaclacl", "c.defaclrole", "true")),
        // Who may connect is decided where the server is set up, too.
        ("pg_database", "datacl") => Some(listed(
            "c.datacl",
            "c.datdba",
            "(privilege_type = 'CREATE' OR is_grantable) AND grantee <> c.datdba \
             AND grantee <> (SELECT oid FROM pg_roles WHERE rolname = current_user)",
        )),
        _ if known::COLUMNS.iter().any(|(of, name, _)| (*of, *name) == (catalog, column)) => Some(format!(
            "CASE WHEN c.oid >= 16384 AND EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = '{catalog}'::regclass \
             AND d.objid = c.oid AND d.deptype = 'e') THEN 'as its extension' ELSE pg_get_userbyid(c.{column})::text END"
        )),
        _ => None,
    }
}

/// Lists privileges in an order that doesn't depend on when they were granted, and without the name of the owner.
fn listed(privileges: &str, owner: &str, condition: &str) -> String {
    let role = |column: &str| {
        format!(
            "CASE {column} WHEN 0 THEN 'PUBLIC' WHEN {owner} THEN 'its owner' ELSE pg_get_userbyid({column})::text END"
        )
    };
    format!(
        "SELECT string_agg(one, ', ' ORDER BY one COLLATE \"C\") FROM (SELECT {} || ' may ' || privilege_type \
         || CASE WHEN is_grantable THEN ' and grant it' ELSE '' END \
         || CASE grantor WHEN {owner} THEN '' ELSE ' by ' || pg_get_userbyid(grantor)::text END AS one \
         FROM aclexplode({privileges}) WHERE {condition}) AS listed",
        role("grantee")
    )
}
