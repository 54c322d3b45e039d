import { api, StreamCursor } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { followBoards } from "../boards/board-stream.ts";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { Interrupts } from "../interrupts.ts";
import { formatBoardEvent } from "../render/board-event.ts";
import type { Client } from "../server/client.ts";
import { findBoard } from "../tasks/find-board.ts";

const WatchOptions = z.object({ after: StreamCursor.optional() });

/** Maximum number of titles that are kept; after that, the oldest is read again. */
const maxTitles = 1_000;

export function addWatch(program: Command, register: RegisterCommand): void {
  const command = program
    .command("watch")
    .summary("Follow what happens on boards")
    .description(
      "Follow what happens on a board, or on all boards that you see, until Ctrl-C. With --json each line is an event; its `id` continues from there with --after.",
    )
    .argument("[board]", "name of the board, its id, or the first 8 or more characters of the id")
    .option("--after <id>", "begin after this event, of the last 7 days (default: now)");
  register(addExamples(command, ["wharf watch", "wharf watch Website --json"]), WatchOptions, watchBoards);
}

async function watchBoards(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof WatchOptions>>,
): Promise<void> {
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  const [name] = args;
  const board = name === undefined ? undefined : await findBoard(client, name);
  const onConnection = (state: "lost" | "back") =>
    terminal.err(state === "lost" ? "The server does not answer; waiting for it …\n" : "The server is back.\n");
  const titles = new Map<string, string>();
  const followed = { locate: client.locate, boardId: board?.id, after: options.after, signal, onConnection };
  for await (const envelope of followBoards(followed)) {
    if (settings.json) {
      terminal.out(toJsonLine(envelope));
      continue;
    }
    const { task_id: taskId } = envelope.data;
    if (envelope.type === "task.updated") titles.delete(taskId);
    const title = titles.get(taskId) ?? (await readTitle(client, taskId));
    keepTitle(titles, taskId, title);
    terminal.out(formatBoardEvent(envelope, { title, style: terminal.style }));
  }
  signal.throwIfAborted();
}

/** Reads the title of a task; that of a deleted task is empty. */
const readTitle = (client: Client, taskId: string): Promise<string> =>
  client.call(api.getTask, { params: { task_id: taskId } }).then(
    ({ title }) => title,
    () => "",
  );

function keepTitle(titles: Map<string, string>, taskId: string, title: string): void {
  const [oldest] = titles.keys();
  if (titles.size >= maxTitles && oldest !== undefined) titles.delete(oldest);
  titles.set(taskId, title);
}
