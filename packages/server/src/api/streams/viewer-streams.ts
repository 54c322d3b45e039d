import {
  sockets,
  StreamControl,
  streamControlNeed,
  type StreamFormat,
  StreamHeartbeat,
  toLogEnvelope,
} from "@wharf/contract";
import { z } from "zod";
import { type AccessUse, type Caller, createScope } from "../../access/index.ts";
import { followTaskLog, type Log } from "../../events/index.ts";
import type { RunCommands } from "../../runs/index.ts";
import { parseJson } from "../../std/json.ts";
import type { Boards, Tasks } from "../../tasks/index.ts";
import { sendBoardEvents } from "./board-events.ts";
import { GlobalStream } from "./global-stream.ts";
import { createBadRequest } from "./subscriptions.ts";
import type { Viewer } from "./viewer.ts";
import { VisibleBoards } from "./visible-boards.ts";

export interface ViewerStreamOptions {
  readonly log: Log;
  readonly tasks: Pick<Tasks, "find" | "findMany">;
  readonly boards: Pick<Boards, "get" | "findVisible">;
  readonly commands: Pick<RunCommands, "pause" | "resume">;
  readonly maxTasks?: number | undefined;
}

/** A stream that is ready for its viewer, whichever connection the viewer has. */
export interface ViewerStream {
  /** How the stream learns of changes of its viewer's access. */
  readonly access: Omit<AccessUse, "credentials">;
  start(viewer: Viewer): void;
  /** Handles a message of the viewer, if its connection can send any. */
  handle(text: string): Promise<void>;
}

const { needs } = sockets.taskStream;
const TaskMessage = z.union([StreamControl, StreamHeartbeat]);

/** Prepares the streams of a task, a board, everything, and what the viewer names. */
export class ViewerStreams {
  readonly #options: ViewerStreamOptions;

  constructor(options: ViewerStreamOptions) {
    this.#options = options;
  }

  async openTask(
    firstCaller: Caller,
    { id, after, format }: { readonly id: string; readonly after: number; readonly format: StreamFormat },
  ): Promise<ViewerStream> {
    const { tasks, log } = this.#options;
    const { id: taskId } = await tasks.find(createScope(firstCaller, needs), id);
    let caller = firstCaller;
    return createStream({
      subject: `task ${taskId}`,
      check: (present) => tasks.find(createScope(present, needs), taskId),
      onChecked: (present) => void (caller = present),
      async send(viewer) {
        for await (const events of followTaskLog(log, taskId, { after, signal: viewer.signal }))
          await viewer.send(format === "envelope" ? events.map(toLogEnvelope) : events);
      },
      handle: (viewer, text) => this.#handleTaskMessage(viewer, text, { task_id: taskId, caller }),
    });
  }

  async openBoard(
    caller: Caller,
    { id, after: cursor }: { readonly id: string; readonly after: number | undefined },
  ): Promise<ViewerStream> {
    const { boards, log } = this.#options;
    const board = await boards.get(createScope(caller, needs), id);
    const after = await log.published.findStart(cursor);
    const filter = { organization_id: board.organization_id, board_id: board.id };
    return createStream({
      subject: `board ${board.id}`,
      check: (present) => boards.get(createScope(present, needs), board.id),
      async send(viewer) {
        await viewer.send([{ type: "subscribed", cursor: String(after) }]);
        await sendBoardEvents(viewer, { log, after, filter, signal: viewer.signal });
      },
      handle: handleHeartbeat,
    });
  }

  async openEverything(caller: Caller, cursor: number | undefined): Promise<ViewerStream> {
    const { boards, log } = this.#options;
    const scope = createScope(caller, needs);
    const after = await log.published.findStart(cursor);
    const visibleBoards = new VisibleBoards(boards, scope);
    const filter = { organization_id: scope.organization_id };
    return createStream({
      subject: "everything",
      check: async (present) => createScope(present, needs),
      onChecked: (present) => visibleBoards.setScope(createScope(present, needs)),
      async send(viewer) {
        await viewer.send([{ type: "subscribed", cursor: String(after) }]);
        await sendBoardEvents(viewer, { log, after, filter, signal: viewer.signal, visibleBoards });
      },
      handle: handleHeartbeat,
    });
  }

  openGlobal(caller: Caller, format: StreamFormat): ViewerStream {
    const options = { ...this.#options, scope: createScope(caller, needs), format };
    let opened: GlobalStream | undefined;
    return createStream({
      subject: "tasks",
      check: async (present) => createScope(present, needs),
      onChecked: (present) => opened?.setScope(createScope(present, needs)),
      async send(viewer) {
        opened = new GlobalStream(viewer, options);
      },
      handle: async (_viewer, text) => opened?.handle(text),
    });
  }

  /** Pauses or resumes the agent. The log shows the outcome. */
  async #handleTaskMessage(
    viewer: Viewer,
    text: string,
    { task_id, caller }: { task_id: string; caller: Caller },
  ): Promise<void> {
    try {
      const { data: message } = TaskMessage.safeParse(parseJson(text));
      if (!message) throw createBadRequest("", 'send {"type":"control","action":"pause"} or "resume"');
      if (message.type === "heartbeat") return await viewer.sendHeartbeat();
      const task = await this.#options.tasks.find(createScope(caller, streamControlNeed), task_id);
      await this.#options.commands[message.action](task.id, { by: caller.user_id });
    } catch (thrown) {
      await viewer.sendFailure(thrown);
    }
  }
}

interface StreamParts extends Pick<AccessUse, "subject" | "onChecked" | "check"> {
  /** Sends to the viewer until it leaves. */
  readonly send: (viewer: Viewer) => Promise<void>;
  readonly handle: (viewer: Viewer, text: string) => Promise<void>;
}

function createStream({ send, handle, ...access }: StreamParts): ViewerStream {
  let viewer: Viewer | undefined;
  return {
    access: { ...access, onWithdrawn: (error) => viewer?.fail(error) },
    start(opened) {
      viewer = opened;
      send(opened).catch((thrown: unknown) => opened.fail(thrown));
    },
    handle: async (text) => viewer && handle(viewer, text),
  };
}

async function handleHeartbeat(viewer: Viewer, text: string): Promise<void> {
  if (StreamHeartbeat.safeParse(parseJson(text)).success) await viewer.sendHeartbeat();
  else await viewer.sendFailure(createBadRequest("", 'the only message here is {"type":"heartbeat"}'));
}
