#!/bin/sh
# Takes over the exports, then brings up to date what reads them, each mart once. --skip-refresh leaves that out.
set -eu
cd "$(dirname "$0")"
marts() { "${DATAMART:-datamart}" --dir datamarts -q "$@"; }

marts psql -qXf ingest.sql
if [ "${1:-}" != --skip-refresh ]; then
    marts refresh --select 'orders+' --wait
fi
