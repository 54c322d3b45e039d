import type { IncomingMessage } from "node:http";
import { Envelope, RemoteError, streamsApi, Subscribed } from "@wharf/contract";
import { readNdjsonLines } from "@wharf/contract/wire";
import { requestStream, type StreamedAnswer } from "../runner/request.ts";
import { createUnreachableError } from "../server/client.ts";
import { readWithReconnects, type ReconnectOptions, silenceTimeoutMs } from "../server/reconnect.ts";
import { getServerName, type LocateServer } from "../server/server-address.ts";

export interface FollowBoardsOptions extends ReconnectOptions {
  readonly locate: LocateServer;
  /** Absent for all boards that the user sees. */
  readonly boardId?: string | undefined;
  /** The id of the last known event; without it, the stream starts now. */
  readonly after?: string | undefined;
}

/** No event of boards is longer, with its envelope. */
const maxLineBytes = 1 << 20;

/** Yields the events of a board or of all boards, every event once and in order. */
export async function* followBoards(options: FollowBoardsOptions): AsyncGenerator<Envelope, void, undefined> {
  const { signal } = options;
  let cursor = options.after;
  const connect = async () => {
    const { message } = await openStream(options, cursor);
    return readMessages(message, signal);
  };
  for await (const message of readWithReconnects(connect, options)) {
    // The first connection learns where it begins, so that the next one misses nothing.
    if (message.type === "subscribed") cursor ??= message.cursor;
    if (!("id" in message)) continue;
    cursor = message.id;
    yield message;
  }
}

/** A server that stops or restarts is retried; any other refusal is final. */
async function openStream(
  { locate, boardId, signal }: FollowBoardsOptions,
  after: string | undefined,
): Promise<StreamedAnswer> {
  const query = after === undefined ? {} : { after };
  try {
    if (boardId === undefined) return await requestStream(locate, streamsApi.followEverything, { query }, { signal });
    const params = { board_id: boardId };
    return await requestStream(locate, streamsApi.followBoard, { params, query }, { signal });
  } catch (error) {
    const status = error instanceof RemoteError ? error.toProblem().status : 0;
    if (status < 500) throw error;
    throw createUnreachableError(getServerName(await locate()), `it answers with HTTP status ${status}`, error);
  }
}

/** Yields the messages of server-sent events until the connection ends, for any reason. */
async function* readMessages(
  message: IncomingMessage,
  signal: AbortSignal,
): AsyncGenerator<Envelope | Subscribed, void, undefined> {
  const silenceTimer = setTimeout(() => message.destroy(), silenceTimeoutMs);
  const stop = () => message.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const line of readNdjsonLines(readChunks(message, silenceTimer), maxLineBytes)) {
      const parsed = line.startsWith("data: ") ? parseMessage(line.slice("data: ".length)) : undefined;
      if (parsed) yield parsed;
    }
  } catch (error) {
    // The connection broke; the next one continues.
    if (!isConnectionError(error)) throw error;
  } finally {
    clearTimeout(silenceTimer);
    signal.removeEventListener("abort", stop);
    message.destroy();
  }
}

async function* readChunks(
  message: IncomingMessage,
  silenceTimer: NodeJS.Timeout,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of message) {
    silenceTimer.refresh();
    yield Buffer.from(chunk);
  }
}

const isConnectionError = (error: unknown): boolean => error instanceof Error && "code" in error;

/** Returns undefined for heartbeats, and for the reason of an end: the next refusal has it too. */
function parseMessage(text: string): Envelope | Subscribed | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Envelope.safeParse(value).data ?? Subscribed.safeParse(value).data;
  } catch {
    return undefined;
  }
}
