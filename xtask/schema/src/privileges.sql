-- Owners and privileges that aren't the usual ones. Usual is that an object belongs to the role of this session, and that its
-- privileges are those of a new object. What initdb or an extension has made has usual privileges of its own (pg_init_privs).
-- Each row is one privilege, or one owner. The role of this session has another name on each machine.

WITH me (me) AS (SELECT oid FROM pg_roles WHERE rolname = current_user),
object (class, oid, part, owner, acl, letter) AS (
    SELECT * FROM (
        SELECT tableoid, oid, 0, relowner, relacl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char"
    FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't' AND relnamespace <> 99
    UNION ALL SELECT c.tableoid, attrelid, attnum, relowner, attacl, 'c'
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid
    WHERE attacl IS NOT NULL AND NOT attisdropped AND relpersistence <> 't'
    UNION ALL SELECT tableoid, oid, 0, proowner, proacl, 'f' FROM pg_proc
    -- The types of tables, arrays and multiranges follow others.
    UNION ALL SELECT tableoid, oid, 0, typowner, typacl, 'T' FROM pg_type AS t
    WHERE typtype <> 'm' AND typcategory <> 'A'
        AND (typrelid = 0 OR EXISTS (SELECT FROM pg_class WHERE oid = typrelid AND relkind = 'c'))
    UNION ALL SELECT tableoid, oid, 0, nspowner, nspacl, 'n' FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp_)'
    UNION ALL SELECT tableoid, oid, 0, lanowner, lanacl, 'l' FROM pg_language
    UNION ALL SELECT tableoid, oid, 0, fdwowner, fdwacl, 'F' FROM pg_foreign_data_wrapper
    UNION ALL SELECT tableoid, oid, 0, srvowner, srvacl, 'S' FROM pg_foreign_server
    UNION ALL SELECT tableoid, oid, 0, collowner, NULL, NULL FROM pg_collation
    UNION ALL SELECT tableoid, oid, 0, conowner, NULL, NULL FROM pg_conversion
    UNION ALL SELECT tableoid, oid, 0, oprowner, NULL, NULL FROM pg_operator
    UNION ALL SELECT tableoid, oid, 0, opcowner, NULL, NULL FROM pg_opclass
    UNION ALL SELECT tableoid, oid, 0, opfowner, NULL, NULL FROM pg_opfamily
    UNION ALL SELECT tableoid, oid, 0, dictowner, NULL, NULL FROM pg_ts_dict
    UNION ALL SELECT tableoid, oid, 0, cfgowner, NULL, NULL FROM pg_ts_config
    UNION ALL SELECT tableoid, oid, 0, stxowner, NULL, NULL FROM pg_statistic_ext
    UNION ALL SELECT tableoid, oid, 0, pubowner, NULL, NULL FROM pg_publication
    UNION ALL SELECT tableoid, oid, 0, evtowner, NULL, NULL FROM pg_event_trigger
    ) AS one (class, oid, part, owner, acl, letter)
    -- Of what initdb has made, only this can be unusual, unless a superuser gives it to another owner.
    WHERE oid >= 16384 OR acl IS NOT NULL OR letter = 'n'
),
-- Objects of extensions belong to whoever has installed them, and the sequence of a column to the owner of its table.
-- 10 is the role that initdb makes, and 6171 is pg_database_owner.
unusual_owner AS (
    SELECT class, oid, owner FROM object AS o CROSS JOIN me
    WHERE part = 0 AND CASE WHEN oid < 16384 THEN owner NOT IN (10, 6171)
        ELSE owner <> me AND NOT EXISTS (
            SELECT FROM pg_depend
            WHERE classid = class AND objid = o.oid AND (deptype = 'e' OR letter = 's' AND deptype IN ('a', 'i'))) END
),
held AS (
    -- Everybody may read what is in information_schema. initdb doesn't note that.
    SELECT class, oid, part, owner, acl, COALESCE(initprivs, CASE WHEN oid < 16384 AND letter IN ('r', 'n')
        THEN acldefault(letter, owner) || makeaclitem(0, owner, CASE letter WHEN 'n' THEN 'USAGE' ELSE 'SELECT' END, false)
        ELSE NULLIF(acldefault(letter, owner), '{}') END) AS usual
    FROM object LEFT JOIN pg_init_privs ON (classoid, objoid, objsubid) = (class, oid, part)
    WHERE acl IS NOT NULL
    -- 826: privileges that new objects get. Those for all schemas replace the usual ones, and those for one are added.
    UNION ALL SELECT tableoid, oid, 0, defaclrole, defaclacl, CASE WHEN defaclnamespace = 0
        THEN acldefault(CASE defaclobjtype WHEN 'S' THEN 's' ELSE defaclobjtype END, defaclrole) END
    FROM pg_default_acl
    -- Who may connect is decided where the server is set up. Who may make schemas is decided by the migrations.
    UNION ALL SELECT tableoid, oid, 0, datdba, NULLIF(ARRAY(
        SELECT makeaclitem(grantee, grantor, privilege_type, is_grantable) FROM aclexplode(datacl), me
        WHERE (privilege_type = 'CREATE' OR is_grantable) AND grantee NOT IN (datdba, me)), '{}'), NULL
    FROM pg_database WHERE datname = current_database() AND datacl IS NOT NULL
),
row (class, oid, part, verb, privilege, role, grantable, grantor) AS (
    SELECT class, oid, 0, 'OWNER', NULL, owner, false, NULL FROM unusual_owner
    UNION ALL SELECT class, oid, part, verb, privilege_type, grantee, is_grantable, NULLIF(grantor, owner)
    FROM held CROSS JOIN LATERAL (
        (SELECT 'REVOKE' AS verb, * FROM aclexplode(usual) EXCEPT SELECT 'REVOKE', * FROM aclexplode(acl))
        UNION ALL (SELECT 'GRANT', * FROM aclexplode(acl) EXCEPT SELECT 'GRANT', * FROM aclexplode(usual))) AS change
    WHERE acl IS DISTINCT FROM usual
)
SELECT verb,
    CASE class WHEN 826 THEN 'new' WHEN 1262 THEN 'database' ELSE (pg_identify_object(class, r.oid, 0)).type END,
    -- The type json has its schema here up to PostgreSQL 16, and none from 17 on.
    CASE WHEN class NOT IN (826, 1262) THEN
        regexp_replace((pg_identify_object(class, r.oid, 0)).identity, '\mpg_catalog\.json\M', 'json', 'g') END,
    privilege || CASE WHEN part > 0 THEN
        ' (' || (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = r.oid AND attnum = part) || ')' ELSE '' END,
    CASE role WHEN 0 THEN 'PUBLIC' WHEN me THEN 'CURRENT_USER' ELSE quote_ident(pg_get_userbyid(role)) END,
    CASE WHEN grantable THEN 'yes' END,
    CASE grantor WHEN me THEN 'CURRENT_USER' ELSE quote_ident(pg_get_userbyid(grantor)) END,
    CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES'
        WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' ELSE defaclobjtype::text END,
    CASE WHEN defaclrole <> me THEN quote_ident(pg_get_userbyid(defaclrole)) END,
    quote_ident(nspname)
FROM row AS r CROSS JOIN me
    LEFT JOIN pg_default_acl AS d ON class = 826 AND d.oid = r.oid LEFT JOIN pg_namespace AS n ON n.oid = defaclnamespace;

SELECT 'end', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;

COMMIT;
