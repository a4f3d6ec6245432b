-- JSON Schema for notification data: which schemas are understood, and whether data matches one. The functions run as
-- their caller, or inside the trigger with its search_path; every name of ours is qualified.

create function belfry.member_path(name text) returns text
language sql immutable parallel safe
return case
    when name ~ '^[A-Za-z_][A-Za-z0-9_]*$' then '.' || name
    else '[' || to_jsonb(left(name, 80))::text || ']'
end;
comment on function belfry.member_path is
    'How an object''s member stands in a path: .name, or ["a name"] where it must be quoted.';

create function belfry.kind_of(value jsonb) returns text
language sql immutable parallel safe
return case jsonb_typeof(value)
    when 'string' then 'a string'
    when 'number' then 'the number ' || left(value::text, 40)
    when 'object' then 'an object'
    when 'array' then 'an array'
    else value::text
end;
comment on function belfry.kind_of is
    'A value as a sentence names it. Strings are not repeated: the sentence may end in a log that must not hold what '
    'they say.';

create function belfry.keyword_problem(keyword text, argument jsonb) returns text
language plpgsql immutable parallel safe
as $$
declare
    kind constant text := jsonb_typeof(argument);
    element jsonb;
begin
    case keyword
    when 'type' then
        if kind = 'array' and jsonb_array_length(argument) = 0 then
            return 'must name at least one type';
        end if;
        if kind not in ('array', 'string') then
            return 'must be a name or an array of names';
        end if;
        for element in
            select e.item
            from jsonb_array_elements(
                case kind when 'array' then argument else jsonb_build_array(argument) end) e (item)
        loop
            if element not in ('"null"', '"boolean"', '"object"', '"array"', '"number"', '"integer"', '"string"') then
                return format('must be of null, boolean, object, array, number, integer and string, but names %s',
                    left(element::text, 80));
            end if;
        end loop;
    when 'required' then
        if kind <> 'array' or exists (
                select from jsonb_array_elements(argument) e (item) where jsonb_typeof(e.item) <> 'string') then
            return 'must be an array of strings';
        end if;
    when 'enum' then
        if kind <> 'array' or jsonb_array_length(argument) = 0 then
            return 'must be an array of at least one value';
        end if;
    when 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum' then
        if kind <> 'number' then
            return 'must be a number';
        end if;
    when 'minLength', 'maxLength', 'minItems', 'maxItems' then
        if kind <> 'number' or argument < '0' or trunc(argument::numeric) <> argument::numeric then
            return 'must be an integer of 0 or more';
        end if;
    when 'pattern' then
        if kind <> 'string' then
            return 'must be a string';
        end if;
        begin
            perform '' ~ (argument #>> '{}');
        exception when invalid_regular_expression then
            return format('must be a regular expression of PostgreSQL, but %s', sqlerrm);
        end;
    when 'title', 'description', '$schema' then
        if kind <> 'string' then
            return 'must be a string';
        end if;
    when 'examples' then
        if kind <> 'array' then
            return 'must be an array';
        end if;
    when 'oneOf', 'anyOf', 'allOf' then
        if kind <> 'array' or jsonb_array_length(argument) = 0 then
            return 'must be an array of at least one schema';
        end if;
    when 'properties' then
        if kind <> 'object' then
            return 'must be an object of schemas';
        end if;
    when 'items', 'additionalProperties', 'const', 'default' then
        null;
    else
        return 'is not supported; supported are type, required, properties, additionalProperties, items, enum, const, '
            'minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, minItems, maxItems, pattern, '
            'oneOf, anyOf, allOf, and the annotations title, description, $schema, examples, default';
    end case;
    return null;
end
$$;
comment on function belfry.keyword_problem is
    'What is wrong with a keyword''s own value in a schema; subschemas are not entered.';

create function belfry.schema_problem(schema jsonb, place text default 'schema', depth integer default 1) returns text
language plpgsql immutable parallel safe
as $$
declare
    keyword text;
    argument jsonb;
    problem text;
begin
    if depth > 64 then
        return format('%s is nested more than 64 schemas deep.', left(place, 300));
    end if;
    if schema is null or jsonb_typeof(schema) not in ('object', 'boolean') then
        return format('%s must be an object, true or false, but is %s.', place,
            coalesce(belfry.kind_of(schema), 'null'));
    end if;
    if jsonb_typeof(schema) = 'boolean' then
        return null;
    end if;
    for keyword, argument in select e.key, e.value from jsonb_each(schema) e loop
        problem := belfry.keyword_problem(keyword, argument);
        if problem is not null then
            return format('The keyword "%s" at %s %s.', left(keyword, 80), place, problem);
        end if;
        select p into problem
        from (
            select e.value as subschema, place || '.properties' || belfry.member_path(e.key) as subplace
            from jsonb_each(case keyword when 'properties' then argument else '{}' end) e
            union all
            select e.value, place || '.' || keyword || '[' || e.ordinality - 1 || ']'
            from jsonb_array_elements(case when keyword in ('oneOf', 'anyOf', 'allOf') then argument else '[]' end)
                with ordinality e
            union all
            select argument, place || '.' || keyword
            where keyword in ('items', 'additionalProperties')
        ) s, belfry.schema_problem(s.subschema, s.subplace, depth + 1) p
        where p is not null
        limit 1;
        if problem is not null then
            return problem;
        end if;
    end loop;
    return null;
end
$$;
comment on function belfry.schema_problem is
    'What is wrong with a JSON Schema, as a sentence that names the keyword and where it stands; null when it is '
    'understood in full. Unknown keywords are a problem, for ignoring them would let data through. Call it with the '
    'schema alone. pattern is a regular expression of PostgreSQL, not anchored; lengths count code points.';

-- Returns null when the value matches, else {path from the value, rule}. Paths are put together only on the way out of
-- a failure, and each kind of value asks only for its own keywords: a match costs as little as PL/pgSQL allows.
create function belfry.value_problem(schema jsonb, value jsonb) returns text[]
language plpgsql immutable parallel safe
as $$
declare
    kind constant text := jsonb_typeof(value);
    argument jsonb;
    problem text[];
begin
    if schema = 'true' or schema = '{}' then
        return null;
    elsif schema = 'false' then
        return array['', 'is not allowed'];
    end if;

    argument := schema -> 'type';
    if argument is not null and not argument ? kind then
        if kind <> 'number' or not argument ? 'integer' then
            return array['', format('must be of type %s, but is %s', belfry.names_of(argument), belfry.kind_of(value))];
        elsif trunc(value::numeric) <> value::numeric then
            return array['', format('must be of type %s, but is %s', belfry.names_of(argument), belfry.kind_of(value))];
        end if;
    end if;

    case kind
    when 'object' then
        if schema ?| '{required,properties,additionalProperties}' then
            problem := belfry.object_problem(schema, value);
        end if;
    when 'array' then
        if schema ?| '{items,minItems,maxItems}' then
            problem := belfry.array_problem(schema, value);
        end if;
    when 'string' then
        if schema ?| '{minLength,maxLength,pattern}' then
            problem := belfry.string_problem(schema, value #>> '{}');
        end if;
    when 'number' then
        if schema ?| '{minimum,maximum,exclusiveMinimum,exclusiveMaximum}' then
            problem := belfry.number_problem(schema, value::numeric);
        end if;
    else
        null;
    end case;
    if problem is null and schema ?| '{enum,const,allOf,anyOf,oneOf}' then
        problem := belfry.choice_problem(schema, value);
    end if;
    return problem;
end
$$;
comment on function belfry.value_problem is
    'The work of belfry.data_problem: null, or an array of the path from the value and the rule broken there.';

create function belfry.names_of(names jsonb) returns text
language sql immutable parallel safe
return case jsonb_typeof(names)
    when 'array' then (select string_agg(e.name, ' or ') from jsonb_array_elements_text(names) e (name))
    else names #>> '{}'
end;
comment on function belfry.names_of is 'The argument of the keyword type as a sentence names it.';

create function belfry.object_problem(schema jsonb, value jsonb) returns text[]
language plpgsql immutable parallel safe
as $$
declare
    required constant jsonb := schema -> 'required';
    properties constant jsonb := schema -> 'properties';
    additional constant jsonb := schema -> 'additionalProperties';
    -- A jsonpath instead of a query over jsonb_each: half the time for small objects.
    names constant jsonb := jsonb_path_query_array(value, '$.keyvalue().key');
    name text;
    subschema jsonb;
    problem text[];
begin
    for i in 0 .. coalesce(jsonb_array_length(required), 0) - 1 loop
        if not value ? (required ->> i) then
            return array[belfry.member_path(required ->> i), 'is required, but missing'];
        end if;
    end loop;
    for i in 0 .. jsonb_array_length(names) - 1 loop
        name := names ->> i;
        subschema := coalesce(properties -> name, additional);
        continue when subschema is null;
        problem := belfry.value_problem(subschema, value -> name);
        if problem is not null then
            if subschema = 'false' then
                problem := array['', 'is not among the properties that the schema allows'];
            end if;
            return array[belfry.member_path(name) || problem[1], problem[2]];
        end if;
    end loop;
    return null;
end
$$;
comment on function belfry.object_problem is 'The keywords of objects, for belfry.value_problem.';

create function belfry.array_problem(schema jsonb, value jsonb) returns text[]
language plpgsql immutable parallel safe
as $$
declare
    items constant jsonb := schema -> 'items';
    length constant integer := jsonb_array_length(value);
    problem text[];
begin
    if length < (schema -> 'minItems')::numeric then
        return array['', format('must have at least %s items, but has %s', schema -> 'minItems', length)];
    elsif length > (schema -> 'maxItems')::numeric then
        return array['', format('must have at most %s items, but has %s', schema -> 'maxItems', length)];
    elsif items is null or items in ('true', '{}') then
        return null;
    end if;
    for i in 0 .. length - 1 loop
        problem := belfry.value_problem(items, value -> i);
        if problem is not null then
            return array['[' || i || ']' || problem[1], problem[2]];
        end if;
    end loop;
    return null;
end
$$;
comment on function belfry.array_problem is 'The keywords of arrays, for belfry.value_problem.';

create function belfry.string_problem(schema jsonb, value text) returns text[]
language plpgsql immutable parallel safe
as $$
declare
    length constant integer := char_length(value);
begin
    if length < (schema -> 'minLength')::numeric then
        return array['', format('must have at least %s characters, but has %s', schema -> 'minLength', length)];
    elsif length > (schema -> 'maxLength')::numeric then
        return array['', format('must have at most %s characters, but has %s', schema -> 'maxLength', length)];
    elsif value !~ (schema ->> 'pattern') then
        return array['', format('must match the pattern %s', schema -> 'pattern')];
    end if;
    return null;
end
$$;
comment on function belfry.string_problem is 'The keywords of strings, for belfry.value_problem.';

create function belfry.number_problem(schema jsonb, value numeric) returns text[]
language plpgsql immutable parallel safe
as $$
declare
    rule text;
begin
    rule := case
        when value < (schema -> 'minimum')::numeric then 'at least ' || (schema ->> 'minimum')
        when value > (schema -> 'maximum')::numeric then 'at most ' || (schema ->> 'maximum')
        when value <= (schema -> 'exclusiveMinimum')::numeric then 'more than ' || (schema ->> 'exclusiveMinimum')
        when value >= (schema -> 'exclusiveMaximum')::numeric then 'less than ' || (schema ->> 'exclusiveMaximum')
    end;
    if rule is not null then
        return array['', format('must be %s, but is %s', rule, left(value::text, 40))];
    end if;
    return null;
end
$$;
comment on function belfry.number_problem is 'The keywords of numbers, for belfry.value_problem.';

create function belfry.choice_problem(schema jsonb, value jsonb) returns text[]
language plpgsql immutable parallel safe
as $$
declare
    argument jsonb;
    found_value boolean;
    matches integer := 0;
    problem text[];
    reasons text := '';
begin
    argument := schema -> 'enum';
    if argument is not null then
        -- Containment compares scalars exactly; of arrays and objects it would allow parts.
        if jsonb_typeof(value) in ('array', 'object') then
            found_value := exists (select from jsonb_array_elements(argument) e (item) where e.item = value);
        else
            found_value := argument @> value;
        end if;
        if not found_value then
            return array['', format('must be one of %s, but is %s', left(argument::text, 200),
                case jsonb_typeof(value) when 'string' then 'another string' else belfry.kind_of(value) end)];
        end if;
    end if;
    argument := schema -> 'const';
    if argument <> value then
        return array['', format('must be %s', left(argument::text, 200))];
    end if;

    argument := schema -> 'allOf';
    for i in 0 .. coalesce(jsonb_array_length(argument), 0) - 1 loop
        problem := belfry.value_problem(argument -> i, value);
        if problem is not null then
            return problem;
        end if;
    end loop;

    argument := schema -> 'anyOf';
    for i in 0 .. coalesce(jsonb_array_length(argument), 0) - 1 loop
        problem := belfry.value_problem(argument -> i, value);
        exit when problem is null;
        reasons := reasons || format(' (%s) it%s %s', i + 1, problem[1], problem[2]);
    end loop;
    if argument is not null and problem is not null then
        return array['', 'must match at least one schema of anyOf, but:' || left(reasons, 500)];
    end if;

    argument := schema -> 'oneOf';
    reasons := '';
    for i in 0 .. coalesce(jsonb_array_length(argument), 0) - 1 loop
        problem := belfry.value_problem(argument -> i, value);
        if problem is null then
            matches := matches + 1;
            exit when matches > 1;
        else
            reasons := reasons || format(' (%s) it%s %s', i + 1, problem[1], problem[2]);
        end if;
    end loop;
    if argument is null or matches = 1 then
        return null;
    elsif matches = 0 then
        return array['', 'must match one schema of oneOf, but:' || left(reasons, 500)];
    else
        return array['', 'must match exactly one schema of oneOf, but matches more than one'];
    end if;
end
$$;
comment on function belfry.choice_problem is
    'The keywords that fit any kind of value: enum, const, allOf, anyOf, oneOf.';

create function belfry.data_problem(schema jsonb, data jsonb, out path text, out rule text)
language plpgsql immutable parallel safe
as $$
declare
    problem text[];
begin
    -- #> '{}' is the value itself, decompressed once instead of at each step.
    problem := belfry.value_problem(schema #> '{}', data #> '{}');
    path := left('data' || problem[1], 500);
    rule := problem[2];
end
$$;
comment on function belfry.data_problem is
    'The first place where data breaks the schema, and the rule broken there; nulls when it matches. The schema must '
    'be one in which belfry.schema_problem finds nothing. Its depth, at most 64, bounds the depth to which data is '
    'entered.';

alter table belfry.notification_type
    add constraint notification_type_schema check (belfry.schema_problem(schema) is null);
