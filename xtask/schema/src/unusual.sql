-- These statements run in a second round trip, if the first one has found a sign of unusual objects. Most databases
-- have none of them, and a new session needs 0.2 to 0.5 ms for each catalog that it reads.

SELECT 'label', string_agg(r::text, E'\n') FROM (
SELECT enumtypid, quote_literal(enumlabel) FROM pg_enum WHERE enumtypid >= 16384 ORDER BY enumtypid, enumsortorder
) AS r;

SELECT 'range', string_agg(r::text, E'\n') FROM (
SELECT r.rngtypid, r.rngmultitypid, format_type(r.rngsubtype, NULL), r.rngmultitypid::regtype::text,
    CASE WHEN NOT o.opcdefault THEN quote_ident(n.nspname) || '.' || quote_ident(o.opcname) END,
    CASE WHEN r.rngcollation <> t.typcollation THEN r.rngcollation::regcollation::text END,
    CASE WHEN r.rngcanonical <> 0 THEN r.rngcanonical::text END,
    CASE WHEN r.rngsubdiff <> 0 THEN r.rngsubdiff::text END
FROM pg_range AS r
    JOIN pg_type AS t ON t.oid = r.rngsubtype
    JOIN pg_opclass AS o ON o.oid = r.rngsubopc
    JOIN pg_namespace AS n ON n.oid = o.opcnamespace
WHERE r.rngtypid >= 16384
) AS r;

-- The parts of CREATE AGGREGATE, in the order of its documentation.
SELECT 'aggregate', string_agg(r::text, E'\n') FROM (
SELECT p.oid, quote_ident(n.nspname) || '.' || quote_ident(p.proname), pg_get_function_arguments(p.oid),
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
WHERE p.oid >= 16384
) AS r;

SELECT 'rule', string_agg(r::text, E'\n') FROM (
SELECT oid, ev_class, quote_ident(rulename), ev_enabled, CASE WHEN rulename <> '_RETURN' THEN pg_get_ruledef(oid) END
FROM pg_rewrite
WHERE oid >= 16384
) AS r;

SELECT 'policy', string_agg(r::text, E'\n') FROM (
SELECT oid, polrelid, quote_ident(polname), polcmd, polpermissive,
    (SELECT string_agg(name, ', ' ORDER BY name COLLATE "C") FROM (
        SELECT CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END AS name
        FROM unnest(polroles) AS role) AS roles),
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
FROM pg_policy
) AS r;

SELECT 'statistics', string_agg(r::text, E'\n') FROM (
SELECT oid, stxrelid, stxnamespace, quote_ident(stxname), pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
) AS r;

SELECT 'event trigger', string_agg(r::text, E'\n') FROM (
SELECT oid, quote_ident(evtname), evtevent, evtfoid::regproc::text, evtenabled,
    (SELECT string_agg(quote_literal(tag), ', ' ORDER BY tag COLLATE "C") FROM unnest(evttags) AS tag)
FROM pg_event_trigger
) AS r;

-- The kinds that are compared by name only: those that pg_depend lists, and those that may depend on nothing. The
-- objects of extensions are left out. So are the parts of their operator classes, which are no members themselves, and
-- the casts of ranges.
SELECT 'other', string_agg(r::text, E'\n') FROM (
SELECT classid, objid, type, regexp_replace(identity, '\mpg_catalog\.json\M', 'json', 'g')
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
        AND (d.deptype = 'e' OR d.deptype = 'i' AND d.classid = 'pg_cast'::regclass OR e.objid IS NOT NULL AND d.classid IN ('pg_amop'::regclass, 'pg_amproc'::regclass)))
) AS r;

