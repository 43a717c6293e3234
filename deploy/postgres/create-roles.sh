#!/bin/sh
# Run by the postgres image when it makes its first database, as its superuser: the sink's role and
# the database that it owns, and Grafana's role, which reads what the sink will make.
set -eu
export SECRETS="${SECRETS:-/run/secrets}"
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-postgres}" <<'SQL'
\set sink_password `cat "$SECRETS/sink_password"`
\set grafana_reader_password `cat "$SECRETS/grafana_reader_password"`
CREATE ROLE eventwire LOGIN PASSWORD :'sink_password';
CREATE ROLE grafana LOGIN PASSWORD :'grafana_reader_password';
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '60s';
CREATE DATABASE eventwire OWNER eventwire;
\connect eventwire
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SET ROLE eventwire;
CREATE SCHEMA eventwire;
GRANT USAGE ON SCHEMA eventwire TO grafana;
ALTER DEFAULT PRIVILEGES IN SCHEMA eventwire GRANT SELECT ON TABLES TO grafana;
SQL
