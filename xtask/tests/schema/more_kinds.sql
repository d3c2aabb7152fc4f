-- Objects of the kinds that `every_kind.sql` lacks, for random changes.
CREATE SCHEMA ours;
CREATE COLLATION ours.sorted (provider = libc, locale = 'C');
CREATE CAST (app.pair AS text) WITH INOUT AS ASSIGNMENT;
CREATE OPERATOR ours.=== (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq, RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR FAMILY ours.ordered USING btree;
CREATE OPERATOR CLASS ours.ordered FOR TYPE integer USING btree FAMILY ours.ordered
    AS OPERATOR 1 <, FUNCTION 1 btint4cmp(integer, integer);
CREATE CONVERSION ours.conversion FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
CREATE TEXT SEARCH DICTIONARY ours.words (TEMPLATE = simple, stopwords = english);
CREATE TEXT SEARCH CONFIGURATION ours.search (COPY = simple);
CREATE FOREIGN DATA WRAPPER wrapper OPTIONS (a 'one');
CREATE SERVER server VERSION '1' FOREIGN DATA WRAPPER wrapper OPTIONS (a 'one');
CREATE USER MAPPING FOR PUBLIC SERVER server OPTIONS (a 'one');
CREATE FOREIGN TABLE ours.far (x integer OPTIONS (a 'one'), y text DEFAULT 'z', CONSTRAINT far_check CHECK (x > 0))
    SERVER server OPTIONS (a 'one');
CREATE PUBLICATION published FOR TABLE users, orders (id, user_id) WHERE (user_id > 0);
CREATE TYPE ours.base;
CREATE FUNCTION ours.base_in(cstring) RETURNS ours.base LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION ours.base_out(ours.base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';

-- Constraints that children and partitions have from their parents.
ALTER TABLE parent ADD CONSTRAINT later CHECK (id > 0) NOT VALID;
ALTER TABLE events ADD CONSTRAINT events_later CHECK (id > 0) NOT VALID;
