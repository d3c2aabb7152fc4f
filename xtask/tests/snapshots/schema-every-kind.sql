-- Generated from the migrations by `cargo xtask db-verify --write`: do not edit, but write a migration.
-- It loads into an empty database with psql. Owners, privileges and security labels are not in it, and of subscriptions only
-- the names. `cargo xtask db-verify --deep` compares every catalog.

SET check_function_bodies = false;

-- schema "Odd Schema"
CREATE SCHEMA "Odd Schema";

-- schema app
CREATE SCHEMA app;
COMMENT ON SCHEMA app IS 'The "app"''s schema';

-- schema ext
CREATE SCHEMA ext;

-- schema public
COMMENT ON SCHEMA public IS 'ours';

-- extension btree_gist
CREATE EXTENSION btree_gist WITH SCHEMA ext;
-- version 1.7, the digest of its objects is 9f855edaf10f095cf24a8b53ab7fb829

-- extension citext
CREATE EXTENSION citext WITH SCHEMA ext;
-- version 1.6, the digest of its objects is f43a7568592cb40f3cd176d9d37628d7

-- extension pgcrypto
CREATE EXTENSION pgcrypto WITH SCHEMA public;
-- version 1.3, the digest of its objects is 64e27d9fde661fec099a7057ddada185

-- enum "Odd Schema"."Odd Enum"
CREATE TYPE "Odd Schema"."Odd Enum" AS ENUM (
    'a'
);

-- domain app.code
CREATE DOMAIN app.code AS character varying(10) COLLATE "C" DEFAULT 'x;y'::character varying NOT NULL
    CONSTRAINT code_check CHECK (((VALUE)::text <> ''::text));
COMMENT ON DOMAIN app.code IS 'A code';
COMMENT ON CONSTRAINT code_check ON DOMAIN app.code IS 'Not empty';

-- domain app.email
CREATE DOMAIN app.email AS ext.citext
    CONSTRAINT email_at CHECK (((VALUE)::text ~ ('@'::ext.citext)::text))
    CONSTRAINT email_length CHECK ((length((VALUE)::text) < 100));

-- enum app.empty
CREATE TYPE app.empty AS ENUM (
);

-- range app.float_range
CREATE TYPE app.float_range AS RANGE (
    SUBTYPE = double precision,
    SUBTYPE_DIFF = float8mi,
    MULTIRANGE_TYPE_NAME = app.float_ranges
);

-- enum app.mood
CREATE TYPE app.mood AS ENUM (
    'sad',
    'it''s ok',
    E'back\\slash',
    'happy'
);
COMMENT ON TYPE app.mood IS E'line one\nline two \\ and\ttab';

-- composite type app.pair
CREATE TYPE app.pair AS (
    a integer,
    "B b" text COLLATE "C",
    moods app.mood[]
);
COMMENT ON TYPE app.pair IS 'A pair';
COMMENT ON COLUMN app.pair.a IS 'The first';

-- domain app.positive
CREATE DOMAIN app.positive AS integer;
ALTER DOMAIN app.positive ADD CONSTRAINT positive_check CHECK ((VALUE > 0)) NOT VALID;

-- range app.text_range
CREATE TYPE app.text_range AS RANGE (
    SUBTYPE = text,
    COLLATION = "C",
    MULTIRANGE_TYPE_NAME = app.text_multirange
);

-- aggregate app.largest(integer)
CREATE AGGREGATE app.largest(integer) (
    SFUNC = int4larger,
    STYPE = integer,
    SORTOP = OPERATOR(pg_catalog.>)
);

-- function app.many(numeric[])
CREATE OR REPLACE FUNCTION app.many(VARIADIC numbers numeric[])
 RETURNS numeric
 LANGUAGE sql
AS $function$select 1::numeric$function$;

-- function app.next()
CREATE OR REPLACE FUNCTION app.next()
 RETURNS bigint
 LANGUAGE sql
AS $function$select nextval('app.falling')$function$;

