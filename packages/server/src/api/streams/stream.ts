import type { Server } from "node:http";
import { createInvalidRequestError, sockets, StreamFormat, WharfError } from "@wharf/contract";
import { z } from "zod";
import type { AccessWatch, Authenticator, Caller } from "../../access/index.ts";
import type { Guard } from "../http/guard.ts";
import type { Peers } from "../http/peers.ts";
import { requireStorable } from "../http/validate-storable.ts";
import { type Channel, createSocketChannel } from "./channel.ts";
import { handleMessages } from "./inbox.ts";
import { SendBudget } from "./send-budget.ts";
import type { FailureLogger } from "./stream-failure.ts";
import { createBadRequest } from "./subscriptions.ts";
import { type PreparedStream, type StreamSender, type UpgradeOptions, Upgrades } from "./upgrades.ts";
import type { ViewerStream, ViewerStreams } from "./viewer-streams.ts";
import { Viewer, type ViewerLimits } from "./viewer.ts";

export interface StreamOptions {
  readonly audit: UpgradeOptions["audit"];
  readonly clientAddresses: UpgradeOptions["clientAddresses"];
  readonly guard: Guard;
  readonly requestLimits: UpgradeOptions["requestLimits"];
  readonly authenticator: Authenticator;
  readonly accessWatch: AccessWatch;
  readonly streamTickets: UpgradeOptions["streamTickets"];
  readonly acceptsQueryTokens: boolean;
  readonly logger: FailureLogger;
  readonly streams: ViewerStreams;
  /**
   * Finds streams that other modules serve; resolves with undefined if the URL does not belong to
   * them either.
   */
  readonly more: (url: URL, sender: StreamSender) => Promise<PreparedStream | undefined>;
  readonly peers?: Peers | undefined;
  readonly previews?: UpgradeOptions["previews"];
  readonly limits?: ViewerLimits | undefined;
}

const taskStream = new RegExp(`^${sockets.taskStream.path.replace(":task_id", "([^/]+)")}$`);
const boardStream = new RegExp(`^${sockets.boardStream.path.replace(":board_id", "([^/]+)")}$`);

/**
 * Streams over WebSocket: each message is one event, in the order of its log; `after` resumes where
 * a reader stopped.
 */
export class Streams {
  readonly #options: StreamOptions;
  readonly #upgrades: Upgrades;
  readonly #budget = new SendBudget();

  constructor(server: Server, options: StreamOptions) {
    this.#options = options;
    const { peers, limits } = options;
    const findStream = (url: URL, sender: StreamSender) => this.#findStream(url, sender);
    this.#upgrades = new Upgrades(server, {
      ...options,
      route: findStream,
      peers,
      closeTimeoutMs: limits?.closeTimeoutMs,
    });
  }

  close(): Promise<void> {
    return this.#upgrades.close();
  }

  async #findStream(url: URL, sender: StreamSender): Promise<PreparedStream> {
    const stream = await this.#findViewerStream(url, sender.caller);
    if (stream) return this.#prepare(stream);
    const otherStream = await this.#options.more(url, sender);
    if (otherStream) return otherStream;
    throw new WharfError("route_not_found", { method: "GET", path: url.pathname });
  }

  async #findViewerStream({ pathname, searchParams }: URL, caller: Caller): Promise<ViewerStream | undefined> {
    const { streams } = this.#options;
    const taskId = taskStream.exec(pathname)?.[1];
    const boardId = boardStream.exec(pathname)?.[1];
    const query = parseQuery(searchParams);
    if (taskId) return streams.openTask(caller, { id: parseId(taskId), ...query, after: query.after ?? 0 });
    if (boardId) return streams.openBoard(caller, { id: parseBoardId(boardId), after: query.after });
    return pathname === sockets.globalStream.path ? streams.openGlobal(caller, query.format) : undefined;
  }

  #prepare(stream: ViewerStream): PreparedStream {
    return {
      access: stream.access,
      start: (ws) => {
        const viewer = this.openViewer(createSocketChannel(ws));
        handleMessages(ws, viewer, (text) => stream.handle(text));
        stream.start(viewer);
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  /** Opens a viewer, whose unsent messages count together with those of all others. */
  openViewer(channel: Channel): Viewer {
    const { logger, limits } = this.#options;
    return new Viewer(channel, { logger, limits, budget: this.#budget });
  }
}

const Query = z.object({
  after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  format: StreamFormat.default("log"),
});

function parseQuery(parameters: URLSearchParams): z.infer<typeof Query> {
  const after = parameters.get("after") ?? undefined;
  const { data, error } = Query.safeParse({ after, format: parameters.get("format") ?? undefined });
  if (error) throw createInvalidRequestError(error);
  return data;
}

function parseBoardId(text: string): string {
  const { data: id } = z.uuid().safeParse(text);
  if (id === undefined) throw createBadRequest("board_id", "is not the id of a board");
  return id;
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
