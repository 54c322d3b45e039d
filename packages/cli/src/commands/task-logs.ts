import { api } from "@wharf/contract";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine } from "../cli.ts";
import { createIntegerSchema } from "../input/option-values.ts";
import { Interrupts } from "../interrupts.ts";
import { LogView } from "../render/log-view.ts";
import { followToEnd } from "../tasks/follow-to-end.ts";
import { readLog } from "../tasks/tasks.ts";

export const LogOptions = z.object({
  follow: z.boolean().default(false),
  after: createIntegerSchema({ min: 0 }).default(0),
});

export async function showLogs(
  cli: Cli,
  { args, options }: CommandLineInput<z.infer<typeof LogOptions>>,
): Promise<void> {
  const { client, settings, terminal } = cli;
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  const task = await client.call(api.getTask, { params: { task_id: args[0] ?? "" } }, { signal });
  const view = new LogView({ style: terminal.style, detail: true });
  const onConnection = (state: "lost" | "back") =>
    terminal.err(state === "lost" ? "The server does not answer; waiting for it …\n" : "The server is back.\n");
  const events = options.follow
    ? followToEnd(client, { task, after: options.after, signal, onConnection })
    : readLog(client, task.id, { after: options.after, signal });
  for await (const event of events) terminal.out(settings.json ? toJsonLine(event) : view.show(event));
  if (!settings.json) terminal.out(view.endLine());
  signal.throwIfAborted();
}
