-- The beginning of catalog.sql, before the search path of the session is changed.

BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- The tables that psql's \dt lists, with the default search path of the session.
SELECT 'listed', pg_catalog.string_agg(r::pg_catalog.text, E'\n') FROM (
SELECT oid, pg_catalog.pg_get_userbyid(relowner)
FROM pg_catalog.pg_class
WHERE oid >= 16384 AND relkind IN ('r', 'p') AND pg_catalog.pg_table_is_visible(oid)
) AS r;

