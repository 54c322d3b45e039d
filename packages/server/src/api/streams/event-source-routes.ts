import { StreamCursor, streamsApi } from "@wharf/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { AccessWatch } from "../../access/index.ts";
import { registerRoute } from "../http/register-route.ts";
import { getLastingCredentials } from "../http/stream-credentials.ts";
import { createEventSourceChannel } from "./event-source.ts";
import type { Streams } from "./stream.ts";
import { createBadRequest } from "./subscriptions.ts";
import type { ViewerStream, ViewerStreams } from "./viewer-streams.ts";

export interface EventSourceOptions {
  readonly streams: ViewerStreams;
  readonly accessWatch: AccessWatch;
  readonly viewers: Pick<Streams, "openViewer">;
}

const eventSourceHeaders = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Proxies that collect answers would delay the events.
  "x-accel-buffering": "no",
};

/** Serves streams as server-sent events, for clients without WebSockets. */
export function serveEventSources(app: FastifyInstance, options: EventSourceOptions): void {
  const { streams } = options;
  registerRoute(app, streamsApi.followTask, async ({ scope, params, query }, reply) => {
    const after = readLastSeq(reply.request) ?? query.after;
    const stream = await streams.openTask(scope, { id: params.task_id, after, format: "envelope" });
    startStream(stream, reply, options);
  });
  registerRoute(app, streamsApi.followBoard, async ({ scope, params, query }, reply) => {
    const after = readLastPosition(reply.request, query.after);
    startStream(await streams.openBoard(scope, { id: params.board_id, after }), reply, options);
  });
  registerRoute(app, streamsApi.followEverything, async ({ scope, query }, reply) => {
    const after = readLastPosition(reply.request, query.after);
    startStream(await streams.openEverything(scope, after), reply, options);
  });
}

function startStream(stream: ViewerStream, reply: FastifyReply, { accessWatch, viewers }: EventSourceOptions): void {
  const { request, raw } = reply;
  // The client left meanwhile.
  if (raw.destroyed) return;
  const { scope, accessTime } = request;
  reply.hijack();
  for (const [name, value] of Object.entries({ ...reply.getHeaders(), ...eventSourceHeaders }))
    if (value !== undefined) raw.setHeader(name, value);
  raw.flushHeaders();
  stream.start(viewers.openViewer(createEventSourceChannel(raw)));
  const use = { ...stream.access, credentials: getLastingCredentials(request.raw, scope) };
  raw.once("close", accessWatch.add(use, { caller: scope, since: accessTime }));
}

const getLastEventId = ({ headers }: FastifyRequest): string | undefined => {
  const id = headers["last-event-id"];
  return id === undefined || id === "" ? undefined : String(id);
};

/** Reads the sequence in the id of the last event of a task, which also names the task. */
function readLastSeq(request: FastifyRequest): number | undefined {
  const id = getLastEventId(request);
  if (id === undefined) return undefined;
  const seq = /^(?:[0-9a-f-]{36}:)?(\d{1,15})$/.exec(id)?.[1];
  if (seq === undefined) throw createBadRequest("Last-Event-ID", "is not the id of an event of a task");
  return Number(seq);
}

function readLastPosition(request: FastifyRequest, after: string | undefined): number | undefined {
  const { success, data: cursor } = StreamCursor.optional().safeParse(getLastEventId(request) ?? after);
  if (!success) throw createBadRequest("Last-Event-ID", "is not the id of an event of a board");
  return cursor === undefined ? undefined : Number(cursor);
}