-- function app.plain_sql(integer,text)
CREATE OR REPLACE FUNCTION app.plain_sql(a integer, b text DEFAULT 'x''y'::text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
select a::text || b; -- table public.trap
$function$;

-- procedure app.proceed(integer)
CREATE OR REPLACE PROCEDURE app.proceed(INOUT a integer)
 LANGUAGE plpgsql
AS $procedure$begin a := 1; end$procedure$;
COMMENT ON PROCEDURE app.proceed(integer) IS 'Proceeds';

-- aggregate app.rows()
CREATE AGGREGATE app.rows(*) (
    SFUNC = int8inc,
    STYPE = bigint,
    INITCOND = '0'
);
COMMENT ON AGGREGATE app.rows(*) IS 'Counts';

-- function app.several(integer)
CREATE OR REPLACE FUNCTION app.several(a integer, OUT b integer, OUT c text)
 RETURNS record
 LANGUAGE sql
AS $function$select 1, 'x'$function$;

-- function app.standard_body(integer)
CREATE OR REPLACE FUNCTION app.standard_body(x integer)
 RETURNS integer
 LANGUAGE sql
BEGIN ATOMIC
 SELECT (x + 1);
 SELECT
         CASE
             WHEN (x > 1) THEN 2
             ELSE 3
         END AS "case";
END;

-- aggregate app.total(integer)
CREATE AGGREGATE app.total(integer) (
    SFUNC = int4pl,
    STYPE = integer,
    INITCOND = '0',
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE app.total(integer) IS 'Adds';

-- function app.traps()
CREATE OR REPLACE FUNCTION app.traps()
 RETURNS text
 LANGUAGE plpgsql
AS $function$
begin

-- table public.trap
return $q$

-- index public.trap_idx
COMMENT ON TABLE public.trap IS 'y';
$q$ || 'it''s';
end
$function$;
COMMENT ON FUNCTION app.traps() IS E'Traps\n\n-- table public.comment_trap';

-- function public.on_event()
CREATE OR REPLACE FUNCTION public.on_event()
 RETURNS event_trigger
 LANGUAGE plpgsql
AS $function$begin end$function$;

-- function public.touch()
CREATE OR REPLACE FUNCTION public.touch()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$begin return new; end$function$;

-- sequence app.falling
CREATE SEQUENCE app.falling AS smallint
    START WITH 7
    INCREMENT BY -1
    MINVALUE -100
    MAXVALUE 50
    CACHE 3
    CYCLE;
COMMENT ON SEQUENCE app.falling IS 'Falls';

-- sequence app.owned_by_column
CREATE SEQUENCE app.owned_by_column AS bigint;

-- sequence public.plain
CREATE SEQUENCE public.plain AS bigint;

-- sequence public.unlogged_sequence
CREATE UNLOGGED SEQUENCE public.unlogged_sequence AS bigint;

-- sequence public.users_serial_number_seq
CREATE SEQUENCE public.users_serial_number_seq AS integer;

-- table "Odd Schema"."Odd Table"
CREATE TABLE "Odd Schema"."Odd Table" (
    "Id" integer GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME "Odd Schema"."Odd Table_Id_seq") NOT NULL,
    odd "Odd Schema"."Odd Enum",
    "a, b (c" text DEFAULT ')'::text,
    CONSTRAINT "c, d (" CHECK (("a, b (c" <> 'CONSTRAINT'::text))
);

-- table app.typed
CREATE TABLE app.typed (
    a integer NOT NULL,
    "B b" text COLLATE "C",
    moods app.mood[],
    CONSTRAINT typed_pkey PRIMARY KEY (a)
);
ALTER TABLE app.typed OF app.pair;
ALTER TABLE ONLY app.typed REPLICA IDENTITY FULL;

-- table app.uses
CREATE TABLE app.uses (
    id bigint DEFAULT app.next(),
    n bigint DEFAULT nextval('public.plain'::regclass),
    one app.float_range,
    more app.float_ranges
);
ALTER SEQUENCE app.owned_by_column OWNED BY app.uses.n;

-- rule uses_no_delete on app.uses
CREATE RULE uses_no_delete AS
    ON DELETE TO app.uses DO INSTEAD NOTHING;
ALTER TABLE app.uses DISABLE RULE uses_no_delete;
COMMENT ON RULE uses_no_delete ON app.uses IS 'Never';

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

-- table public.events
CREATE TABLE public.events (
    id bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL,
    at date NOT NULL,
    kind text NOT NULL,
    user_id bigint,
    CONSTRAINT events_pkey PRIMARY KEY (id, at, kind),
    CONSTRAINT events_check CHECK ((kind <> ''::text))
)
PARTITION BY RANGE (at);

-- table public.a_default
CREATE TABLE public.a_default (
    id bigint NOT NULL,
    at date NOT NULL,
    kind text NOT NULL,
    user_id bigint,
    CONSTRAINT a_default_pkey PRIMARY KEY (id, at, kind),
    CONSTRAINT events_check CHECK ((kind <> ''::text))
);
ALTER TABLE public.events ATTACH PARTITION public.a_default DEFAULT;

-- trigger events_touch on public.events
CREATE TRIGGER events_touch AFTER INSERT ON public.events FOR EACH ROW EXECUTE FUNCTION public.touch();

-- table public.events_2024
CREATE TABLE public.events_2024 (
    id bigint NOT NULL,
    at date NOT NULL,
    kind text NOT NULL,
    user_id bigint,
    CONSTRAINT events_2024_pkey PRIMARY KEY (id, at, kind),
    CONSTRAINT events_check CHECK ((kind <> ''::text))
);
ALTER TABLE public.events ATTACH PARTITION public.events_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');

-- index public.events_2024_own_idx
CREATE INDEX events_2024_own_idx ON public.events_2024 USING btree (kind DESC);

-- table public.events_2025
CREATE TABLE public.events_2025 (
    id bigint NOT NULL,
    at date NOT NULL,
    kind text NOT NULL,
    user_id bigint,
    CONSTRAINT events_2025_pkey PRIMARY KEY (id, at, kind),
    CONSTRAINT events_check CHECK ((kind <> ''::text))
)
PARTITION BY LIST (kind);
ALTER TABLE public.events ATTACH PARTITION public.events_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');

-- table public.events_2025_a
CREATE TABLE public.events_2025_a (
    id bigint NOT NULL,
    at date NOT NULL,
    kind text NOT NULL,
    user_id bigint,
    CONSTRAINT events_2025_a_pkey PRIMARY KEY (id, at, kind),
    CONSTRAINT events_check CHECK ((kind <> ''::text))
);
ALTER TABLE public.events_2025 ATTACH PARTITION public.events_2025_a FOR VALUES IN ('a', NULL);

-- table public.long_name_that_goes_on_and_on_and_on_and_on_and_on_and_on_and_x
CREATE TABLE public.long_name_that_goes_on_and_on_and_on_and_on_and_on_and_on_and_x (
    long_name_that_goes_on_and_on_and_on_and_on_and_on integer GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME public.long_name_that_goes_on_and_on_long_name_that_goes_on_and_on_seq) NOT NULL
);

