-- Generated from the migrations by `cargo xtask db-verify --write`: do not edit, but write a migration.
-- It loads into an empty database with psql. Owners, privileges and security labels are not in it, and of subscriptions only
-- the names. `cargo xtask db-verify --deep` compares every catalog.

SET check_function_bodies = false;

-- schema app
CREATE SCHEMA app;

-- enum app.mood
CREATE TYPE app.mood AS ENUM (
    'x',
    'y'
);

-- function app.app(integer)
CREATE OR REPLACE FUNCTION app.app(integer)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
AS $function$select 1$function$;

-- function app.f(integer)
CREATE OR REPLACE FUNCTION app.f(integer)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
AS $function$select 1$function$;

-- table app.app
CREATE TABLE app.app (
    id integer,
    app integer
);

-- table app.t
CREATE TABLE app.t (
    id integer,
    name text,
    "A b" integer,
    kind text
);

-- function app.body()
CREATE OR REPLACE FUNCTION app.body()
 RETURNS bigint
 LANGUAGE sql
BEGIN ATOMIC
 SELECT count(t.id) AS count
    FROM app.t
   WHERE (t.kind = 'x'::text);
END;

-- rule log on app.app
CREATE RULE log AS
    ON INSERT TO app.app DO  INSERT INTO app.t (id)  SELECT a.id
           FROM app.app a
          WHERE (a.id = new.id);

-- table public.authors
CREATE TABLE public.authors (
    id integer GENERATED ALWAYS AS IDENTITY NOT NULL,
    name text NOT NULL,
    CONSTRAINT authors_pkey PRIMARY KEY (id)
);

-- table public.books
CREATE TABLE public.books (
    id integer GENERATED ALWAYS AS IDENTITY NOT NULL,
    author_id integer NOT NULL,
    title text NOT NULL,
    CONSTRAINT books_pkey PRIMARY KEY (id)
);

-- index public.books_title_idx
CREATE INDEX books_title_idx ON public.books USING btree (title);

-- foreign key books_author_id_fkey on public.books
ALTER TABLE public.books ADD CONSTRAINT books_author_id_fkey FOREIGN KEY (author_id) REFERENCES public.authors(id);

-- view public.aggregated
CREATE VIEW public.aggregated AS
 SELECT count(*) FILTER (WHERE (id > 3)) AS c,
    array_agg(name ORDER BY id, t.name) AS name
   FROM app.t
  GROUP BY GROUPING SETS ((kind), (id, "A b"));

-- view public.crossed
CREATE VIEW public.crossed AS
 SELECT a.id
   FROM app.t a,
    app.t b;

-- view public.different
CREATE VIEW public.different AS
 SELECT DISTINCT name,
    id
   FROM app.t
  ORDER BY name;

-- view public.first_of
CREATE VIEW public.first_of AS
 SELECT DISTINCT ON (t.name) id AS name,
    name AS x
   FROM app.t
  ORDER BY t.name;

-- view public.first_of_two
CREATE VIEW public.first_of_two AS
 SELECT DISTINCT ON (t.name, kind) kind AS name,
    id
   FROM app.t
  ORDER BY t.name, kind, id;

-- view public.joined
CREATE VIEW public.joined AS
 SELECT a.id,
    b.name
   FROM (app.t a
     JOIN app.t b USING (id));

-- view public.joined_and_named
CREATE VIEW public.joined_and_named AS
 SELECT x.id
   FROM (app.t a
     JOIN app.app b USING (id)) x;

-- view public.joined_thrice
CREATE VIEW public.joined_thrice AS
 SELECT a.id
   FROM ((app.t a
     LEFT JOIN app.t b ON ((a.id = b.id)))
     CROSS JOIN app.app c);

-- materialized view public.kept
CREATE MATERIALIZED VIEW public.kept AS
 SELECT id,
    name
   FROM app.t
  WHERE (name ~~ 'x%'::text);

-- view public.named
CREATE VIEW public.named AS
 WITH x AS (
         SELECT t.id
           FROM app.t
        )
 SELECT id
   FROM x
  WHERE (id > 3)
  GROUP BY id
 HAVING (count(*) > 1);

