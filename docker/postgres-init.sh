#!/bin/bash
# Runs once, when the database is made: the login roles. `belfry migrate` finds the three group roles and grants them
# what they may.
set -euo pipefail
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    -v service_password="$SERVICE_PASSWORD" -v app_password="$APP_PASSWORD" \
    -v oncall_password="$ONCALL_PASSWORD" <<'SQL'
create role belfry_writer nologin;
create role belfry_service nologin;
create role belfry_operator nologin;
create role belfry login password :'service_password' in role belfry_service;
create role app login password :'app_password' in role belfry_writer;
create role oncall login password :'oncall_password' in role belfry_operator;
SQL