-- A digest of everything that the script of an extension has made. It is the same wherever this version is installed. The
-- arrays of its types are left out: they follow the types, and only PostgreSQL 17 and later list them. The type json has
-- its schema in an identity up to PostgreSQL 16, and none from 17 on.
SELECT 'members', string_agg(r::text, E'\n') FROM (
SELECT m.extension, (SELECT extversion FROM pg_extension AS e WHERE e.oid = m.extension),
    md5(string_agg(concat_ws('|', i.type, i.name, t.text, d.description), E'\n' ORDER BY concat_ws('|', i.type, i.name, t.text) COLLATE "C"))
FROM (
    SELECT refobjid AS extension, classid, objid FROM pg_depend
    WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
        AND NOT (classid = 'pg_type'::regclass AND objid IN (SELECT typarray FROM pg_type))
    UNION SELECT e.refobjid, d.classid, d.objid
    FROM pg_depend AS d JOIN pg_depend AS e ON e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e'
    WHERE d.classid IN ('pg_amop'::regclass, 'pg_amproc'::regclass)
) AS m
    CROSS JOIN LATERAL (
        SELECT type, regexp_replace(identity, '\mpg_catalog\.json\M', 'json', 'g') AS name FROM pg_identify_object(classid, objid, 0)
    ) AS i
    LEFT JOIN pg_description AS d ON d.classoid = m.classid AND d.objoid = m.objid AND d.objsubid = 0
    LEFT JOIN LATERAL (
        SELECT concat_ws('|', lanname, prosrc, probin, prokind, prosecdef, proleakproof, proisstrict, proretset, provolatile, proparallel,
            procost, prorows, prorettype::regtype, proconfig, prosupport, pg_get_function_arguments(p.oid), pg_get_function_sqlbody(p.oid))
        FROM pg_proc AS p JOIN pg_language AS l ON l.oid = prolang WHERE m.classid = 'pg_proc'::regclass AND p.oid = m.objid AND prokind <> 'a'
        UNION ALL SELECT concat_ws('|', aggkind, aggnumdirectargs, aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn,
            aggminvtransfn, aggmfinalfn, aggfinalextra, aggmfinalextra, aggfinalmodify, aggmfinalmodify, aggsortop::regoperator,
            aggtranstype::regtype, aggtransspace, aggmtranstype::regtype, aggmtransspace, agginitval, aggminitval,
            procost, proparallel, provolatile, proisstrict, prosecdef, proleakproof, proconfig)
        FROM pg_aggregate JOIN pg_proc AS p ON p.oid = aggfnoid WHERE m.classid = 'pg_proc'::regclass AND p.oid = m.objid
        UNION ALL SELECT concat_ws('|', typlen, typbyval, typtype, typcategory, typispreferred, typisdefined, typdelim, typelem::regtype, typalign,
            typstorage, typnotnull, typbasetype::regtype, typtypmod, typcollation::regcollation, typdefault, typinput, typoutput, typreceive, typsend,
            typmodin, typmodout, typanalyze, typsubscript)
        FROM pg_type AS y WHERE m.classid = 'pg_type'::regclass AND y.oid = m.objid
        UNION ALL SELECT concat_ws('|', oprkind, oprcanmerge, oprcanhash, oprresult::regtype, oprcom::regoperator, oprnegate::regoperator, oprcode, oprrest, oprjoin)
        FROM pg_operator AS o WHERE m.classid = 'pg_operator'::regclass AND o.oid = m.objid
        UNION ALL SELECT concat_ws('|', castfunc::regprocedure, castcontext, castmethod)
        FROM pg_cast AS c WHERE m.classid = 'pg_cast'::regclass AND c.oid = m.objid
        UNION ALL SELECT concat_ws('|', opcintype::regtype, opcdefault, opckeytype::regtype)
        FROM pg_opclass AS o WHERE m.classid = 'pg_opclass'::regclass AND o.oid = m.objid
        UNION ALL SELECT amopopr::regoperator::text FROM pg_amop AS a WHERE m.classid = 'pg_amop'::regclass AND a.oid = m.objid
        UNION ALL SELECT amproc::regprocedure::text FROM pg_amproc AS a WHERE m.classid = 'pg_amproc'::regclass AND a.oid = m.objid
        UNION ALL SELECT concat_ws('|', relkind, relpersistence, reloptions, relreplident, relrowsecurity, relforcerowsecurity,
            CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(r.oid) END,
            (SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstorage, attoptions,
                    attcollation::regcollation, (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum),
                    col_description(attrelid, attnum)), E'\n' ORDER BY attnum)
                FROM pg_attribute WHERE attrelid = r.oid AND attnum > 0 AND NOT attisdropped),
            (SELECT string_agg(conname || ' ' || pg_get_constraintdef(k.oid), E'\n' ORDER BY conname) FROM pg_constraint AS k WHERE conrelid = r.oid),
            (SELECT string_agg(pg_get_indexdef(indexrelid) || concat(indisvalid, indisclustered, indisreplident), E'\n' ORDER BY indexrelid::regclass::text)
                FROM pg_index WHERE indrelid = r.oid),
            (SELECT string_agg(pg_get_triggerdef(g.oid) || tgenabled::text, E'\n' ORDER BY tgname) FROM pg_trigger AS g WHERE tgrelid = r.oid AND NOT tgisinternal),
            (SELECT string_agg(pg_get_ruledef(w.oid) || ev_enabled::text, E'\n' ORDER BY rulename) FROM pg_rewrite AS w WHERE ev_class = r.oid AND relkind <> 'v'))
        FROM pg_class AS r WHERE m.classid = 'pg_class'::regclass AND r.oid = m.objid
    ) AS t (text) ON true
