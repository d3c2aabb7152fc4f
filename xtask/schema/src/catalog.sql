-- These statements read the catalog of every database in one round trip. The simple query protocol takes all of them
-- at once. Each returns one row: the name of a kind, and all rows of the kind as one text, with a record on each line. A
-- message for each row would cost both sides more than the query. rows.rs reads the columns in the order in which they
-- stand.
--
-- There are no joins here, because the program joins the rows. A session reads these catalogs only once, so planning
-- a join would cost more than executing it. The subqueries of NOT IN are executed once, and looked up in a hash table.
-- The objects that initdb made have oids below 16384. Only one of them can differ, the schema public (2200). 99 is the
-- schema pg_toast. Objects in temporary schemas of sessions are left out.

SELECT 'schema', string_agg(r::text, E'\n') FROM (
SELECT oid, quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp_)'
) AS r;

SELECT 'relation', string_agg(r::text, E'\n') FROM (
SELECT oid, relnamespace, quote_ident(relname), relkind, relpersistence = 'u', relispartition, relam,
    CASE WHEN reloftype <> 0 THEN format_type(reloftype, NULL) END, relrowsecurity, relforcerowsecurity,
    relreplident, reltoastrelid, array_to_string(reloptions, E'\n'),
    CASE WHEN relispartition THEN pg_get_expr(relpartbound, oid) END,
    CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END
FROM pg_class
WHERE oid >= 16384 AND relpersistence <> 't' AND (relnamespace <> 99 OR reloptions IS NOT NULL)
) AS r;

SELECT 'inheritance', string_agg(r::text, E'\n') FROM (
SELECT inhrelid, inhparent, inhseqno, inhdetachpending FROM pg_inherits
) AS r;

SELECT 'column', string_agg(r::text, E'\n') FROM (
SELECT attrelid, attnum, quote_ident(attname), atttypid, format_type(atttypid, atttypmod), attnotnull,
    attislocal, attidentity, attgenerated, attcompression, attlen = -1, attstorage, attcollation,
    CASE WHEN attcollation <> 0 THEN attcollation::regcollation::text END, array_to_string(attoptions, E'\n')
FROM pg_attribute
WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped AND attrelid NOT IN (
    SELECT oid FROM pg_class WHERE relkind NOT IN ('r', 'p', 'v', 'm', 'c', 'f') OR relpersistence = 't')
) AS r;

SELECT 'default', string_agg(r::text, E'\n') FROM (
SELECT oid, adrelid, adnum, pg_get_expr(adbin, adrelid) FROM pg_attrdef
) AS r;

-- Two kinds are left out: NOT NULL ('n'), which only PostgreSQL 18 and later list, and constraint triggers ('t').
SELECT 'constraint', string_agg(r::text, E'\n') FROM (
SELECT oid, conrelid, contypid, quote_ident(conname), contype, conindid, conparentid, conislocal,
    pg_get_constraintdef(oid)
FROM pg_constraint
WHERE oid >= 16384 AND contype IN ('c', 'p', 'u', 'x', 'f')
) AS r;

-- Writing the definition of an index takes long, and that of a constraint's index is the constraint's.
SELECT 'index', string_agg(r::text, E'\n') FROM (
SELECT indexrelid, indrelid, indisvalid, indisclustered, indisreplident,
    CASE WHEN NOT indisprimary AND indexrelid NOT IN (SELECT conindid FROM pg_constraint WHERE contype IN ('u', 'x'))
        THEN pg_get_indexdef(indexrelid) END
FROM pg_index
WHERE indexrelid >= 16384 AND indrelid NOT IN (SELECT oid FROM pg_class WHERE relkind = 't' OR relpersistence = 't')
) AS r;

SELECT 'sequence', string_agg(r::text, E'\n') FROM (
SELECT seqrelid, format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle
FROM pg_sequence
) AS r;

