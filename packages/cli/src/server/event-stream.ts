import { Event, EventType, taskStreamPath, getEndpointUrl } from "@wharf/contract";
import type { RawData, WebSocket } from "ws";
import { z } from "zod";
import { toServerError, createUnreachableError } from "./client.ts";
import { readWithReconnects, type ReconnectOptions, silenceTimeoutMs } from "./reconnect.ts";
import { type LocateServer, getServerName } from "./server-address.ts";
import { waitForOpen } from "./socket-opening.ts";
import { createWebSocket } from "./transport.ts";

export interface FollowOptions extends ReconnectOptions {
  readonly locate: LocateServer;
  readonly taskId: string;
  /** Events up to this sequence are known already. */
  readonly after: number;
}

/** A reader with this many queued events stops reading from the socket. */
const maxQueuedEvents = 1_000;

/** Yields a task's log from a cursor and then live, every event once and in order. */
export async function* follow(options: FollowOptions): AsyncGenerator<Event, void, undefined> {
  let cursor = options.after;
  const connect = async () => readEvents(await openEventSocket(options, cursor), options.signal);
  for await (const event of readWithReconnects(connect, options)) {
    if (event.seq <= cursor) continue;
    cursor = event.seq;
    yield event;
  }
}

/** Events of unknown kinds keep all their fields, as reports. */
const LooseEvent = z.object({
  seq: z.number().int().positive(),
  type: EventType,
  timestamp: z.string(),
  agent_id: z.string().optional(),
  task_id: z.string(),
  data: z.looseObject({}).transform((data) => ({ ...data, kind: "report" as const })),
});

function parseEvent(text: string): Event | undefined {
  const value = parseJson(text);
  const event = Event.safeParse(value);
  if (event.success) return event.data;
  const loose = LooseEvent.safeParse(value);
  if (!loose.success) return undefined;
  const { agent_id, ...rest } = loose.data;
  return agent_id === undefined ? rest : { ...rest, agent_id };
}

async function openEventSocket(options: FollowOptions, cursor: number): Promise<WebSocket> {
  const address = await options.locate();
  options.signal.throwIfAborted();
  const path = getEndpointUrl(
    { method: "GET", path: taskStreamPath, summary: "", response: "stream" },
    { params: { task_id: options.taskId }, query: { after: cursor } },
  );
  const socket = createWebSocket(address, path, { handshakeTimeout: 10_000 });
  const abort = () => socket.terminate();
  options.signal.addEventListener("abort", abort, { once: true });
  try {
    await waitForOpen(socket, address, (status, text) =>
      status >= 500
        ? createUnreachableError(getServerName(address), `it answers with HTTP status ${status}`)
        : toServerError(getServerName(address), status, text),
    );
    return socket;
  } finally {
    options.signal.removeEventListener("abort", abort);
  }
}

/** Yields the events of one connection until it ends, for any reason. */
async function* readEvents(socket: WebSocket, signal: AbortSignal): AsyncGenerator<Event, void, undefined> {
  const queue: Event[] = [];
  let open = true;
  let wake: (() => void) | undefined;
  let lastReceivedAt = performance.now();
  const markReceived = () => (lastReceivedAt = performance.now());
  const silenceTimer = setInterval(() => {
    if (!socket.isPaused && performance.now() - lastReceivedAt > silenceTimeoutMs) socket.terminate();
  }, silenceTimeoutMs / 4);
  const stop = () => {
    open = false;
    wake?.();
  };
  const onMessage = (data: RawData) => {
    markReceived();
    const event = Buffer.isBuffer(data) ? parseEvent(data.toString()) : undefined;
    if (event !== undefined) queue.push(event);
    if (queue.length >= maxQueuedEvents) socket.pause();
    wake?.();
  };
  socket.on("ping", markReceived);
  socket.on("message", onMessage);
  socket.on("close", stop);
  signal.addEventListener("abort", stop);
  socket.resume();
  try {
    for (;;) {
      const event = signal.aborted ? undefined : queue.shift();
      if (event !== undefined) {
        yield event;
        continue;
      }
      if (!open || signal.aborted) return;
      if (socket.isPaused) {
        markReceived();
        socket.resume();
      }
      await new Promise<void>((resolve) => (wake = resolve));
      wake = undefined;
    }
  } finally {
    clearInterval(silenceTimer);
    signal.removeEventListener("abort", stop);
    socket.terminate();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
