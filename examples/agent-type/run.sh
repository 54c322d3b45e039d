#!/bin/sh
# Adds the agent type `todos` and gives it one task. A server must be running, started with this folder on its PATH.
# usage: run.sh REPOSITORY
set -eu
wharf agent-types add todos --protocol json-lines --description "Lists TODO comments in TODO.md" todo-agent
# An agent that cannot ask for permission runs only under allow-all.
wharf run "List the TODO comments" --repo "$1" --agent todos --policy allow-all
