import { Readable } from "node:stream";
import { WharfError } from "@wharf/contract";
import { readNdjsonLines } from "@wharf/contract/wire";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { waitAtMost } from "../../std/wait-at-most.ts";

/** Proxies close connections on which nothing arrives for longer. */
const keepAliveIntervalMs = 30_000;
/** A comment, which clients ignore. */
const keepAlive = ":\n\n";
const maxLineBytes = 16 << 20;

/** Proxies that collect answers would delay the events. */
export const eventHeaders = { "cache-control": "no-store", "x-accel-buffering": "no" } as const;

/** Whether a client prefers server-sent events to lines of JSON. */
export const acceptsEvents = ({ headers }: Pick<FastifyRequest, "headers">): boolean =>
  /\btext\/event-stream\b/i.test(headers.accept ?? "");

/** Reads where a client continues. Browsers send the id of their last event themselves. */
export function getEventOffset({ headers }: Pick<FastifyRequest, "headers">): { readonly after?: number } {
  const id = headers["last-event-id"];
  if (id === undefined || id === "") return {};
  if (!/^\d{1,15}$/.test(String(id))) {
    const message = "is not the id of an event of this stream";
    throw new WharfError("bad_request", { issues: [{ path: "Last-Event-ID", message }] });
  }
  return { after: Number(id) };
}

const Offset = z.int().min(0);
/** Lines with an offset at which a reader continues after them. */
const Position = z.union([
  z.object({ next: Offset }).transform(({ next }) => next),
  z.object({ type: z.literal("gap"), to: Offset }).transform(({ to }) => to),
  z.object({ type: z.literal("detached"), offset: Offset }).transform(({ offset }) => offset),
]);

/**
 * Converts a runner's lines of JSON to server-sent events. The id of an event is the offset after
 * it. A stream that breaks off breaks its connection, so that clients continue.
 */
export function toServerSentEvents(lines: Readable): Readable {
  // Lines may break off before anybody reads them; the reader gets the error.
  lines.on("error", () => undefined);
  return Readable.from(streamEvents(lines), { objectMode: false });
}

async function* streamEvents(body: Readable): AsyncGenerator<string, void, undefined> {
  const lines = readNdjsonLines(body, maxLineBytes);
  yield keepAlive;
  for (let next = lines.next(); ;) {
    const result = await waitAtMost(next, keepAliveIntervalMs);
    if (!result) {
      yield keepAlive;
      continue;
    }
    if (result.done) return;
    yield encodeEvent(result.value);
    next = lines.next();
  }
}

/** Text of a runner cannot begin another event: `JSON.stringify` writes no line ends. */
function encodeEvent(line: string): string {
  const value: unknown = JSON.parse(line);
  const { data: id } = Position.safeParse(value);
  return `${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(value)}\n\n`;
}
