-- These statements read the catalog of every database in one round trip. The simple query protocol takes all of them
-- at once. The first column of each row names its kind. rows.rs reads the columns in the order in which they stand.
--
-- There are no joins here, because the program joins the rows. A session reads these catalogs only once, so planning
-- a join would cost more than executing it. The objects that initdb made have oids below 16384. Only one of them can
-- differ, the schema public (2200). 99 is the schema pg_toast. Objects in temporary schemas of sessions are left out.

SELECT 'schema', oid, quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp_)';

SELECT 'relation', oid, relnamespace, quote_ident(relname), relkind, relpersistence = 'u', relispartition, relam,
    CASE WHEN reloftype <> 0 THEN format_type(reloftype, NULL) END, relrowsecurity, relforcerowsecurity,
    relreplident, reltoastrelid, array_to_string(reloptions, E'\n'),
    CASE WHEN relispartition THEN pg_get_expr(relpartbound, oid) END,
    CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END
FROM pg_class
WHERE oid >= 16384 AND relpersistence <> 't' AND (relnamespace <> 99 OR reloptions IS NOT NULL);

SELECT 'inheritance', inhrelid, inhparent, inhseqno, inhdetachpending FROM pg_inherits;

SELECT 'column', attrelid, attnum, quote_ident(attname), atttypid, format_type(atttypid, atttypmod), attnotnull,
    attislocal, attidentity, attgenerated, attcompression, attlen = -1, attstorage, attcollation,
    CASE WHEN attcollation <> 0 THEN attcollation::regcollation::text END, array_to_string(attoptions, E'\n')
FROM pg_attribute
WHERE attnum > 0 AND NOT attisdropped AND attrelid = ANY (ARRAY(
    SELECT oid FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'c', 'f') AND relpersistence <> 't'));

SELECT 'default', oid, adrelid, adnum, pg_get_expr(adbin, adrelid) FROM pg_attrdef;

-- Two kinds are left out: NOT NULL ('n'), which only PostgreSQL 18 and later list, and constraint triggers ('t').
SELECT 'constraint', oid, conrelid, contypid, quote_ident(conname), contype, conindid, conparentid, conislocal,
    pg_get_constraintdef(oid)
FROM pg_constraint
WHERE oid >= 16384 AND contype IN ('c', 'p', 'u', 'x', 'f');

SELECT 'index', indexrelid, indrelid, indisvalid, indisclustered, indisreplident,
    CASE WHEN NOT indisprimary THEN pg_get_indexdef(indexrelid) END
FROM pg_index
WHERE indexrelid = ANY (ARRAY(
    SELECT oid FROM pg_class
    WHERE oid >= 16384 AND relkind IN ('i', 'I') AND relnamespace <> 99 AND relpersistence <> 't'));

SELECT 'sequence', seqrelid, format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle
FROM pg_sequence;

-- Of the built-in types, only those with unusual storage or collation are read.
SELECT 'type', oid, typnamespace, quote_ident(typname), typtype, typrelid,
    CASE WHEN typlen = -1 THEN typelem ELSE 0 END, typstorage, typcollation, typnotnull,
    CASE WHEN typtype = 'd' THEN format_type(typbasetype, typtypmod) END, typbasetype,
    CASE WHEN typcollation <> 0 THEN typcollation::regcollation::text END,
    CASE WHEN typtype = 'd' THEN pg_get_expr(typdefaultbin, 0) END
FROM pg_type
WHERE oid >= 16384
    OR typtype = 'b' AND (typcollation NOT IN (0, 100) OR typstorage <> CASE typlen WHEN -1 THEN 'x'::"char" ELSE 'p' END);

-- The functions of extensions and the constructors of ranges are left out.
SELECT 'routine', oid, pronamespace, oid::regprocedure::text, prokind, CASE WHEN prokind <> 'a' THEN pg_get_functiondef(oid) END
FROM pg_proc AS p
WHERE oid >= 16384 AND NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype IN ('e', 'i'));

SELECT 'trigger', oid, tgrelid, quote_ident(tgname), tgenabled, tgparentid, tgisinternal, tgconstraint,
    CASE WHEN NOT tgisinternal THEN pg_get_triggerdef(oid) END
FROM pg_trigger
WHERE oid >= 16384 AND (NOT tgisinternal OR tgenabled <> 'O');

-- What was set for this database alone, for all roles or for one. The role of the session has another name on each machine.
SELECT 'setting', CASE setrole WHEN 0 THEN '' WHEN (SELECT oid FROM pg_roles WHERE rolname = current_user) THEN 'CURRENT_USER'
        ELSE quote_ident(pg_get_userbyid(setrole)) END, array_to_string(setconfig, E'\n')
FROM pg_db_role_setting
WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database());

SELECT 'encoding', current_setting('server_encoding');

SELECT 'extension', oid, extnamespace, quote_ident(extname) FROM pg_extension WHERE extname <> 'plpgsql';

SELECT 'comment', classoid, objoid, objsubid, description
FROM pg_description
WHERE objoid >= 16384 OR objoid = 2200 AND classoid = 'pg_namespace'::regclass;

-- Of an extension's members, only those are read that could be confused with objects of the schema. The parts of
-- operator classes are left out, because they come with their class. There are as many dependencies as rows of everything
-- else together, and nothing in them needs quotes. So they come in one row, with a line for each.
SELECT 'dependencies', string_agg(concat_ws(' ', classid, objid, refclassid, refobjid, refobjsubid, deptype), E'\n')
FROM pg_depend AS d
WHERE objid >= 16384 AND (refobjid >= 16384 OR refobjid = 2200)
    AND classid NOT IN ('pg_amop'::regclass, 'pg_amproc'::regclass)
    AND CASE WHEN deptype = 'e' THEN classid IN (1259, 1247, 2615, 3466)
        ELSE NOT EXISTS (SELECT FROM pg_depend AS m WHERE m.classid = d.classid AND m.objid = d.objid AND m.deptype = 'e') END;

-- Objects of these kinds may depend on built-in objects only, so the rows above may not show them.
SELECT 'unusual', EXISTS (SELECT FROM pg_cast WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_language WHERE oid >= 16384)
    OR EXISTS (SELECT FROM pg_am WHERE oid >= 16384)
    OR pg_relation_size('pg_foreign_data_wrapper') + pg_relation_size('pg_publication')
        + pg_relation_size('pg_subscription') + pg_relation_size('pg_transform') > 0;

SELECT 'end';

COMMIT;
