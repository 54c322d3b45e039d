#!/bin/sh
# Runs one task without a terminal and without a server, as a CI job does. Ends with Wharf's exit code: 0 the agent is done,
# 1 the agent failed, 2 Wharf failed. Writes all events to events.ndjson and the last line, the summary, to summary.json.
# usage: run.sh TASK_FILE REPOSITORY
# environment: AGENT, the agent type (by default `wharf`, which needs a model key such as GEMINI_API_KEY)
set -u
code=0
wharf run --file "$1" --repo "$2" --agent "${AGENT:-wharf}" --policy allow-all --json >events.ndjson || code=$?
tail -n 1 events.ndjson >summary.json
exit "$code"