-- view public.nested
CREATE VIEW public.nested AS
 SELECT id,
    ( SELECT max(a.app) AS max
           FROM app.app a
          WHERE (a.id = u.id)) AS m,
    ((( SELECT min(a.id) AS min
           FROM app.app a) + id) * 2) AS s
   FROM app.t u
  WHERE (EXISTS ( SELECT
           FROM app.app
          WHERE (app.id = u.id)));

-- view public.nested_union
CREATE VIEW public.nested_union AS
 SELECT id
   FROM app.t
  WHERE (id IN ((
                 SELECT app.id
                   FROM app.app
                UNION
                 SELECT 1
        ) EXCEPT
         SELECT t_1."A b"
           FROM app.t t_1
          WHERE (t_1.kind = 'x'::text)));

-- view public.nested_without_table
CREATE VIEW public.nested_without_table AS
 SELECT ( SELECT t.name) AS q,
    id
   FROM app.t
  WHERE (id = ANY (ARRAY( SELECT app.id
           FROM app.app)));

-- view public.numbers_and_strings
CREATE VIEW public.numbers_and_strings AS
 SELECT
        CASE
            WHEN (kind = 'x'::text) THEN "A b"
            ELSE id
        END AS c,
    ((name || 't.b'::text) || kind) AS n,
    ((id)::numeric * 1.5) AS t,
    (ARRAY[id, "A b"])[id] AS e
   FROM ONLY app.t t
  WHERE ((id = 1) AND (kind = 'x'::text));

-- view public.of_catalog
CREATE VIEW public.of_catalog AS
 SELECT nspname
   FROM pg_namespace;

-- view public.of_function
CREATE VIEW public.of_function AS
 SELECT g
   FROM generate_series(1, 3) g(g);

-- view public.of_functions
CREATE VIEW public.of_functions AS
 SELECT a,
    b
   FROM ROWS FROM(generate_series(1, 2), generate_series(1, 3)) r(a, b);

-- view public.of_joined
CREATE VIEW public.of_joined AS
 SELECT id
   FROM ( SELECT t.id
           FROM (app.t
             JOIN app.app USING (id))) s;

-- view public.of_lateral
CREATE VIEW public.of_lateral AS
 SELECT x
   FROM LATERAL ( SELECT t.id AS x
           FROM app.t) y;

-- view public.of_nothing
CREATE VIEW public.of_nothing AS
 SELECT 1 AS one;

-- view public.of_ordinality
CREATE VIEW public.of_ordinality AS
 SELECT n,
    v
   FROM unnest(ARRAY['a'::text, 'b'::text]) WITH ORDINALITY o(v, n)
  ORDER BY n;

-- view public.of_sample
CREATE VIEW public.of_sample AS
 SELECT id
   FROM app.t TABLESAMPLE system (3) REPEATABLE (1)
 FOR UPDATE OF t;

-- view public.of_subquery
CREATE VIEW public.of_subquery AS
 SELECT id
   FROM ( SELECT t.id
           FROM app.t) s
 OFFSET 1
 LIMIT 3;

-- view public.of_time
CREATE VIEW public.of_time AS
 SELECT EXTRACT(year FROM d) AS y,
    (d IS NOT NULL) AS z
   FROM ( SELECT now() AS d) d;

-- view public.of_union
CREATE VIEW public.of_union AS
 SELECT id
   FROM ( SELECT t.id
           FROM app.t
        UNION
         SELECT app.id
           FROM app.app) s;

-- view public.of_unions
CREATE VIEW public.of_unions AS
 SELECT id
   FROM ((
                 SELECT t.id
                   FROM app.t
                UNION
                 SELECT 2
        ) EXCEPT
         SELECT app.id
           FROM app.app) s;

-- view public.of_values
CREATE VIEW public.of_values AS
 SELECT a
   FROM ( VALUES (1), (2)) v(a);

-- view public.ranked
CREATE VIEW public.ranked AS
 SELECT id,
    rank() OVER (ORDER BY t.name, id) AS name
   FROM app.t;

-- view public.ranked_apart
CREATE VIEW public.ranked_apart AS
 SELECT id,
    rank() OVER (PARTITION BY t.name ORDER BY id) AS name
   FROM app.t;

