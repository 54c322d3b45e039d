import { api, type AuditEntry, AuditFilter, AuditResult, WharfError } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { readAnchor, writeAnchor } from "../audit/anchor-file.ts";
import { verifyExport, verifyLog } from "../audit/verify.ts";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples } from "../help/examples.ts";
import { createChoiceOption, createIntegerSchema } from "../input/option-values.ts";
import { TimeOption } from "../input/time-option.ts";
import { Interrupts } from "../interrupts.ts";
import { formatCount } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable, maxCellLength } from "../render/table.ts";
import { flushOutput } from "../runner/output.ts";
import { readPieces, requestStream } from "../runner/request.ts";

const filters = {
  actor: AuditFilter.shape.actor,
  action: AuditFilter.shape.action,
  target: AuditFilter.shape.target,
  result: AuditResult.optional(),
  from: TimeOption.optional(),
  to: TimeOption.optional(),
};
const ListOptions = z.object({ ...filters, limit: createIntegerSchema({ min: 1, max: 1000 }) });
const ExportOptions = z.object({ ...filters, csv: z.boolean().default(false) });
const VerifyOptions = z.object({ anchor: z.string().optional(), file: z.string().optional() });
const PruneOptions = z.object({ before: TimeOption });

export function addAudit(program: Command, register: RegisterCommand): void {
  const group = program
    .command("audit")
    .summary("Show who did what, and check that the record was not changed")
    .description("The audit log: who did what, when, from where and with which result. Its entries cannot be changed.");
  addExamples(group, ["wharf audit ls", "wharf audit verify"]);
  const ls = addFilters(group.command("ls"))
    .option("-l, --limit <n>", "maximum number of entries", "50")
    .description("List the newest entries of the audit log");
  register(
    addExamples(ls, ["wharf audit ls", "wharf audit ls --actor ada --from 2026-01-01"]),
    ListOptions,
    listEntries,
  );
  const exporting = addFilters(group.command("export"))
    .option("--csv", "print CSV for spreadsheets")
    .summary("Print all entries, the oldest first")
    .description("Print the entries of the audit log, the oldest first: as lines of JSON, or as CSV.");
  const exportLines = ["wharf audit export --from 2026-01-01", "wharf audit export --csv --result denied"];
  register(addExamples(exporting, exportLines), ExportOptions, exportEntries);
  const verify = group
    .command("verify")
    .option("--anchor <file>", "compare with the end of the log that this file keeps, and keep the new end")
    .option("--file <path>", "check a full export instead of the server's log")
    .summary("Check that no entry was changed, removed or added")
    .description(
      "Compute the hashes of the audit log again, and name the first entry that does not fit. An anchor also shows whether the whole log was written again: keep it out of reach of people who can change the database.",
    );
  const verifyLines = ["wharf audit verify", "wharf audit verify --anchor /mnt/usb/wharf.anchor"];
  register(addExamples(verify, verifyLines), VerifyOptions, verifyEntries);
  const prune = group
    .command("prune")
    .option("--before <time>", "remove entries before this day or time (UTC)")
    .summary("Remove old entries")
    .description("Remove the entries before a time. The log records this, and stays verifiable from there on.");
  register(addExamples(prune, ["wharf audit prune --before 2025-01-01"]), PruneOptions, pruneEntries);
}

const addFilters = (command: Command): Command =>
  command
    .option("--actor <actor>", "only acts of this user, by name or id, or of this token or run, by id")
    .option("--action <name>", "only this act, such as createTask")
    .option("--target <id>", "only acts on this task, runner or other thing")
    .addOption(createChoiceOption("--result <result>", "only acts with this result", AuditResult.options))
    .option("--from <time>", "entries of this day or time and later (UTC)")
    .option("--to <time>", "entries before this day or time (UTC)");

