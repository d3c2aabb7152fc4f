//! What the deep proof leaves out, and what it reads in another form, each with its reason.
//!
//! Everything that isn't named here is compared, so a catalog or a column that a new version of PostgreSQL adds is compared
//! until somebody says here why it doesn't matter.

/// Where they are asked for, `privileges.rs` says which of them are compared.
pub(super) const PRIVILEGES: &str =
    "owners and privileges are left out of the proof, because the names of roles differ between machines";
const SERVER: &str = "it belongs to the server, not to one of its databases";
const STATISTICS: &str = "it is a statistic, or sets how many are gathered";
const PHYSICAL: &str = "it says how rows are stored, not what they may be";
const TRANSACTIONS: &str = "it is a number of a transaction";
const HINT: &str = "it may stay true after the last such object is gone, until VACUUM looks";
const DATA: &str = "it is data";
const INSTALLATION: &str = "it comes with the server's installation";
const DROPPED: &str = "it counts columns that were dropped, of which nothing else is left";

/// The catalogs that aren't compared. `true` marks those that are read for the names of their objects, because other
/// catalogs refer to them.
pub(super) const CATALOGS: &[(&str, bool, &str)] = &[
    ("pg_auth_members", false, SERVER),
    ("pg_authid", true, SERVER),
    ("pg_default_acl", false, PRIVILEGES),
    ("pg_init_privs", false, PRIVILEGES),
    ("pg_largeobject", false, DATA),
    ("pg_largeobject_metadata", false, DATA),
    ("pg_parameter_acl", false, PRIVILEGES),
    ("pg_replication_origin", false, SERVER),
    ("pg_shdescription", false, SERVER),
    ("pg_shseclabel", false, SERVER),
    ("pg_statistic", false, STATISTICS),
    ("pg_statistic_ext_data", false, STATISTICS),
    ("pg_subscription_rel", false, "it says how far a subscription has copied"),
    ("pg_tablespace", true, SERVER),
];

/// A type whose columns aren't compared, in any catalog.
pub(super) const TYPES: &[(&str, &str)] = &[("_aclitem", PRIVILEGES)];

/// The columns that aren't compared.
pub(super) const COLUMNS: &[(&str, &str, &str)] = &[
    ("pg_attribute", "attcacheoff", PHYSICAL),
    ("pg_attribute", "atthasmissing", PHYSICAL),
    ("pg_attribute", "attisdropped", "rows of dropped columns are left out"),
    ("pg_attribute", "attmissingval", PHYSICAL),
    ("pg_attribute", "attndims", "PostgreSQL ignores the number of an array's dimensions, and pg_dump loses it"),
    ("pg_attribute", "attstattarget", STATISTICS),
    ("pg_class", "relallfrozen", STATISTICS),
    ("pg_class", "relallvisible", STATISTICS),
    ("pg_class", "relfilenode", PHYSICAL),
    ("pg_class", "relfrozenxid", TRANSACTIONS),
    ("pg_class", "relhasindex", HINT),
    ("pg_class", "relhasrules", HINT),
    ("pg_class", "relhassubclass", HINT),
    ("pg_class", "relhastriggers", HINT),
    ("pg_class", "relispopulated", "whether a materialized view has been filled is data"),
    ("pg_class", "relminmxid", TRANSACTIONS),
    ("pg_class", "relnatts", DROPPED),
    ("pg_class", "relowner", PRIVILEGES),
    ("pg_class", "relpages", STATISTICS),
    ("pg_class", "relrewrite", PHYSICAL),
    ("pg_class", "reltablespace", PHYSICAL),
    ("pg_class", "reltuples", STATISTICS),
    ("pg_collation", "collowner", PRIVILEGES),
    ("pg_collation", "collversion", INSTALLATION),
    ("pg_conversion", "conowner", PRIVILEGES),
    ("pg_database", "datallowconn", SERVER),
    ("pg_database", "datcollversion", INSTALLATION),
    ("pg_database", "datconnlimit", SERVER),
    ("pg_database", "datdba", PRIVILEGES),
    ("pg_database", "datfrozenxid", TRANSACTIONS),
    ("pg_database", "dathasloginevt", HINT),
    ("pg_database", "datistemplate", SERVER),
    ("pg_database", "datlastsysoid", INSTALLATION),
    ("pg_database", "datminmxid", TRANSACTIONS),
    ("pg_database", "dattablespace", PHYSICAL),
    ("pg_event_trigger", "evtowner", PRIVILEGES),
    ("pg_extension", "extowner", PRIVILEGES),
    ("pg_extension", "extversion", INSTALLATION),
    ("pg_foreign_data_wrapper", "fdwowner", PRIVILEGES),
    ("pg_foreign_server", "srvowner", PRIVILEGES),
    ("pg_index", "indcheckxmin", TRANSACTIONS),
    ("pg_language", "lanowner", PRIVILEGES),
    ("pg_namespace", "nspowner", PRIVILEGES),
    ("pg_opclass", "opcowner", PRIVILEGES),
    ("pg_operator", "oprowner", PRIVILEGES),
    ("pg_opfamily", "opfowner", PRIVILEGES),
    ("pg_proc", "proowner", PRIVILEGES),
    ("pg_publication", "pubowner", PRIVILEGES),
    ("pg_rewrite", "ev_qual", "it is a part of the rule that ev_action is read as"),
    ("pg_statistic_ext", "stxowner", PRIVILEGES),
    ("pg_statistic_ext", "stxstattarget", STATISTICS),
    ("pg_subscription", "subconninfo", "it contains a password"),
    ("pg_subscription", "subowner", PRIVILEGES),
    ("pg_subscription", "subskiplsn", "it says how far a subscription has copied"),
    ("pg_ts_config", "cfgowner", PRIVILEGES),
    ("pg_ts_dict", "dictowner", PRIVILEGES),
    ("pg_type", "typndims", "PostgreSQL ignores the number of an array's dimensions, and pg_dump loses it"),
    ("pg_type", "typowner", PRIVILEGES),
];

