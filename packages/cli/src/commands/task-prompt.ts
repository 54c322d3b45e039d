import { randomUUID } from "node:crypto";
import { api, TaskInput, type Turn } from "@wharf/contract";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine } from "../cli.ts";
import { readAttachments } from "../input/attachments.ts";
import { readPromptText } from "../input/prompt-text.ts";
import { InterruptedError, Interrupts } from "../interrupts.ts";
import { formatCount } from "../render/numbers.ts";
import { getLastSeq, getTurns, toShortId } from "../tasks/tasks.ts";
import { restartTimeoutMs } from "../turn/await-turn.ts";
import { getExitCode } from "../turn/outcome.ts";
import { watchTurn } from "../turn/show-turn.ts";
import { toSummaryJson, formatSummary } from "../turn/summary.ts";

export const PromptOptions = z.object({
  follow: z.boolean().default(false),
  agent: TaskInput.shape.agent_type,
  file: z.string().optional(),
  comments: z.boolean().default(false),
  attach: z.array(z.string()).default([]),
});

export async function promptTask(
  cli: Cli,
  { args, options }: CommandLineInput<z.infer<typeof PromptOptions>>,
): Promise<number> {
  const { client, settings, terminal } = cli;
  using interrupts = new Interrupts();
  const attachments = await readAttachments(options.attach, cli.folder);
  const text = await readPromptText(cli, { text: args[1], file: options.file });
  const task = await client.call(api.getTask, { params: { task_id: args[0] ?? "" } });
  const startSeq = await getLastSeq(client, task.id);
  const turnId = randomUUID();
  const agent = options.agent === undefined ? {} : { agent_type: options.agent };
  const files = attachments.length > 0 ? { attachments } : {};
  const content = options.comments ? { text, comments: true } : { text: text ?? task.description };
  const body = { ...content, turn_id: turnId, ...agent, ...files };
  const turn = await client.call(
    api.promptTask,
    { params: { task_id: task.id }, body },
    { retryTimeoutMs: restartTimeoutMs },
  );
  if (!options.follow) {
    if (settings.json) terminal.out(toJsonLine(turn));
    else
      terminal.out(
        `The turn is queued${await formatQueuePosition(cli, turn)}. Follow it with \`wharf task logs -f ${toShortId(task.id)} --after ${startSeq}\`.\n`,
      );
    return 0;
  }
  const { signal } = interrupts;
  const summary = await watchTurn(cli, { task, turnId: turn.id, after: startSeq, interrupts });
  const exitCode = signal.reason instanceof InterruptedError ? signal.reason.exitCode : getExitCode(summary.outcome);
  terminal.out(
    settings.json ? toJsonLine(toSummaryJson(summary, exitCode)) : `\n${formatSummary(summary, terminal.style)}`,
  );
  return exitCode;
}

/** Reports how many turns are ahead, or an empty string if the turn is next. */
async function formatQueuePosition({ client }: Cli, turn: Turn): Promise<string> {
  const turns = await getTurns(client, turn.task_id);
  const ahead = turns.filter(({ id, state }) => id !== turn.id && (state === "RUNNING" || state === "QUEUED")).length;
  return ahead === 0 ? "" : ` behind ${formatCount(ahead, "other")}`;
}
