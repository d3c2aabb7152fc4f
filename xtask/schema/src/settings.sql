-- From here on, every name that isn't PostgreSQL's own is qualified, and there is only one way to write a literal.
SET LOCAL search_path = '';
SET LOCAL quote_all_identifiers = off;
SET LOCAL standard_conforming_strings = on;
SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL intervalstyle = 'postgres';
SET LOCAL timezone = 'UTC';
SET LOCAL extra_float_digits = 1;
SET LOCAL bytea_output = 'hex';
SET LOCAL lc_monetary = 'C';
SET LOCAL jit = off;
-- The hash tables of subqueries have to fit into it.
SET LOCAL work_mem = '256MB';

