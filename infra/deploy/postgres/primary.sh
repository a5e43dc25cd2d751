#!/usr/bin/env bash
# Runs once, when the image makes the primary's data: a role that may replicate, and a slot that keeps what
# the replica has not fetched yet (as much as max_slot_wal_keep_size allows).
set -euo pipefail

psql --no-psqlrc --set=ON_ERROR_STOP=1 --set=password="$REPLICATION_PASSWORD" \
  --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE replicator WITH REPLICATION LOGIN PASSWORD :'password';
SELECT pg_create_physical_replication_slot('replica');
SQL
echo 'host replication replicator all scram-sha-256' >>"$PGDATA/pg_hba.conf"
