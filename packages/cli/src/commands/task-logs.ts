import { api, EventKind, LogLevel, type LogLine } from "@wharf/contract";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { createIntegerSchema } from "../input/option-values.ts";
import { TimeOption } from "../input/time-option.ts";
import { Interrupts } from "../interrupts.ts";
import { formatLogLine } from "../render/log-line.ts";
import { LogView } from "../render/log-view.ts";
import { followToEnd } from "../tasks/follow-to-end.ts";
import { readLog } from "../tasks/tasks.ts";

export const LogOptions = z.object({
  follow: z.boolean().default(false),
  after: createIntegerSchema({ min: 0 }).default(0),
  level: LogLevel.optional(),
  since: TimeOption.optional(),
  until: TimeOption.optional(),
  kind: EventKind.optional(),
  run: z.string().min(1).max(100).optional(),
});
type LogOptions = z.infer<typeof LogOptions>;

export async function showLogs(cli: Cli, { args, options }: CommandLineInput<LogOptions>): Promise<void> {
  const { client, settings, terminal } = cli;
  if (options.level !== undefined) return showLines(cli, { taskId: args[0] ?? "", options });
  const { kind, until, run, follow } = options;
  const filters = Object.values({ kind, until, run }).filter((value) => value !== undefined);
  if (follow && filters.length > 0)
    throw createUsageError("--kind, --run and --until show what has happened; they cannot be used with --follow");
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  const task = await client.call(api.getTask, { params: { task_id: args[0] ?? "" } }, { signal });
  const after = Math.max(options.after, await findSeqBefore(cli, task.id, options.since));
  const view = new LogView({ style: terminal.style, detail: true });
  const onConnection = (state: "lost" | "back") =>
    terminal.err(state === "lost" ? "The server does not answer; waiting for it …\n" : "The server is back.\n");
  const events = options.follow
    ? followToEnd(client, { task, after, signal, onConnection })
    : readLog(client, task.id, { after, signal, kind, until, agent_id: await findRunId(cli, run) });
  for await (const event of events) terminal.out(settings.json ? toJsonLine(event) : view.show(event));
  if (!settings.json) terminal.out(view.endLine());
  signal.throwIfAborted();
}

async function findRunId({ client }: Cli, id: string | undefined): Promise<string | undefined> {
  return id === undefined ? undefined : (await client.call(api.getAgent, { params: { agent_id: id } })).id;
}

/** Returns the sequence before the first event of a time or later. */
async function findSeqBefore({ client }: Cli, taskId: string, since: string | undefined): Promise<number> {
  if (since === undefined) return 0;
  const { logs } = await client.call(api.taskLogs, { params: { task_id: taskId }, query: { since, limit: 1 } });
  const [first] = logs;
  if (first !== undefined) return first.seq - 1;
  const { last_seq } = await client.call(api.listTaskEvents, { params: { task_id: taskId }, query: { limit: 1 } });
  return last_seq;
}

/** Shows one line for each event of a level. */
async function showLines(cli: Cli, { taskId, options }: { taskId: string; options: LogOptions }): Promise<void> {
  const { follow, after, level, since } = options;
  if (options.kind !== undefined || options.run !== undefined || options.until !== undefined)
    throw createUsageError("--level cannot be used with --kind, --run and --until");
  if (follow) throw createUsageError("--level shows what has happened; it cannot be used with --follow");
  if (after > 0) throw createUsageError("--level cannot be used with --after; use --since");
  const readPage = (cursor: string | undefined) =>
    cli.client.call(api.taskLogs, { params: { task_id: taskId }, query: { level, since, cursor, limit: 1000 } });
  await printLogLines(cli, readPage);
}

/** Prints all pages of a log. */
export async function printLogLines(
  { settings, terminal }: Cli,
  readPage: (cursor: string | undefined) => Promise<{ logs: LogLine[]; next_cursor?: string | undefined }>,
): Promise<void> {
  for (let cursor: string | undefined; ;) {
    const page = await readPage(cursor);
    for (const line of page.logs) terminal.out(settings.json ? toJsonLine(line) : formatLogLine(line, terminal.style));
    cursor = page.next_cursor;
    if (cursor === undefined) return;
  }
}