-- view public.recursive
CREATE VIEW public.recursive AS
 WITH RECURSIVE r(n) AS (
         SELECT 1 AS "?column?"
        UNION ALL
         SELECT (r_1.n + 1)
           FROM r r_1
          WHERE (r_1.n < 3)
        ) SEARCH DEPTH FIRST BY n SET o
 SELECT n
   FROM r
  ORDER BY o;

-- view public.rows
CREATE VIEW public.rows AS
 SELECT t.*::app.t AS r,
    id,
    (ROW(id, name))::text AS q
   FROM app.t;

-- view public.schema_and_table
CREATE VIEW public.schema_and_table AS
 SELECT app.app(id) AS id,
    app,
    app.f(app) AS f,
    'x'::app.mood AS mood
   FROM app.app;

-- view public.sorted
CREATE VIEW public.sorted AS
 SELECT id,
    name
   FROM app.t
  ORDER BY name, id DESC;

-- view public.of_view
CREATE VIEW public.of_view WITH (check_option=local) AS
 SELECT id,
    name
   FROM public.sorted
  WHERE (id > 0);

-- view public.sorted_by_another
CREATE VIEW public.sorted_by_another AS
 SELECT id AS "A b",
    "A b" AS z
   FROM app.t
  ORDER BY t."A b";

-- view public.sorted_by_call
CREATE VIEW public.sorted_by_call AS
 SELECT id,
    name AS n
   FROM app.t
  WHERE (name = ANY (ARRAY['a'::text, 'b'::text]))
  ORDER BY (lower(name)), id;

-- view public.sorted_by_grouped
CREATE VIEW public.sorted_by_grouped AS
 SELECT kind AS name,
    max(name) AS kind
   FROM app.t
  GROUP BY kind
  ORDER BY t.kind;

-- view public.sorted_by_hidden
CREATE VIEW public.sorted_by_hidden AS
 SELECT name AS id
   FROM app.t
  ORDER BY t.id
 FETCH FIRST (3) ROWS WITH TIES;

-- view public.sorted_by_operator
CREATE VIEW public.sorted_by_operator AS
 SELECT id,
    name
   FROM app.t "T q"
  ORDER BY name NULLS FIRST, id DESC;

-- view public.sorted_by_sum
CREATE VIEW public.sorted_by_sum AS
 SELECT (id + 1) AS id
   FROM app.t
  GROUP BY id
  ORDER BY t.id;

-- view public.sorted_crosswise
CREATE VIEW public.sorted_crosswise AS
 SELECT id AS name,
    name AS id
   FROM app.t
  ORDER BY t.name, t.id;

-- view public.united
CREATE VIEW public.united AS
 SELECT t.id
   FROM app.t
UNION ALL
 SELECT app.id
   FROM app.app
  ORDER BY 1;

-- view public.united_in_parentheses
CREATE VIEW public.united_in_parentheses AS
( SELECT t.id
   FROM app.t
 LIMIT 1)
UNION
( SELECT app.id
   FROM app.app
 LIMIT 1);

-- view public.values_only
CREATE VIEW public.values_only AS
 VALUES (1), (2);

-- view public.windows
CREATE VIEW public.windows AS
 SELECT id,
    name,
    "A b",
    kind,
    row_number() OVER (PARTITION BY name ORDER BY id) AS r,
    sum(id) OVER w AS s
   FROM app.t
  WINDOW w AS (PARTITION BY kind ORDER BY "A b" ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);

-- view public.within
CREATE VIEW public.within AS
 SELECT string_agg(name, ','::text) AS name,
    percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((id)::double precision)) AS p
   FROM app.t;

-- cast (app.mood AS json)
CREATE CAST (app.mood AS json) WITH INOUT;

-- collation app.c
CREATE COLLATION app.c (PROVIDER = libc, LC_COLLATE = 'C', LC_CTYPE = 'C');

-- view public.collated
CREATE VIEW public.collated AS
 SELECT (name COLLATE app.c) AS n,
    'app.id'::text AS app
   FROM app.t app
  ORDER BY (name COLLATE app.c);
