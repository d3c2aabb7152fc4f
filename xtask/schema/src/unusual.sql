-- These statements run in a second round trip, if the first one has found a sign of unusual objects. Most databases
-- have none of them, and a new session needs 0.2 to 0.5 ms for each catalog that it reads.

BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

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

SELECT 'label', enumtypid, quote_literal(enumlabel) FROM pg_enum WHERE enumtypid >= 16384 ORDER BY enumtypid, enumsortorder;

SELECT 'range', r.rngtypid, r.rngmultitypid, format_type(r.rngsubtype, NULL), r.rngmultitypid::regtype::text,
    CASE WHEN NOT o.opcdefault THEN quote_ident(n.nspname) || '.' || quote_ident(o.opcname) END,
    CASE WHEN r.rngcollation <> t.typcollation THEN r.rngcollation::regcollation::text END,
    CASE WHEN r.rngcanonical <> 0 THEN r.rngcanonical::text END,
    CASE WHEN r.rngsubdiff <> 0 THEN r.rngsubdiff::text END
FROM pg_range AS r
    JOIN pg_type AS t ON t.oid = r.rngsubtype
    JOIN pg_opclass AS o ON o.oid = r.rngsubopc
    JOIN pg_namespace AS n ON n.oid = o.opcnamespace
WHERE r.rngtypid >= 16384;

-- The parts of CREATE AGGREGATE, in the order of its documentation.
SELECT 'aggregate', p.oid, quote_ident(n.nspname) || '.' || quote_ident(p.proname), pg_get_function_arguments(p.oid),
    concat_ws(E',\n    ',
        'SFUNC = ' || a.aggtransfn,
        'STYPE = ' || format_type(a.aggtranstype, NULL),
        'SSPACE = ' || nullif(a.aggtransspace, 0),
        'FINALFUNC = ' || nullif(a.aggfinalfn::text, '-'),
        CASE WHEN a.aggfinalextra THEN 'FINALFUNC_EXTRA' END,
        CASE WHEN a.aggfinalfn::text <> '-' THEN
            CASE a.aggfinalmodify WHEN 'r' THEN 'FINALFUNC_MODIFY = READ_ONLY' WHEN 's' THEN 'FINALFUNC_MODIFY = SHAREABLE'
                ELSE 'FINALFUNC_MODIFY = READ_WRITE' END END,
        'COMBINEFUNC = ' || nullif(a.aggcombinefn::text, '-'),
        'SERIALFUNC = ' || nullif(a.aggserialfn::text, '-'),
        'DESERIALFUNC = ' || nullif(a.aggdeserialfn::text, '-'),
        'INITCOND = ' || quote_literal(a.agginitval),
        'MSFUNC = ' || nullif(a.aggmtransfn::text, '-'),
        'MINVFUNC = ' || nullif(a.aggminvtransfn::text, '-'),
        'MSTYPE = ' || CASE WHEN a.aggmtranstype <> 0 THEN format_type(a.aggmtranstype, NULL) END,
        'MSSPACE = ' || nullif(a.aggmtransspace, 0),
        'MFINALFUNC = ' || nullif(a.aggmfinalfn::text, '-'),
        CASE WHEN a.aggmfinalextra THEN 'MFINALFUNC_EXTRA' END,
        CASE WHEN a.aggmfinalfn::text <> '-' THEN
            CASE a.aggmfinalmodify WHEN 'r' THEN 'MFINALFUNC_MODIFY = READ_ONLY' WHEN 's' THEN 'MFINALFUNC_MODIFY = SHAREABLE'
                ELSE 'MFINALFUNC_MODIFY = READ_WRITE' END END,
        'MINITCOND = ' || quote_literal(a.aggminitval),
        'SORTOP = ' || (SELECT 'OPERATOR(' || quote_ident(nspname) || '.' || oprname || ')'
            FROM pg_operator AS o JOIN pg_namespace AS s ON s.oid = o.oprnamespace WHERE o.oid = a.aggsortop),
        CASE p.proparallel WHEN 's' THEN 'PARALLEL = SAFE' WHEN 'r' THEN 'PARALLEL = RESTRICTED' END,
        CASE WHEN a.aggkind = 'h' THEN 'HYPOTHETICAL' END)
FROM pg_aggregate AS a
    JOIN pg_proc AS p ON p.oid = a.aggfnoid
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.oid >= 16384;

SELECT 'rule', oid, ev_class, quote_ident(rulename), ev_enabled, CASE WHEN rulename <> '_RETURN' THEN pg_get_ruledef(oid) END
FROM pg_rewrite
WHERE oid >= 16384;

SELECT 'policy', oid, polrelid, quote_ident(polname), polcmd, polpermissive,
    (SELECT string_agg(name, ', ' ORDER BY name COLLATE "C") FROM (
        SELECT CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END AS name
        FROM unnest(polroles) AS role) AS roles),
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
FROM pg_policy;

SELECT 'statistics', oid, stxrelid, stxnamespace, quote_ident(stxname), pg_get_statisticsobjdef(oid) FROM pg_statistic_ext;

SELECT 'event trigger', oid, quote_ident(evtname), evtevent, evtfoid::regproc::text, evtenabled,
    (SELECT string_agg(quote_literal(tag), ', ' ORDER BY tag COLLATE "C") FROM unnest(evttags) AS tag)
FROM pg_event_trigger;

-- The kinds that are compared by name only: those that pg_depend lists, and those that may depend on nothing. The
-- objects of extensions are left out. So are the parts of their operator classes, which are no members themselves, and
-- the casts of ranges.
SELECT 'other', classid, objid, type, identity
FROM (
    SELECT classid, objid FROM pg_depend
    WHERE objid >= 16384 AND classid NOT IN ('pg_class'::regclass, 'pg_type'::regclass,
        'pg_proc'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass, 'pg_rewrite'::regclass,
        'pg_trigger'::regclass, 'pg_namespace'::regclass, 'pg_extension'::regclass, 'pg_policy'::regclass,
        'pg_statistic_ext'::regclass, 'pg_event_trigger'::regclass, 'pg_default_acl'::regclass)
    UNION SELECT 'pg_cast'::regclass, oid FROM pg_cast WHERE oid >= 16384
    UNION SELECT 'pg_language'::regclass, oid FROM pg_language WHERE oid >= 16384
    UNION SELECT 'pg_am'::regclass, oid FROM pg_am WHERE oid >= 16384
    UNION SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
    UNION SELECT 'pg_publication'::regclass, oid FROM pg_publication
    UNION SELECT 'pg_subscription'::regclass, s.oid
        FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid WHERE d.datname = current_database()
    UNION SELECT 'pg_transform'::regclass, oid FROM pg_transform
) AS other, pg_identify_object(classid, objid, 0)
WHERE NOT EXISTS (
    SELECT FROM pg_depend AS d LEFT JOIN pg_depend AS e ON e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e'
    WHERE d.classid = other.classid AND d.objid = other.objid
        AND (d.deptype = 'e' OR d.deptype = 'i' AND d.classid = 'pg_cast'::regclass OR e.objid IS NOT NULL AND d.classid IN ('pg_amop'::regclass, 'pg_amproc'::regclass)));

SELECT 'access method', oid, quote_ident(amname) FROM pg_am;

SELECT 'end';

COMMIT;