WHERE m.extension IN (SELECT oid FROM pg_extension WHERE extname <> 'plpgsql')
GROUP BY m.extension
) AS r;

-- The statements that make objects of these kinds, or lines about them where a statement alone wouldn't do.
SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_collation'::regclass::oid, c.oid, format('CREATE COLLATION %s.%s (%s);', quote_ident(n.nspname), quote_ident(collname),
    concat_ws(', ', 'PROVIDER = ' || CASE collprovider WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc' WHEN 'b' THEN 'builtin' END,
        'LOCALE = ' || quote_literal(coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale')),
        'LC_COLLATE = ' || quote_literal(collcollate), 'LC_CTYPE = ' || quote_literal(collctype),
        CASE WHEN NOT collisdeterministic THEN 'DETERMINISTIC = false' END,
        'RULES = ' || quote_literal(to_jsonb(c) ->> 'collicurules')))
FROM pg_collation AS c JOIN pg_namespace AS n ON n.oid = collnamespace WHERE c.oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_cast'::regclass::oid, oid, format('CREATE CAST (%s AS %s) %s%s;', castsource::regtype, casttarget::regtype,
    CASE castmethod WHEN 'f' THEN 'WITH FUNCTION ' || castfunc::regprocedure WHEN 'i' THEN 'WITH INOUT' ELSE 'WITHOUT FUNCTION' END,
    CASE castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' END)
FROM pg_cast WHERE oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_operator'::regclass::oid, o.oid, CASE WHEN oprcode = 0 THEN '-- it is only a name, which another operator refers to'
    ELSE format('CREATE OPERATOR %s.%s (%s);', quote_ident(n.nspname), oprname, concat_ws(', ', 'FUNCTION = ' || oprcode,
        CASE WHEN oprleft <> 0 THEN 'LEFTARG = ' || oprleft::regtype END, CASE WHEN oprright <> 0 THEN 'RIGHTARG = ' || oprright::regtype END,
        (SELECT format('COMMUTATOR = OPERATOR(%s.%s)', quote_ident(s.nspname), c.oprname) FROM pg_operator AS c
            JOIN pg_namespace AS s ON s.oid = c.oprnamespace WHERE c.oid = o.oprcom),
        (SELECT format('NEGATOR = OPERATOR(%s.%s)', quote_ident(s.nspname), c.oprname) FROM pg_operator AS c
            JOIN pg_namespace AS s ON s.oid = c.oprnamespace WHERE c.oid = o.oprnegate),
        CASE WHEN oprrest <> 0 THEN 'RESTRICT = ' || oprrest END, CASE WHEN oprjoin <> 0 THEN 'JOIN = ' || oprjoin END,
        CASE WHEN oprcanhash THEN 'HASHES' END, CASE WHEN oprcanmerge THEN 'MERGES' END)) END
