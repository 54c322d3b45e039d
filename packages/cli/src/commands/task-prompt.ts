import { randomUUID } from "node:crypto";
import { api, TaskInput, type Turn } from "@wharf/contract";
import { z } from "zod";
import { type Cli, type Input, jsonLine } from "../cli.ts";
import { readAttachments } from "../attachments.ts";
import { Interrupted, Interrupts } from "../interrupts.ts";
import { readText } from "../prompt-text.ts";
import { plural } from "../render/numbers.ts";
import { lastSeq, readTurns, shortId } from "../tasks.ts";
import { restartPatience } from "../turn/follow-turn.ts";
import { exitCodeOf } from "../turn/outcome.ts";
import { summaryJson, summaryText } from "../turn/summary.ts";
import { watchTurn } from "../turn/watch-turn.ts";

export const PromptOptions = z.object({
  follow: z.boolean().default(false),
  agent: TaskInput.shape.agent_type,
  file: z.string().optional(),
  attach: z.array(z.string()).default([]),
});

export async function promptTask(cli: Cli, { args, options }: Input<z.infer<typeof PromptOptions>>): Promise<number> {
  const { client, settings, terminal } = cli;
  using interrupts = new Interrupts();
  const attachments = await readAttachments(options.attach, cli.folder);
  const text = await readText(cli, { text: args[1], file: options.file });
  const task = await client.call(api.getTask, { params: { task_id: args[0] ?? "" } });
  const after = await lastSeq(client, task.id);
  const turn_id = randomUUID();
  const agent = options.agent === undefined ? {} : { agent_type: options.agent };
  const files = attachments.length > 0 ? { attachments } : {};
  const body = { text: text ?? task.description, turn_id, ...agent, ...files };
  const turn = await client.call(api.promptTask, { params: { task_id: task.id }, body }, { patience: restartPatience });
  if (!options.follow) {
    if (settings.json) terminal.out(jsonLine(turn));
    else
      terminal.out(
        `The turn is queued${await placeOf(cli, turn)}. Follow it with \`wharf task logs -f ${shortId(task.id)} --after ${after}\`.\n`,
      );
    return 0;
  }
  const { signal } = interrupts;
  const summary = await watchTurn(cli, { task, turnId: turn.id, after, interrupts });
  const exitCode = signal.reason instanceof Interrupted ? signal.reason.exitCode : exitCodeOf(summary.outcome);
  terminal.out(settings.json ? jsonLine(summaryJson(summary, exitCode)) : `\n${summaryText(summary, terminal.style)}`);
  return exitCode;
}

/** Behind how many others it waits; nothing where it is next. */
async function placeOf({ client }: Cli, turn: Turn): Promise<string> {
  const turns = await readTurns(client, turn.task_id);
  const ahead = turns.filter(({ id, state }) => id !== turn.id && (state === "RUNNING" || state === "QUEUED")).length;
  return ahead === 0 ? "" : ` behind ${plural(ahead, "other")}`;
}
