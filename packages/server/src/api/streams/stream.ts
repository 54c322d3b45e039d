import type { Server } from "node:http";
import { sockets, StreamControl, streamControlNeed, WharfError } from "@wharf/contract";
import type { WebSocket } from "ws";
import { type AccessWatch, type Authenticator, type Caller, createScope } from "../../access/index.ts";
import { followTaskLog, type Log } from "../../events/index.ts";
import type { RunCommands } from "../../runs/index.ts";
import { parseJson } from "../../std/json.ts";
import type { Tasks } from "../../tasks/index.ts";
import type { Guard } from "../http/guard.ts";
import type { Peers } from "../http/peers.ts";
import { requireStorable } from "../http/validate-storable.ts";
import { handleMessages } from "./inbox.ts";
import { SendBudget } from "./send-budget.ts";
import type { FailureLogger } from "./stream-failure.ts";
import { createBadRequest, Subscriptions } from "./subscriptions.ts";
import { type PreparedStream, type StreamSender, type UpgradeOptions, Upgrades } from "./upgrades.ts";
import { Viewer, type ViewerLimits } from "./viewer.ts";

export interface StreamOptions {
  readonly audit: UpgradeOptions["audit"];
  readonly clientAddresses: UpgradeOptions["clientAddresses"];
  readonly guard: Guard;
  readonly authenticator: Authenticator;
  readonly accessWatch: AccessWatch;
  readonly logger: FailureLogger;
  readonly log: Log;
  readonly tasks: Pick<Tasks, "find" | "findMany">;
  readonly commands: Pick<RunCommands, "pause" | "resume">;
  /**
   * Finds streams that other modules serve; resolves with undefined if the URL does not belong to
   * them either.
   */
  readonly more: (url: URL, sender: StreamSender) => Promise<PreparedStream | undefined>;
  readonly peers?: Peers | undefined;
  readonly limits?: ViewerLimits & { readonly maxTasks?: number };
}

const taskStream = new RegExp(`^${sockets.taskStream.path.replace(":task_id", "([^/]+)")}$`);

/**
 * Live logs over WebSocket: each message is one event, in the order of the log; `after` resumes
 * where a reader stopped.
 */
export class Streams {
  readonly #options: StreamOptions;
  readonly #upgrades: Upgrades;
  readonly #budget = new SendBudget();

  constructor(server: Server, options: StreamOptions) {
    this.#options = options;
    const { audit, clientAddresses, guard, authenticator, accessWatch, logger, peers, limits } = options;
    const findStream = (url: URL, sender: StreamSender) => this.#findStream(url, sender);
    this.#upgrades = new Upgrades(server, {
      audit,
      clientAddresses,
      guard,
      authenticator,
      accessWatch,
      logger,
      route: findStream,
      peers,
      closeTimeoutMs: limits?.closeTimeoutMs,
    });
  }

  close(): Promise<void> {
    return this.#upgrades.close();
  }

  async #findStream(url: URL, sender: StreamSender): Promise<PreparedStream> {
    const { caller } = sender;
    const taskId = taskStream.exec(url.pathname)?.[1];
    if (taskId) {
      const scope = createScope(caller, sockets.taskStream.needs);
      const task = await this.#options.tasks.find(scope, parseId(taskId));
      const startSeq = Number(url.searchParams.get("after") ?? 0);
      if (!Number.isSafeInteger(startSeq) || startSeq < 0) throw createBadRequest("after", "a sequence number");
      return this.#createTaskStream({ task_id: task.id, after: startSeq, caller });
    }
    if (url.pathname === sockets.globalStream.path) {
      return this.#createGlobalStream(caller);
    }
    const otherStream = await this.#options.more(url, sender);
    if (otherStream) return otherStream;
    throw new WharfError("route_not_found", { method: "GET", path: url.pathname });
  }

  #createTaskStream({
    task_id,
    after: startSeq,
    caller: firstCaller,
  }: {
    readonly task_id: string;
    readonly after: number;
    readonly caller: Caller;
  }): PreparedStream {
    const { needs } = sockets.taskStream;
    let caller = firstCaller;
    let viewer: Viewer | undefined;
    return {
      start: (ws) => {
        const opened = (viewer = this.#openViewer(ws));
        handleMessages(ws, opened, (text) => this.#handleControl(opened, text, { task_id, caller }));
        void this.#sendLog(opened, task_id, startSeq);
      },
      access: {
        subject: `task ${task_id}`,
        check: async (present) => this.#options.tasks.find(createScope(present, needs), task_id),
        onChecked: (present) => void (caller = present),
        onWithdrawn: (error) => viewer?.fail(error),
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  #createGlobalStream(caller: Caller): PreparedStream {
    const { log, tasks, limits } = this.#options;
    const { needs } = sockets.globalStream;
    const options = { log, tasks, scope: createScope(caller, needs), maxTasks: limits?.maxTasks };
    let viewer: Viewer | undefined;
    let subscriptions: Subscriptions | undefined;
    return {
      start: (ws) => {
        viewer = this.#openViewer(ws);
        const opened = (subscriptions = new Subscriptions(viewer, options));
        handleMessages(ws, viewer, (text) => opened.handle(text));
      },
      access: {
        subject: "tasks",
        check: async (present) => createScope(present, needs),
        onChecked: (present) => subscriptions?.setScope(createScope(present, needs)),
        onWithdrawn: (error) => viewer?.fail(error),
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  #openViewer(ws: WebSocket): Viewer {
    const { logger, limits } = this.#options;
    return new Viewer(ws, { logger, limits, budget: this.#budget });
  }

  async #sendLog(viewer: Viewer, taskId: string, startSeq: number): Promise<void> {
    try {
      for await (const events of followTaskLog(this.#options.log, taskId, { after: startSeq, signal: viewer.signal }))
        await viewer.sendEvents(events);
    } catch (thrown) {
      viewer.fail(thrown);
    }
  }

  /**
   * Handles a control message of a task's viewer: pause or resume the agent. The log shows the
   * outcome.
   */
  async #handleControl(
    viewer: Viewer,
    text: string,
    { task_id, caller }: { task_id: string; caller: Caller },
  ): Promise<void> {
    try {
      const message = StreamControl.safeParse(parseJson(text));
      if (!message.success) throw createBadRequest("", 'send {"type":"control","action":"pause"} or "resume"');
      const task = await this.#options.tasks.find(createScope(caller, streamControlNeed), task_id);
      await this.#options.commands[message.data.action](task.id, { by: caller.user_id });
    } catch (thrown) {
      await viewer.sendFailure(thrown);
    }
  }
}

/** Parses an id in a URL, and refuses text that cannot be used in a query. */
function parseId(text: string): string {
  let id: string;
  try {
    id = decodeURIComponent(text);
  } catch (cause) {
    throw new WharfError("bad_request", { issues: [{ path: "task_id", message: "is not valid" }] }, { cause });
  }
  requireStorable(id, ["task_id"]);
  return id;
}
