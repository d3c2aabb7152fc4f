-- Finds out which catalogs, columns, references and keys this server has. Each answer is one value: an array of rows,
-- because thousands of small rows take the client longer than one large one. The transaction stays open: the rows of the
-- catalogs are read in it.

SELECT 'column', array_agg(ARRAY[c.relname::text, c.oid::text, a.attname::text, t.typname::text,
        has_column_privilege(c.oid, a.attnum, 'SELECT')::text] ORDER BY c.relname, a.attnum)::text
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid JOIN pg_type AS t ON t.oid = a.atttypid
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND c.oid < 16384 AND a.attnum > 0 AND NOT a.attisdropped;

SELECT 'reference', array_agg(ARRAY[f.relname::text, array_to_string(fkcols, ' '), p.relname::text, array_to_string(pkcols, ' '),
        is_array::text])::text
FROM pg_get_catalog_foreign_keys() JOIN pg_class AS f ON f.oid = fktable JOIN pg_class AS p ON p.oid = pktable;

SELECT 'key', array_agg(ARRAY[c.relname::text, (
        SELECT string_agg(a.attname, ' ' ORDER BY a.attnum) FROM pg_attribute AS a WHERE a.attrelid = i.indexrelid)]
    ORDER BY i.indexrelid)::text
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.oid < 16384 AND i.indisunique;