FROM pg_operator AS o JOIN pg_namespace AS n ON n.oid = oprnamespace WHERE o.oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_opfamily'::regclass::oid, f.oid,
    format('CREATE OPERATOR FAMILY %s.%s USING %s;', quote_ident(n.nspname), quote_ident(opfname), quote_ident(amname))
FROM pg_opfamily AS f JOIN pg_namespace AS n ON n.oid = opfnamespace JOIN pg_am AS a ON a.oid = opfmethod WHERE f.oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_opclass'::regclass::oid, o.oid, format('-- for type %s, in family %s.%s%s%s', opcintype::regtype,
    quote_ident(n.nspname), quote_ident(opfname), CASE WHEN opcdefault THEN ', the default' END,
    CASE WHEN opckeytype <> 0 THEN ', stored as ' || opckeytype::regtype END)
FROM pg_opclass AS o JOIN pg_opfamily AS f ON f.oid = opcfamily JOIN pg_namespace AS n ON n.oid = opfnamespace WHERE o.oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_amop'::regclass::oid, a.oid, format('-- %s for %s%s', amopopr::regoperator,
    CASE amoppurpose WHEN 's' THEN 'search' ELSE 'order' END, ' by ' || (SELECT s.nspname || '.' || f.opfname
        FROM pg_opfamily AS f JOIN pg_namespace AS s ON s.oid = f.opfnamespace WHERE f.oid = amopsortfamily))
FROM pg_amop AS a WHERE a.oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_amproc'::regclass::oid, oid, '-- ' || amproc::regprocedure FROM pg_amproc WHERE oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_conversion'::regclass::oid, c.oid, format('CREATE %sCONVERSION %s.%s FOR %L TO %L FROM %s;',
    CASE WHEN condefault THEN 'DEFAULT ' END, quote_ident(n.nspname), quote_ident(conname), pg_encoding_to_char(conforencoding),
    pg_encoding_to_char(contoencoding), conproc)
FROM pg_conversion AS c JOIN pg_namespace AS n ON n.oid = connamespace WHERE c.oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_ts_dict'::regclass::oid, d.oid, format('CREATE TEXT SEARCH DICTIONARY %s (TEMPLATE = %s.%s%s);', d.oid::regdictionary,
    quote_ident(n.nspname), quote_ident(tmplname), ', ' || dictinitoption)
FROM pg_ts_dict AS d JOIN pg_ts_template AS t ON t.oid = dicttemplate JOIN pg_namespace AS n ON n.oid = tmplnamespace WHERE d.oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_ts_config'::regclass::oid, c.oid, concat_ws(E'\n',
    format('CREATE TEXT SEARCH CONFIGURATION %s (PARSER = %s.%s);', c.oid::regconfig, quote_ident(n.nspname), quote_ident(prsname)),
    (SELECT string_agg(format('ALTER TEXT SEARCH CONFIGURATION %s ADD MAPPING FOR %s WITH %s;', c.oid::regconfig, quote_ident(alias), dicts),
            E'\n' ORDER BY alias)
        FROM (SELECT t.alias, string_agg(mapdict::regdictionary::text, ', ' ORDER BY mapseqno) AS dicts
            FROM pg_ts_config_map AS m JOIN ts_token_type(cfgparser) AS t ON t.tokid = m.maptokentype
            WHERE mapcfg = c.oid GROUP BY t.alias) AS maps))