-- Of the built-in types, only those with unusual storage or collation are read.
SELECT 'type', string_agg(r::text, E'\n') FROM (
SELECT oid, typnamespace, quote_ident(typname), typtype, typrelid,
    CASE WHEN typlen = -1 THEN typelem ELSE 0 END, typstorage, typcollation, typnotnull,
    CASE WHEN typtype = 'd' THEN format_type(typbasetype, typtypmod) END, typbasetype,
    CASE WHEN typcollation <> 0 THEN typcollation::regcollation::text END,
    CASE WHEN typtype = 'd' THEN pg_get_expr(typdefaultbin, 0) END
FROM pg_type
WHERE oid >= 16384
    OR typtype = 'b' AND (typcollation NOT IN (0, 100) OR typstorage <> CASE typlen WHEN -1 THEN 'x'::"char" ELSE 'p' END)
) AS r;

-- The functions of extensions and the constructors of ranges are left out.
SELECT 'routine', string_agg(r::text, E'\n') FROM (
SELECT oid, pronamespace, oid::regprocedure::text, prokind, CASE WHEN prokind <> 'a' THEN pg_get_functiondef(oid) END
FROM pg_proc AS p
WHERE oid >= 16384 AND NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype IN ('e', 'i'))
) AS r;

SELECT 'trigger', string_agg(r::text, E'\n') FROM (
SELECT oid, tgrelid, quote_ident(tgname), tgenabled, tgparentid, tgisinternal, tgconstraint,
    CASE WHEN NOT tgisinternal THEN pg_get_triggerdef(oid) END
FROM pg_trigger
WHERE oid >= 16384 AND (NOT tgisinternal OR tgenabled <> 'O')
) AS r;

-- What was set for this database alone, for all roles or for one. The role of the session has another name on each machine.
SELECT 'setting', string_agg(r::text, E'\n') FROM (
SELECT CASE setrole WHEN 0 THEN '' WHEN (SELECT oid FROM pg_roles WHERE rolname = current_user) THEN 'CURRENT_USER'
        ELSE quote_ident(pg_get_userbyid(setrole)) END, array_to_string(setconfig, E'\n')
FROM pg_db_role_setting
WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS r;

SELECT 'encoding', string_agg(r::text, E'\n') FROM (
SELECT current_setting('server_encoding')
) AS r;

SELECT 'extension', string_agg(r::text, E'\n') FROM (
SELECT oid, extnamespace, quote_ident(extname) FROM pg_extension WHERE extname <> 'plpgsql'
) AS r;

SELECT 'comment', string_agg(r::text, E'\n') FROM (
SELECT classoid, objoid, objsubid, description
FROM pg_description
WHERE objoid >= 16384 OR objoid = 2200 AND classoid = 'pg_namespace'::regclass
) AS r;

-- Of an extension's members, only those are read that could be confused with objects of the schema. The parts of
-- operator classes are left out, because they come with their class. So are dependencies between parts of one object: of
-- the internal ones, only those of sequences on identity columns matter. There are as many dependencies as rows of
-- everything else together, so they are grouped, with a line of numbers for each.
SELECT 'dependencies', string_agg(r::text, E'\n') FROM (
SELECT classid, refclassid, deptype, string_agg(concat_ws(' ', objid, refobjid, refobjsubid), E'\n')
FROM pg_depend
WHERE objid >= 16384 AND (refobjid >= 16384 OR refobjid = 2200)
    AND classid NOT IN ('pg_amop'::regclass, 'pg_amproc'::regclass)
    AND (deptype <> 'i' OR refobjsubid > 0) AND (deptype <> 'a' OR classid <> 'pg_attrdef'::regclass)
    AND CASE WHEN deptype = 'e' THEN classid IN (1259, 1247, 2615, 3466)
        ELSE (classid, objid) NOT IN (
            SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e') END
GROUP BY classid, refclassid, deptype
) AS r;

-- Objects of these kinds may depend on built-in objects only, so the rows above may not show them.
SELECT 'unusual', string_agg(r::text, E'\n') FROM (
SELECT EXISTS (SELECT FROM pg_cast WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_language WHERE oid >= 16384)
    OR EXISTS (SELECT FROM pg_am WHERE oid >= 16384)
    OR pg_relation_size('pg_foreign_data_wrapper') + pg_relation_size('pg_publication')
        + pg_relation_size('pg_subscription') + pg_relation_size('pg_transform') > 0
) AS r;

SELECT 'end', NULL;

COMMIT;
