import type { Command } from "commander";
import { createTables } from "./tables.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/**
 * Reads a command line and prints the possible last words, one on each line. The script is plain
 * POSIX, so that bash, zsh and the `sh` that fish starts run the same code: no arrays, and no
 * splitting of unquoted words.
 */
const engine = String.raw`_wharf_print() {
  case "$1" in
    @file) echo @file ;;
    @task|@runner|@workspace|@agent|@board|@user|@token) wharf completion ids "${"$"}{1#@}" < /dev/null 2> /dev/null ;;
    @*) ;;
    ?*) printf '%s\n' "$1" | tr ' ' '\n' ;;
  esac
}
_wharf_candidates() {
  local at="" count=0 word kind next
  while [ "$#" -gt 1 ]; do
    word=$1
    shift
    case "$word" in
      --) return 0 ;;
      -?*)
        kind=$(_wharf_value "$at" "$word")
        [ -n "$kind" ] || continue
        [ "$#" -gt 1 ] || { _wharf_print "$kind"; return 0; }
        shift ;;
      *)
        next=""
        [ "$count" -gt 0 ] || next=$(_wharf_command "$at" "$word")
        if [ -n "$next" ]; then at=$next; continue; fi
        [ "$(_wharf_argument "$at" "$count")" != @words ] || return 0
        count=$((count + 1)) ;;
    esac
  done
  case "$1" in
    -*) _wharf_print "$(_wharf_options "$at")" ;;
    *)
      [ "$count" -gt 0 ] || _wharf_print "$(_wharf_names "$at")"
      _wharf_print "$(_wharf_argument "$at" "$count")" ;;
  esac
}`;

/** Bash splits words at `=`, which is not a separate word here. */
const bash = String.raw`_wharf() {
  local current=${"$"}{COMP_WORDS[COMP_CWORD]} candidates word
  local -a typed=()
  [ "$current" != "=" ] || current=""
  for word in "${"$"}{COMP_WORDS[@]:1:COMP_CWORD}"; do
    [ "$word" = "=" ] || typed+=("$word")
  done
  [ "${"$"}{COMP_WORDS[COMP_CWORD]}" != "=" ] || typed+=("")
  candidates=$(_wharf_candidates "${"$"}{typed[@]}")
  if [ "$candidates" = @file ]; then
    compopt -o filenames 2> /dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")
  fi
}
complete -F _wharf wharf`;

const zsh = String.raw`_wharf() {
  local -a candidates
  candidates=("${"$"}{(@f)$(_wharf_candidates "${"$"}{(@)words[2,CURRENT]}")}")
  if [[ "${"$"}{candidates[1]}" == @file ]]; then
    _files
  else
    compadd -a candidates
  fi
}
if [ "${"$"}{funcstack[1]}" = _wharf ]; then
  _wharf "$@"
else
  compdef _wharf wharf
fi`;

const createFishScript = (program: string) => `function __wharf_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (sh -c ${program} wharf $words[2..-1])
  if test "$found" = @file
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $found
  end
end
complete -c wharf -f -a '(__wharf_complete)'`;

/** Single quotes in fish have two escapes. */
const toFishString = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

/** Creates a shell's completion script from the tree of commands. */
export function createScript(shell: Shell, program: Command): string {
  const functions = `${createTables(program)}\n${engine}`;
  if (shell === "bash") return `# source <(wharf completion bash)\n${functions}\n${bash}\n`;
  if (shell === "zsh") return `#compdef wharf\n# source <(wharf completion zsh)\n${functions}\n${zsh}\n`;
  return `# wharf completion fish | source\n${createFishScript(toFishString(`${functions}\n_wharf_candidates "$@"`))}\n`;
}
