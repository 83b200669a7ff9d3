#!/usr/bin/env bash
# A walk through mplp-trace with the sample project, in a folder of its own that is gone afterwards.
set -euo pipefail

samples=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/mplp-trace-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$samples/project.jsonl" "$samples/bad-lines.jsonl" "$samples/alerts.toml" "$work"
cd "$work"
unset MPLP_TRACE_ID MPLP_CONTEXT_ID MPLP_TRACE_FORMAT MPLP_TRACE_CONFIG
export MPLP_TRACE_DB="$work/traces.duckdb"

step() { printf '\n== %s\n' "$1"; }

# Shows a command, then runs it; what it says on stderr stands where it was said.
run() {
  printf '\n$ mplp-trace'
  local word
  for word in "$@"; do
    case $word in
      *'$'*) printf " '%s'" "$word" ;;
      *[!A-Za-z0-9_./=@,:%+-]*) printf ' "%s"' "$word" ;;
      *) printf ' %s' "$word" ;;
    esac
  done
  printf '\n'
  mplp-trace "$@" 2>&1
}

# The same for a command whose exit code is part of what there is to see.
run_expecting() {
  local expected=$1 code=0
  shift
  run "$@" || code=$?
  printf '(exit code %s)\n' "$code"
  [ "$code" -eq "$expected" ]
}

step "Import five days of an agent project"
run import project.jsonl
run_expecting 0 import project.jsonl
run info

step "Which traces are there"
run query --limit 5
run query --status failed --context ctx-nightly-etl
run query --tag incident-2026-03-04 --min-duration 30s

step "One trace, as a tree with a time line"
run show checkout-incident-01

step "Events across traces"
run events --min-level critical
run events --event-type "retry*" --data tool=payment.charge --since 2026-03-04 --until 2026-03-04 --limit 5

step "How things went on the day of the incident"
run query --since 2026-03-02 --bucket 1d --until 2026-03-06 --metric count,p95_duration,error_rate
run events --min-level error --group-by source --metric count,max_duration --since 2026-03-04 --until 2026-03-04
run dashboard --since 2026-03-04 --until 2026-03-04
run show checkout-incident-01 --html incident.html

step "A good run and a bad one"
run_expecting 1 diff checkout-baseline-01 checkout-incident-01 --limit 6

step "Questions of your own, in SQL"
run sql "SELECT context_id, count(*) AS traces, count_if(status = 'failed') AS failed,
         round(quantile_cont(duration_ms, 0.95)) AS p95_ms FROM traces GROUP BY ALL ORDER BY traces DESC"
run sql 'SELECT event_type, count(*) AS events, max(duration_ms) AS slowest_ms FROM events
         WHERE trace_id = $trace GROUP BY ALL ORDER BY slowest_ms DESC LIMIT 5' --param trace=checkout-incident-01

step "Alert rules, as they were in the middle of the incident and a day before"
run_expecting 1 --config alerts.toml alerts check --at 2026-03-04T15:00:00Z
run --config alerts.toml alerts check --rule high-error-rate --at 2026-03-03T12:00:00Z

step "Record something new"
id=$(mplp-trace create "A trace from the demo" --tag demo)
run record stage_started --trace "$id" --set stage=plan --source core
run record stage_completed --trace "$id" --set stage=plan --set status=success --duration-ms 1250
run complete "$id"
run show "$id"
run tail -n 4

step "Metrics, counted from any number of processes"
run metrics inc pages_read 12
run metrics inc pages_read 30
run metrics set queue_depth 4 --label queue=mail
run metrics show --type custom

step "Export"
run export -o traces.parquet
run export -o everything.jsonl.gz
run export -o by-day --format parquet --include-events --partition-by day
ls -1 by-day/traces

step "The JSON lines make the same store again"
run --db copy.duckdb import everything.jsonl.gz
run --db copy.duckdb query --limit 3

step "A trace around any command, a stage around its parts"
printf 'set -e\nmplp-trace step read -- sleep 0.05\nmplp-trace step load -- cat missing.csv\n' > import.sh
run_expecting 1 run "Nightly import" --tag etl -- bash import.sh
run events --trace @last

step "For other tools, and back: OpenTelemetry, Perfetto, MPLP documents"
run export -o run.otlp.jsonl --since 5m
run export -o run.perfetto.json --since 5m
run export -o run.mplp.json --since 5m
run --db other.duckdb import run.otlp.jsonl
run --db other.duckdb query

step "A table of another tool: what it would be, then for good"
printf '%s\n' when,what,ms "2026-03-02 09:15:00,login,12.5" "2026-03-02 09:15:04,search,380" > app.csv
columns=(--map event_type=what,timestamp=when,duration_ms=ms --default trace_id=app --create-missing)
run import app.csv "${columns[@]}" --dry-run
run import app.csv "${columns[@]}"

step "What is not needed any more goes, after a look at what that would be"
run --db copy.duckdb purge --context ctx-nightly-etl
run --db copy.duckdb purge --context ctx-nightly-etl --yes
run --db copy.duckdb compact
run_expecting 0 --db copy.duckdb doctor

step "Lines that cannot be recorded are kept, with the reason"
run_expecting 1 import bad-lines.jsonl
run rejects list

step "Done: the folder $work goes away now"
