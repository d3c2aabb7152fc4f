-- Views whose queries the server writes in one way up to PostgreSQL 15, and in another from 16 on. The names are chosen to
-- mislead: columns that are called like another output, and a schema, a table, a column and a function with one name.

CREATE SCHEMA app;
CREATE TABLE app.t (id integer, name text, "A b" integer, kind text);
CREATE TABLE app.app (id integer, app integer);
CREATE FUNCTION app.f(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'select 1';
CREATE FUNCTION app.app(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'select 1';
CREATE TYPE app.mood AS ENUM ('x', 'y');
CREATE COLLATION app.c FROM "C";

-- Sorted by what has the name of another output, or of none.
CREATE VIEW sorted AS SELECT id, name FROM app.t ORDER BY name, id DESC;
CREATE VIEW sorted_crosswise AS SELECT id AS name, name AS id FROM app.t ORDER BY t.name, t.id;
CREATE VIEW sorted_by_another AS SELECT id AS "A b", "A b" AS z FROM app.t ORDER BY t."A b";
CREATE VIEW sorted_by_grouped AS SELECT kind AS name, max(name) AS kind FROM app.t GROUP BY t.kind ORDER BY t.kind;
CREATE VIEW sorted_by_hidden AS SELECT name AS id FROM app.t ORDER BY t.id FETCH FIRST 3 ROWS WITH TIES;
CREATE VIEW sorted_by_sum AS SELECT id + 1 AS id FROM app.t GROUP BY t.id ORDER BY t.id;
CREATE VIEW sorted_by_call AS SELECT id, name AS n FROM app.t WHERE name IN ('a', 'b') ORDER BY lower(name), id;
CREATE VIEW sorted_by_operator AS SELECT id, name FROM app.t "T q" ORDER BY "T q".name NULLS FIRST, "T q".id USING >;
CREATE VIEW first_of AS SELECT DISTINCT ON (t.name) id AS name, name AS x FROM app.t ORDER BY t.name;
CREATE VIEW first_of_two AS SELECT DISTINCT ON (t.name, t.kind) t.kind AS name, id FROM app.t ORDER BY t.name, t.kind, id;
CREATE VIEW different AS SELECT DISTINCT name, id FROM app.t ORDER BY name;
CREATE VIEW aggregated AS SELECT count(*) FILTER (WHERE id > 3) AS c, array_agg(name ORDER BY id, name) AS name FROM app.t
    GROUP BY GROUPING SETS ((kind), (id, "A b"));
CREATE VIEW within AS SELECT string_agg(name, ',') AS name, percentile_cont(0.5) WITHIN GROUP (ORDER BY id) AS p FROM app.t;
CREATE VIEW ranked AS SELECT id, rank() OVER (ORDER BY name, id) AS name FROM app.t;
CREATE VIEW ranked_apart AS SELECT id, rank() OVER (PARTITION BY name ORDER BY id) AS name FROM app.t;
CREATE VIEW windows AS SELECT t.*, row_number() OVER (PARTITION BY name ORDER BY id) AS r, sum(id) OVER w AS s FROM app.t
    WINDOW w AS (PARTITION BY t.kind ORDER BY t."A b" ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);

-- Names with dots that aren't columns.
CREATE VIEW schema_and_table AS SELECT app.app(app.id) AS id, app.app, app.f(app.app) AS f, 'x'::app.mood AS mood FROM app.app;
CREATE VIEW collated AS SELECT app.name COLLATE app.c AS n, 'app.id' AS app FROM app.t app ORDER BY app.name COLLATE app.c;
CREATE VIEW rows AS SELECT t AS r, t.id, row(t.id, t.name)::text AS q FROM app.t;
CREATE VIEW numbers_and_strings AS SELECT CASE WHEN kind = 'x' THEN "A b" ELSE id END AS c, name || 't.b' || kind AS n,
    id::numeric * 1.5 AS t, (ARRAY[id, "A b"])[id] AS e FROM ONLY app.t AS t WHERE (t.id, t.kind) = (1, 'x');

-- Queries in the query.
CREATE VIEW nested AS SELECT u.id, (SELECT max(app) FROM app.app a WHERE a.id = u.id) AS m,
    ((SELECT min(a.id) FROM app.app a) + u.id) * 2 AS s FROM app.t u WHERE EXISTS (SELECT FROM app.app WHERE id = u.id);
CREATE VIEW nested_without_table AS SELECT (SELECT t.name) AS q, id FROM app.t WHERE id = ANY (ARRAY(SELECT id FROM app.app));
CREATE VIEW nested_union AS SELECT id FROM app.t
    WHERE id IN ((SELECT id FROM app.app UNION SELECT 1) EXCEPT SELECT "A b" FROM app.t AS t WHERE t.kind = 'x');
CREATE VIEW named AS WITH x AS (SELECT id FROM app.t) SELECT x.id FROM x WHERE x.id > 3 GROUP BY x.id HAVING count(*) > 1;
CREATE VIEW recursive AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3)
    SEARCH DEPTH FIRST BY n SET o SELECT n FROM r ORDER BY o;

-- From what rows are read.
CREATE VIEW of_subquery AS SELECT s.id FROM (SELECT id FROM app.t) s LIMIT 3 OFFSET 1;
CREATE VIEW of_union AS SELECT id FROM (SELECT id FROM app.t UNION SELECT id FROM app.app) s;
CREATE VIEW of_unions AS SELECT s.id FROM ((SELECT id FROM app.t UNION SELECT 2) EXCEPT SELECT id FROM app.app) s;
CREATE VIEW of_joined AS SELECT s.id FROM (SELECT t.id FROM app.t JOIN app.app USING (id)) s;
CREATE VIEW of_lateral AS SELECT x FROM LATERAL (SELECT id AS x FROM app.t) y;
CREATE VIEW of_function AS SELECT g FROM generate_series(1, 3) g;
CREATE VIEW of_functions AS SELECT r.* FROM ROWS FROM (generate_series(1, 2), generate_series(1, 3)) r(a, b);
CREATE VIEW of_ordinality AS SELECT o.n, o.v FROM unnest(ARRAY['a', 'b']) WITH ORDINALITY o(v, n) ORDER BY o.n;
CREATE VIEW of_values AS SELECT v.a FROM (VALUES (1), (2)) v(a);
CREATE VIEW of_sample AS SELECT id FROM app.t TABLESAMPLE system (3) REPEATABLE (1) FOR UPDATE;
CREATE VIEW of_time AS SELECT extract(year FROM d.d) AS y, d.d IS DISTINCT FROM NULL AS z FROM (SELECT now() AS d) d;
CREATE VIEW of_catalog AS SELECT nspname FROM pg_namespace;
CREATE VIEW of_nothing AS SELECT 1 AS one;
CREATE VIEW of_view AS SELECT * FROM sorted WHERE id > 0 WITH LOCAL CHECK OPTION;
CREATE MATERIALIZED VIEW kept AS SELECT id, name FROM app.t WHERE name LIKE 'x%';

-- Every version qualifies the columns here.
CREATE VIEW values_only AS VALUES (1), (2);
CREATE VIEW joined AS SELECT a.id, b.name FROM app.t a JOIN app.t b USING (id);
CREATE VIEW joined_and_named AS SELECT x.id FROM (app.t a JOIN app.app b USING (id)) x;
CREATE VIEW joined_thrice AS SELECT a.id FROM (app.t a LEFT JOIN app.t b ON a.id = b.id) CROSS JOIN app.app c;
CREATE VIEW crossed AS SELECT a.id FROM app.t a, app.t b;
CREATE VIEW united AS SELECT id FROM app.t UNION ALL SELECT id FROM app.app ORDER BY 1;
CREATE VIEW united_in_parentheses AS (SELECT id FROM app.t LIMIT 1) UNION (SELECT id FROM app.app LIMIT 1);

-- A rule and a function with queries.
CREATE RULE log AS ON INSERT TO app.app DO ALSO INSERT INTO app.t (id) SELECT a.id FROM app.app a WHERE a.id = NEW.id;
CREATE FUNCTION app.body() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(t.id) FROM app.t WHERE t.kind = 'x'; END;
CREATE CAST (app.mood AS json) WITH INOUT;