FROM pg_ts_config AS c JOIN pg_ts_parser AS p ON p.oid = cfgparser JOIN pg_namespace AS n ON n.oid = prsnamespace WHERE c.oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_ts_parser'::regclass::oid, p.oid, format('CREATE TEXT SEARCH PARSER %s.%s (%s);', quote_ident(n.nspname), quote_ident(prsname),
    concat_ws(', ', 'START = ' || prsstart, 'GETTOKEN = ' || prstoken, 'END = ' || prsend, 'LEXTYPES = ' || prslextype,
        CASE WHEN prsheadline <> 0 THEN 'HEADLINE = ' || prsheadline END))
FROM pg_ts_parser AS p JOIN pg_namespace AS n ON n.oid = prsnamespace WHERE p.oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_ts_template'::regclass::oid, t.oid, format('CREATE TEXT SEARCH TEMPLATE %s.%s (%s);', quote_ident(n.nspname),
    quote_ident(tmplname), concat_ws(', ', CASE WHEN tmplinit <> 0 THEN 'INIT = ' || tmplinit END, 'LEXIZE = ' || tmpllexize))
FROM pg_ts_template AS t JOIN pg_namespace AS n ON n.oid = tmplnamespace WHERE t.oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_foreign_data_wrapper'::regclass::oid, oid, format('CREATE FOREIGN DATA WRAPPER %s%s%s%s;', quote_ident(fdwname),
    CASE WHEN fdwhandler <> 0 THEN ' HANDLER ' || fdwhandler::regproc END, CASE WHEN fdwvalidator <> 0 THEN ' VALIDATOR ' || fdwvalidator::regproc END,
    (SELECT format(' OPTIONS (%s)', string_agg(quote_ident(option_name) || ' ' || quote_literal(option_value), ', ' ORDER BY option_name COLLATE "C"))
        FROM pg_options_to_table(fdwoptions) HAVING count(*) > 0))
FROM pg_foreign_data_wrapper WHERE oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_foreign_server'::regclass::oid, s.oid, format('CREATE SERVER %s%s%s FOREIGN DATA WRAPPER %s%s;', quote_ident(srvname),
    ' TYPE ' || quote_literal(srvtype), ' VERSION ' || quote_literal(srvversion), quote_ident(fdwname),
    (SELECT format(' OPTIONS (%s)', string_agg(quote_ident(option_name) || ' ' || quote_literal(option_value), ', ' ORDER BY option_name COLLATE "C"))
        FROM pg_options_to_table(srvoptions) HAVING count(*) > 0))
FROM pg_foreign_server AS s JOIN pg_foreign_data_wrapper AS w ON w.oid = srvfdw
) AS r;

-- A password has no place in a committed file.
SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_user_mapping'::regclass::oid, umid, (SELECT string_agg('-- option ' || quote_ident(option_name) || ' '
            || CASE WHEN option_name ~* 'pass|secret|token|key' THEN '(not shown)' ELSE quote_literal(option_value) END, E'\n' ORDER BY option_name COLLATE "C")
        FROM pg_options_to_table(umoptions))
FROM pg_user_mappings WHERE umoptions IS NOT NULL
) AS r;

-- What follows the columns of a foreign table, and the options of its columns.
SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_class'::regclass::oid, ftrelid, format('SERVER %s%s', quote_ident(srvname),
    (SELECT format(' OPTIONS (%s)', string_agg(quote_ident(option_name) || ' ' || quote_literal(option_value), ', ' ORDER BY option_name COLLATE "C"))
        FROM pg_options_to_table(ftoptions) HAVING count(*) > 0))
FROM pg_foreign_table JOIN pg_foreign_server AS s ON s.oid = ftserver
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_attribute'::regclass::oid, attrelid, string_agg(format('ALTER FOREIGN TABLE %s ALTER COLUMN %s OPTIONS (%s);',
    attrelid::regclass, quote_ident(attname), (SELECT string_agg(format('ADD %s %L', quote_ident(option_name), option_value), ', ' ORDER BY option_name COLLATE "C")
        FROM pg_options_to_table(attfdwoptions))), E'\n' ORDER BY attnum)