-- table public.orders
CREATE TABLE public.orders (
    id integer GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME public.orders_renamed_seq) NOT NULL,
    user_id bigint NOT NULL,
    during tstzrange,
    room integer,
    a integer,
    b integer,
    CONSTRAINT orders_pkey PRIMARY KEY (id),
    CONSTRAINT orders_a_b_key UNIQUE NULLS NOT DISTINCT (a, b) INCLUDE (room) DEFERRABLE,
    CONSTRAINT orders_room_excl EXCLUDE USING gist (room WITH =, during WITH &&) WHERE ((room > 0))
);
ALTER INDEX public.orders_a_b_key SET (fillfactor=80);
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE ONLY public.orders FORCE ROW LEVEL SECURITY;
COMMENT ON SEQUENCE public.orders_renamed_seq IS 'Behind the identity';

-- index public.orders_identity_idx
CREATE UNIQUE INDEX orders_identity_idx ON public.orders USING btree (user_id);
ALTER TABLE ONLY public.orders REPLICA IDENTITY USING INDEX orders_identity_idx;

-- index public.orders_sum_idx
CREATE INDEX orders_sum_idx ON public.orders USING btree (((a + b)) DESC NULLS LAST, user_id) INCLUDE (room) WHERE (a > 0);
COMMENT ON INDEX public.orders_sum_idx IS 'Of the sum';

-- policy monitored on public.orders
CREATE POLICY monitored ON public.orders FOR SELECT TO pg_monitor, pg_signal_backend
    USING (true);

-- statistics public.orders_statistics on public.orders
CREATE STATISTICS public.orders_statistics (ndistinct, mcv) ON a, b FROM public.orders;
COMMENT ON STATISTICS public.orders_statistics IS 'Of both';

-- table public.parent
CREATE TABLE public.parent (
    id integer NOT NULL,
    v text DEFAULT 'p'::text,
    CONSTRAINT parent_check CHECK ((v <> ''::text))
);

-- table public.a_child
CREATE TABLE public.a_child (
    extra integer
)
INHERITS (public.parent);
ALTER TABLE ONLY public.a_child ALTER COLUMN v SET DEFAULT 'other'::text;
ALTER TABLE ONLY public.a_child ALTER COLUMN v SET NOT NULL;