async function listEntries(
  { client, settings, terminal, look }: Cli,
  { options }: CommandLineInput<z.infer<typeof ListOptions>>,
): Promise<void> {
  const answer = await client.call(api.listAuditEntries, { query: options });
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.entries.length === 0) return terminal.out("No entries.\n");
  const header = ["ENTRY", "TIME", "ACTOR", "ACTION", "TARGET", "RESULT", "FROM", "DETAILS"];
  terminal.out(formatTable(header, answer.entries.map(toCells), look));
}

const toCells = ({ actor, target, details = {}, ...entry }: AuditEntry): string[] =>
  [
    String(entry.sequence),
    entry.at,
    [actor.kind, actor.name ?? actor.id?.slice(0, 8)].filter((part) => part !== undefined).join(" "),
    entry.action,
    target ? [target.kind, target.name ?? target.id?.slice(0, 8)].filter((part) => part !== undefined).join(" ") : "",
    entry.error === undefined ? entry.result : `${entry.result}: ${entry.error}`,
    entry.address ?? "",
    Object.entries(details)
      .map(([name, value]) => `${name}=${value}`)
      .join(" "),
  ].map((cell) => toSingleLine(cell, maxCellLength));

async function exportEntries(
  { client, terminal }: Cli,
  { options: { csv, ...query } }: CommandLineInput<z.infer<typeof ExportOptions>>,
): Promise<void> {
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  const answer = await requestStream(client.locate, csv ? api.exportAuditCsv : api.exportAudit, { query }, { signal });
  const decoder = new TextDecoder();
  for await (const piece of readPieces(answer, signal)) {
    terminal.out(decoder.decode(piece, { stream: true }));
    await flushOutput();
  }
}

async function verifyEntries(cli: Cli, { options }: CommandLineInput<z.infer<typeof VerifyOptions>>): Promise<void> {
  const { client, settings, terminal, folder } = cli;
  if (options.file !== undefined && options.anchor !== undefined)
    throw createUsageError("give --anchor or --file, not both");
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  const anchor = options.anchor === undefined ? undefined : await readAnchor(folder, options.anchor);
  const outcome =
    options.file === undefined
      ? await verifyLog(client, { anchor, signal, onProgress: createProgress(cli) })
      : await verifyExport(folder, options.file);
  if (settings.json) terminal.out(toJsonLine(outcome));
  const { fault, checked, start, end } = outcome;
  if (fault) throw new WharfError("audit_damaged", { sequence: fault.sequence, reason: fault.message });
  if (options.anchor !== undefined) await writeAnchor(folder, options.anchor, end);
  if (settings.json) return;
  const range = start.sequence === 0 ? "" : `, from ${start.sequence + 1} on`;
  terminal.out(
    `The audit log is intact: ${formatCount(checked, "entry", "entries")}${range}. Its end is ${end.sequence} ${end.hash}.\n`,
  );
  if (options.anchor !== undefined) terminal.out(describeAnchor(outcome.anchor));
}

function describeAnchor(outcome: "matches" | "differs" | "pruned" | undefined): string {
  if (outcome === "matches") return "The anchor matches, and is the new end now.\n";
  if (outcome === "pruned") return "The anchor's entry was pruned since. The anchor is the new end now.\n";
  return "The anchor is the end of the log now.\n";
}

function createProgress({ settings, terminal }: Cli): (checked: number, end: number) => void {
  let shownAt = 0;
  return (checked, end) => {
    if (settings.json || !terminal.isTty || checked - shownAt < 100_000) return;
    shownAt = checked;
    terminal.err(`${checked} of ${end} entries\n`);
  };
}

async function pruneEntries(
  { client, settings, terminal }: Cli,
  { options }: CommandLineInput<z.infer<typeof PruneOptions>>,
): Promise<void> {
  const answer = await client.call(api.pruneAudit, { query: options }, { timeoutMs: 600_000 });
  if (settings.json) return terminal.out(toJsonLine(answer));
  terminal.out(
    `Removed ${formatCount(answer.removed, "entry", "entries")}. The log begins with entry ${answer.start.sequence + 1}.\n`,
  );
}