FROM pg_attribute WHERE attfdwoptions IS NOT NULL AND NOT attisdropped GROUP BY attrelid
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_publication'::regclass::oid, oid, format('CREATE PUBLICATION %s%s WITH (publish = %L, publish_via_partition_root = %s);',
    quote_ident(pubname), CASE WHEN puballtables THEN ' FOR ALL TABLES' END, concat_ws(', ', CASE WHEN pubinsert THEN 'insert' END,
        CASE WHEN pubupdate THEN 'update' END, CASE WHEN pubdelete THEN 'delete' END, CASE WHEN pubtruncate THEN 'truncate' END), pubviaroot)
FROM pg_publication
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_publication_rel'::regclass::oid, r.oid, format('ALTER PUBLICATION %s ADD TABLE ONLY %s%s%s;', quote_ident(pubname), prrelid::regclass,
    (SELECT format(' (%s)', string_agg(quote_ident(attname), ', ' ORDER BY attnum)) FROM pg_attribute
        WHERE attrelid = prrelid AND attnum = ANY (prattrs) HAVING count(*) > 0),
    ' WHERE (' || pg_get_expr(prqual, prrelid) || ')')
FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = prpubid
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_publication_namespace'::regclass::oid, r.oid, format('ALTER PUBLICATION %s ADD TABLES IN SCHEMA %s;', quote_ident(pubname), pnnspid::regnamespace)
FROM pg_publication_namespace AS r JOIN pg_publication AS p ON p.oid = pnpubid
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_language'::regclass::oid, oid, format('CREATE %sLANGUAGE %s%s%s%s;', CASE WHEN lanpltrusted THEN 'TRUSTED ' END, quote_ident(lanname),
    CASE WHEN lanplcallfoid <> 0 THEN ' HANDLER ' || lanplcallfoid::regproc END, CASE WHEN laninline <> 0 THEN ' INLINE ' || laninline::regproc END,
    CASE WHEN lanvalidator <> 0 THEN ' VALIDATOR ' || lanvalidator::regproc END)
FROM pg_language WHERE oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_am'::regclass::oid, oid, format('CREATE ACCESS METHOD %s TYPE %s HANDLER %s;', quote_ident(amname),
    CASE amtype WHEN 't' THEN 'TABLE' ELSE 'INDEX' END, amhandler)
FROM pg_am WHERE oid >= 16384
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_transform'::regclass::oid, t.oid, format('CREATE TRANSFORM FOR %s LANGUAGE %s (%s);', trftype::regtype, quote_ident(lanname),
    concat_ws(', ', CASE WHEN trffromsql <> 0 THEN 'FROM SQL WITH FUNCTION ' || trffromsql::regprocedure END,
        CASE WHEN trftosql <> 0 THEN 'TO SQL WITH FUNCTION ' || trftosql::regprocedure END))
FROM pg_transform AS t JOIN pg_language AS l ON l.oid = trflang
) AS r;

SELECT 'definition', string_agg(r::text, E'\n') FROM (
SELECT 'pg_type'::regclass::oid, oid, CASE WHEN typisdefined THEN concat_ws(', ', '-- input ' || typinput, 'output ' || typoutput,
    'receive ' || typreceive, 'send ' || typsend, 'modifier ' || typmodin, typmodout, 'analyze ' || typanalyze, 'length ' || typlen,
    'by value ' || typbyval, 'alignment ' || typalign::text, 'storage ' || typstorage::text, 'category ' || quote_literal(typcategory::text),
    'preferred ' || typispreferred, 'delimiter ' || quote_literal(typdelim::text), 'default ' || quote_literal(typdefault),
    'element ' || typelem::regtype, 'collation ' || typcollation::regcollation) ELSE '-- it is only a name' END
FROM pg_type AS t WHERE oid >= 16384 AND typtype IN ('b', 'p') AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = t.oid)
) AS r;

SELECT 'access method', string_agg(r::text, E'\n') FROM (
SELECT oid, quote_ident(amname) FROM pg_am
) AS r;

SELECT 'end', NULL;

COMMIT;
