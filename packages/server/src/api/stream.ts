import type { Server } from "node:http";
import {
  type Event,
  globalStreamPath,
  StreamControl,
  Subscribe,
  taskStreamPath,
  toWharfError,
  WharfError,
} from "@wharf/contract";
import type { RawData, WebSocket } from "ws";
import type { Principal } from "../access/index.ts";
import { follow, type Log } from "../events/index.ts";
import type { RunCommands } from "../runs/index.ts";
import type { Tasks } from "../tasks/index.ts";
import type { Guard } from "./guard.ts";
import type { FailureLogger } from "./stream-failure.ts";
import { requireStorable } from "./text.ts";
import { type PreparedStream, Upgrades } from "./upgrades.ts";

export interface StreamOptions {
  readonly guard: Guard;
  readonly logger: FailureLogger;
  readonly log: Log;
  readonly tasks: Tasks;
  readonly commands: Pick<RunCommands, "pause" | "resume">;
  /** Streams that are others' to serve; nothing where the address is not theirs either. */
  readonly more: (url: URL, principal: Principal) => Promise<PreparedStream | undefined>;
  readonly limits?: { readonly closeTimeoutMs?: number };
}

/** A viewer that has this much unsent is not given more until it has read; the log waits for it, nobody else does. */
const maxUnsent = 1 << 20; // bytes
const pingEvery = 15_000; // ms

const taskStream = new RegExp(`^${taskStreamPath.replace(":task_id", "([^/]+)")}$`);

/** Live logs over WebSocket: each message is one event, in the order of the log; `after` resumes where a reader stopped. */
export class Streams {
  readonly #options: StreamOptions;
  readonly #upgrades: Upgrades;

  constructor(server: Server, options: StreamOptions) {
    this.#options = options;
    const { guard, logger, limits } = options;
    const route = (url: URL, principal: Principal) => this.#route(url, principal);
    this.#upgrades = new Upgrades(server, { guard, logger, route, closeTimeoutMs: limits?.closeTimeoutMs });
  }

  close(): Promise<void> {
    return this.#upgrades.close();
  }

  async #route(url: URL, principal: Principal): Promise<PreparedStream> {
    const taskId = taskStream.exec(url.pathname)?.[1];
    if (taskId) {
      const task = await this.#options.tasks.find(principal.user_id, parseId(taskId));
      const after = Number(url.searchParams.get("after") ?? 0);
      if (!Number.isSafeInteger(after) || after < 0)
        throw new WharfError("bad_request", { issues: [{ path: "after", message: "a sequence number" }] });
      return holdNothing((ws) => {
        ws.on("message", (data) => void this.#control(ws, textOf(data), { task_id: task.id, by: principal.user_id }));
        void this.#send(ws, this.#alive(ws), { task_id: task.id, after });
      });
    }
    if (url.pathname === globalStreamPath) return holdNothing((ws) => this.#serveGlobal(ws, principal));
    const more = await this.#options.more(url, principal);
    if (more) return more;
    throw new WharfError("not_found", { what: "stream", id: url.pathname });
  }

  /** Aborted when the socket closes; a viewer that stops answering pings is closed. */
  #alive(ws: WebSocket): AbortSignal {
    const gone = new AbortController();
    let answered = true;
    ws.on("pong", () => (answered = true));
    const timer = setInterval(() => {
      if (!answered) return ws.terminate();
      answered = false;
      ws.ping();
    }, pingEvery);
    ws.on("error", () => ws.terminate());
    ws.on("close", () => {
      clearInterval(timer);
      gone.abort();
    });
    return gone.signal;
  }

  async #send(ws: WebSocket, signal: AbortSignal, from: { task_id: string; after: number }): Promise<void> {
    try {
      for await (const events of follow(this.#options.log, from.task_id, { after: from.after, signal })) {
        for (const event of events) await deliver(ws, event);
      }
    } catch (thrown) {
      if (!signal.aborted) ws.close(1011, toWharfError(thrown, "websocket").code);
    }
  }

  #serveGlobal(ws: WebSocket, principal: Principal): void {
    const signal = this.#alive(ws);
    const followed = new Set<string>();
    ws.on("message", (data) => {
      void this.#subscribe(textOf(data), principal, followed)
        .then((froms) => froms.forEach((from) => void this.#send(ws, signal, from)))
        .catch((thrown: unknown) => sendFailure(ws, thrown));
    });
  }

  /** What a viewer of a task sends: the agent shall stand still, or go on. The log tells what comes of it. */
  async #control(ws: WebSocket, text: string, { task_id, by }: { task_id: string; by: string }): Promise<void> {
    try {
      const message = StreamControl.safeParse(parseJson(text));
      if (!message.success)
        throw new WharfError("bad_request", {
          issues: [{ path: "", message: 'send {"type":"control","action":"pause"} or "resume"' }],
        });
      await this.#options.commands[message.data.action](task_id, { by });
    } catch (thrown) {
      sendFailure(ws, thrown);
    }
  }

  async #subscribe(
    text: string,
    principal: Principal,
    followed: Set<string>,
  ): Promise<{ task_id: string; after: number }[]> {
    const message = Subscribe.safeParse(parseJson(text));
    if (!message.success)
      throw new WharfError("bad_request", {
        issues: [{ path: "", message: 'send {"action":"subscribe","task_ids":[…],"after":{…}}' }],
      });
    const froms = [];
    for (const id of message.data.task_ids) {
      const task = await this.#options.tasks.find(principal.user_id, id);
      if (followed.has(task.id)) continue;
      followed.add(task.id);
      froms.push({ task_id: task.id, after: message.data.after[id] ?? task.last_seq });
    }
    return froms;
  }
}

const holdNothing = (start: (ws: WebSocket) => void): PreparedStream => ({
  start,
  [Symbol.asyncDispose]: async () => {},
});

/** An id in an address, or text that no database is asked about. */
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

const sendFailure = (ws: WebSocket, thrown: unknown): void =>
  ws.send(
    JSON.stringify({ type: "error", data: { kind: "failure", ...toWharfError(thrown, "websocket").toProblem() } }),
  );

const textOf = (data: RawData): string =>
  (Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)).toString();

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Hands an event to the socket and waits while too much of it is unsent. */
async function deliver(ws: WebSocket, event: Event): Promise<void> {
  const sent = Promise.withResolvers<void>();
  ws.send(JSON.stringify(event), () => sent.resolve());
  if (ws.bufferedAmount > maxUnsent) await sent.promise;
}