/// The rows that are compared, where it isn't all of them.
pub(super) const ROWS: &[(&str, &str)] = &[
    // Of a dropped column, only its place is left.
    ("pg_attribute", "NOT attisdropped"),
    ("pg_database", "datname = current_database()"),
    // The settings of a role in all databases belong to the server.
    ("pg_db_role_setting", "setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"),
    // The comments of extensions come with the server's installation. The schema public has a comment in a new database,
    // and none after it was dropped and created again.
    (
        "pg_description",
        "classoid <> 'pg_extension'::regclass \
         AND NOT (classoid = 'pg_namespace'::regclass AND description = 'standard public schema')",
    ),
    // Of the roles that something depends on, only those of policies are compared. The others are owners and privileges.
    ("pg_shdepend", "deptype = 'r' AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"),
    ("pg_subscription", "subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"),
];

/// Views that are read in place of a catalog, because not every role may read the catalog itself.
pub(super) const VIEWS: &[(&str, &str)] = &[
    ("pg_authid", "pg_roles"),
    ("pg_user_mapping", "(SELECT umid AS oid, umuser, srvid AS umserver, umoptions FROM pg_user_mappings)"),
];

/// Columns whose texts have an order that means nothing.
pub(super) const UNORDERED: &[(&str, &str)] = &[
    ("pg_attribute", "attoptions"),
    ("pg_class", "reloptions"),
    ("pg_class", "reltoastrelid"),
    ("pg_db_role_setting", "setconfig"),
    ("pg_policy", "polroles"),
];

/// The expressions that columns are read as. `true` marks DDL that the server writes for an expression tree.
pub(super) const READ_AS: &[(&str, &str, &str, bool)] = &[
    ("pg_attrdef", "adbin", "pg_get_expr(adbin, adrelid)", true),
    // The place among the columns that are left. Numbers have gaps where columns were dropped.
    (
        "pg_attribute",
        "attnum",
        "CASE WHEN attnum > 0 THEN rank() OVER (PARTITION BY attrelid, attnum > 0 ORDER BY attnum) ELSE attnum END",
        false,
    ),
    ("pg_class", "relpartbound", "pg_get_expr(relpartbound, oid)", true),
    // A table keeps the table for its large values when its last large column is dropped. Only the options matter.
    ("pg_class", "reltoastrelid", "(SELECT t.reloptions FROM pg_class AS t WHERE t.oid = c.reltoastrelid)", false),
    ("pg_constraint", "conbin", "pg_get_expr(conbin, conrelid)", true),
    ("pg_database", "datname", "'this database'", false),
    // The order of the labels. The numbers depend on the order in which they were added.
    ("pg_enum", "enumsortorder", "rank() OVER (PARTITION BY enumtypid ORDER BY enumsortorder)", false),
    ("pg_index", "indexprs", "pg_get_expr(indexprs, indrelid)", true),
    ("pg_index", "indpred", "pg_get_expr(indpred, indrelid)", true),
    ("pg_partitioned_table", "partexprs", "pg_get_expr(partexprs, partrelid)", true),
    ("pg_policy", "polqual", "pg_get_expr(polqual, polrelid)", true),
    ("pg_policy", "polwithcheck", "pg_get_expr(polwithcheck, polrelid)", true),
    ("pg_proc", "proargdefaults", "pg_get_expr(proargdefaults, 0)", true),
    ("pg_proc", "prosqlbody", "pg_get_function_sqlbody(oid)", true),
    ("pg_publication_rel", "prqual", "pg_get_expr(prqual, prrelid)", true),
    ("pg_rewrite", "ev_action", "pg_get_ruledef(oid)", true),
    ("pg_statistic_ext", "stxexprs", "pg_get_statisticsobjdef_expressions(oid)", true),
    // The name of a constraint's trigger contains its number.
    (
        "pg_trigger",
        "tgname",
        "CASE WHEN tgisinternal AND tgname ~ '_ConstraintTrigger_' THEN
             regexp_replace(tgname, '_[0-9]+$', '') || ' ' || tgfoid::regproc || ' of '
             || (SELECT conrelid::regclass || '.' || conname FROM pg_constraint AS k WHERE k.oid = c.tgconstraint)
         ELSE tgname END",
        false,
    ),
    ("pg_trigger", "tgqual", "CASE WHEN tgqual IS NOT NULL THEN pg_get_triggerdef(oid) END", true),
    ("pg_type", "typdefaultbin", "pg_get_expr(typdefaultbin, 0)", true),
];