-- table public.adopted
CREATE TABLE public.adopted (
    z integer,
    v text DEFAULT 'p'::text,
    id integer NOT NULL,
    CONSTRAINT parent_check CHECK ((v <> ''::text))
);
ALTER TABLE public.adopted INHERIT public.parent;

-- table public.child
CREATE TABLE public.child (
    v text DEFAULT 'c'::text,
    extra integer
)
INHERITS (public.parent);

-- table public.unlogged
CREATE UNLOGGED TABLE public.unlogged (
    x integer
);

-- table public.users
CREATE TABLE public.users (
    id bigint NOT NULL,
    name character varying(255) NOT NULL,
    email app.email,
    mood app.mood DEFAULT 'sad'::app.mood,
    bio text COLLATE "C" DEFAULT 'a
b''c'::text,
    code app.code,
    squeezed text COMPRESSION pglz,
    apart text,
    balance numeric(15,2) DEFAULT 0 NOT NULL,
    since timestamp with time zone DEFAULT '2019-12-31 17:00:00+00'::timestamp with time zone,
    pause interval DEFAULT '1 day 02:00:00'::interval,
    list integer[] DEFAULT '{1,2}'::integer[],
    lower_name text GENERATED ALWAYS AS (lower((name)::text)) STORED,
    "select" integer,
    "Odd ""Column""" integer DEFAULT 5,
    serial_number integer DEFAULT nextval('public.users_serial_number_seq'::regclass) NOT NULL,
    ratio double precision DEFAULT 0.1,
    bytes bytea DEFAULT '\xdead'::bytea,
    document jsonb DEFAULT '{"a": [1, 2]}'::jsonb,
    counter integer GENERATED BY DEFAULT AS IDENTITY (START WITH 100 INCREMENT BY 5 CYCLE) NOT NULL,
    internal_name name,
    pair app.pair,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_balance_check CHECK ((balance < (1000000)::numeric)) NO INHERIT
)
WITH (autovacuum_vacuum_scale_factor=0.01, fillfactor=70, toast.autovacuum_enabled=off);
ALTER TABLE public.users ADD CONSTRAINT users_not_valid CHECK ((balance > ('-5'::integer)::numeric)) NOT VALID;
ALTER TABLE ONLY public.users ALTER COLUMN apart SET STORAGE EXTERNAL;
ALTER TABLE ONLY public.users ALTER COLUMN balance SET (n_distinct=100);
ALTER TABLE public.users CLUSTER ON users_pkey;
ALTER SEQUENCE public.users_serial_number_seq OWNED BY public.users.serial_number;
COMMENT ON TABLE public.users IS 'Users; with a quote''s';
COMMENT ON COLUMN public.users."Odd ""Column""" IS 'Odd';
COMMENT ON CONSTRAINT users_pkey ON public.users IS 'The key';
COMMENT ON INDEX public.users_pkey IS 'Its index';
COMMENT ON CONSTRAINT users_not_valid ON public.users IS 'Not valid';

-- function app.all_users()
CREATE OR REPLACE FUNCTION app.all_users()
 RETURNS SETOF public.users
 LANGUAGE sql
AS $function$select * from public.users$function$;

-- policy own on public.orders
CREATE POLICY own ON public.orders AS RESTRICTIVE FOR UPDATE
    USING (((user_id > 0) AND (EXISTS ( SELECT
   FROM public.users u
  WHERE (u.id = orders.user_id)))))
    WITH CHECK ((user_id > 1));
COMMENT ON POLICY own ON public.orders IS 'Their own';

-- trigger users_always on public.users
CREATE CONSTRAINT TRIGGER users_always AFTER INSERT ON public.users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.touch();
ALTER TABLE public.users ENABLE ALWAYS TRIGGER users_always;

-- trigger users_disabled on public.users
CREATE TRIGGER users_disabled AFTER INSERT ON public.users FOR EACH STATEMENT EXECUTE FUNCTION public.touch();
ALTER TABLE public.users DISABLE TRIGGER users_disabled;

-- trigger users_touch on public.users
CREATE TRIGGER users_touch BEFORE UPDATE OF name, "select" ON public.users FOR EACH ROW WHEN (((old.name)::text IS DISTINCT FROM (new.name)::text)) EXECUTE FUNCTION public.touch();
COMMENT ON TRIGGER users_touch ON public.users IS 'Touches';

