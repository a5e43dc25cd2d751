#!/usr/bin/env bash
# Makes the replica's data from the primary where there is none, and runs it. A copy that broke off is begun
# anew. Arguments: the server's command.
set -euo pipefail

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  partial="$PGDATA.partial"
  rm -rf "$partial"
  mkdir -p "$(dirname "$PGDATA")"
  PGPASSWORD="$REPLICATION_PASSWORD" pg_basebackup --host="$PRIMARY_HOST" --username=replicator \
    --pgdata="$partial" --wal-method=stream --slot=replica --write-recovery-conf --checkpoint=fast
  chmod 0700 "$partial"
  rm -rf "$PGDATA"
  mv "$partial" "$PGDATA"
fi
exec docker-entrypoint.sh "$@"
