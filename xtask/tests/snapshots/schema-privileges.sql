-- Generated from the migrations by `cargo xtask db-verify --write`: do not edit, but write a migration.
-- It loads into an empty database with psql, where the roles exist that it names. What has no owner here belongs to the role
-- that loads it, and what has no privileges here has those of a new object. Security labels are not in it, and of
-- subscriptions only the names. `cargo xtask db-verify --deep` compares every catalog.

SET check_function_bodies = false;

-- enum public.genre
CREATE TYPE public.genre AS ENUM (
    'novel'
);

-- composite type public.state
CREATE TYPE public.state AS (
    lent boolean
);

-- function public.count_books()
CREATE OR REPLACE FUNCTION public.count_books()
 RETURNS bigint
 LANGUAGE sql
AS $function$SELECT count(*) FROM books$function$;

-- function public.of_json(json,jsonb,text)
CREATE OR REPLACE FUNCTION public.of_json(json, jsonb, text)
 RETURNS integer
 LANGUAGE sql
AS $function$SELECT 1$function$;

-- function public.one()
CREATE OR REPLACE FUNCTION public.one()
 RETURNS integer
 LANGUAGE sql
AS $function$SELECT 1$function$;

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

-- table public.nobodys
CREATE TABLE public.nobodys (
    x integer
);

-- table public.shelves
CREATE TABLE public.shelves (
    place text
);

-- foreign key books_author_id_fkey on public.books
ALTER TABLE public.books ADD CONSTRAINT books_author_id_fkey FOREIGN KEY (author_id) REFERENCES public.authors(id);

-- view public.titles
CREATE VIEW public.titles AS
 SELECT title
   FROM public.books;

-- privileges of function public.count_books()
REVOKE EXECUTE ON FUNCTION public.count_books() FROM PUBLIC;

-- privileges of function public.of_json(json,pg_catalog.jsonb,pg_catalog.text)
GRANT EXECUTE ON FUNCTION public.of_json(json,pg_catalog.jsonb,pg_catalog.text) TO library_reader;

-- privileges of table public.authors
GRANT INSERT, INSERT (name), REFERENCES (name), SELECT, SELECT (name), UPDATE (name) ON TABLE public.authors TO library_reader;

-- privileges of table public.books
GRANT ALL ON TABLE public.books TO library_reader WITH GRANT OPTION;
GRANT UPDATE (title) ON TABLE public.books TO library_reader WITH GRANT OPTION;

-- privileges of table public.nobodys
REVOKE ALL ON TABLE public.nobodys FROM CURRENT_USER;

-- privileges of table public.shelves
GRANT ALL ON TABLE public.shelves TO library_reader;

-- privileges of view public.titles
GRANT ALL ON TABLE public.titles TO library_reader;

-- privileges of new tables
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO library_reader;

-- privileges of new tables in schema public
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO library_reader;