-- table public.without_columns
CREATE TABLE public.without_columns (
);

-- index public.events_kind_idx
CREATE INDEX events_kind_idx ON ONLY public.events USING btree (kind, lower(kind));

-- index public.a_default_kind_lower_idx
CREATE INDEX a_default_kind_lower_idx ON public.a_default USING btree (kind, lower(kind));
ALTER INDEX public.events_kind_idx ATTACH PARTITION public.a_default_kind_lower_idx;

-- index public.events_only_idx
CREATE INDEX events_only_idx ON ONLY public.events USING btree (user_id);

-- index public.events_2024_kind_lower_idx
CREATE INDEX events_2024_kind_lower_idx ON public.events_2024 USING btree (kind, lower(kind));
ALTER INDEX public.events_kind_idx ATTACH PARTITION public.events_2024_kind_lower_idx;

-- partition trigger events_touch on public.events_2024
ALTER TABLE public.events_2024 DISABLE TRIGGER events_touch;

-- index public.events_2025_kind_lower_idx
CREATE INDEX events_2025_kind_lower_idx ON ONLY public.events_2025 USING btree (kind, lower(kind));
ALTER INDEX public.events_kind_idx ATTACH PARTITION public.events_2025_kind_lower_idx;

-- index public.events_2025_a_kind_lower_idx
CREATE INDEX events_2025_a_kind_lower_idx ON public.events_2025_a USING btree (kind, lower(kind));
ALTER INDEX public.events_2025_kind_lower_idx ATTACH PARTITION public.events_2025_a_kind_lower_idx;

-- foreign key books_author_id_fkey on public.books
ALTER TABLE public.books ADD CONSTRAINT books_author_id_fkey FOREIGN KEY (author_id) REFERENCES public.authors(id);

-- foreign key events_user_fkey on public.events
ALTER TABLE public.events ADD CONSTRAINT events_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

-- foreign key orders_self_fkey on public.orders
ALTER TABLE public.orders ADD CONSTRAINT orders_self_fkey FOREIGN KEY (a) REFERENCES public.orders(id) ON DELETE SET NULL NOT VALID;

-- foreign key orders_user_fkey on public.orders
ALTER TABLE public.orders ADD CONSTRAINT orders_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE RESTRICT ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
COMMENT ON CONSTRAINT orders_user_fkey ON public.orders IS 'Whose';

-- materialized view app.kinds
CREATE MATERIALIZED VIEW app.kinds WITH (fillfactor=50) AS
 SELECT kind,
    count(*) AS events
   FROM public.events
  GROUP BY kind;
COMMENT ON MATERIALIZED VIEW app.kinds IS 'Kinds';
COMMENT ON COLUMN app.kinds.events IS 'How many';

-- index app.kinds_kind_idx
CREATE UNIQUE INDEX kinds_kind_idx ON app.kinds USING btree (kind);

-- view public.grouped
CREATE VIEW public.grouped AS
 SELECT id,
    name,
    count(*) AS count
   FROM public.users
  GROUP BY id;

-- view public.numbers
CREATE VIEW public.numbers AS
 WITH RECURSIVE numbers(n) AS (
         VALUES (1)
        UNION ALL
         SELECT (numbers_1.n + 1)
           FROM numbers numbers_1
          WHERE (numbers_1.n < 10)
        )
 SELECT n
   FROM numbers;

-- view public.z_view
CREATE VIEW public.z_view AS
 SELECT id,
    name AS "Name",
    'x;''y'::text AS literal
   FROM public.users
  WHERE (id > 0);
COMMENT ON COLUMN public.z_view."Name" IS 'The name';

-- function app.of_views(public.z_view[])
CREATE OR REPLACE FUNCTION app.of_views(public.z_view[])
 RETURNS integer
 LANGUAGE sql
AS $function$select 1$function$;

-- view public.a_view
CREATE VIEW public.a_view WITH (check_option=local, security_barrier=true) AS
 SELECT id,
    "Name",
    literal
   FROM public.z_view;
ALTER VIEW public.a_view ALTER COLUMN id SET DEFAULT 5;
COMMENT ON VIEW public.a_view IS 'Of a view';

-- event trigger watcher
CREATE EVENT TRIGGER watcher ON ddl_command_end
    WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE')
    EXECUTE FUNCTION public.on_event();
ALTER EVENT TRIGGER watcher DISABLE;
COMMENT ON EVENT TRIGGER watcher IS 'Watches';
