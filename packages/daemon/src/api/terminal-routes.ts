import type { IncomingMessage, ServerResponse } from "node:http";
import { type Endpoint, TerminalId, terminalsApi, terminalStreams } from "@wharf/contract";
import { encoders, type Terminals } from "../terminals/index.ts";
import { parseValue } from "./parse.ts";
import type { RouteHandlers } from "./route-handlers.ts";
import { receiveViewerInput } from "./terminal-input.ts";
import { serveViewer } from "./terminal-stream.ts";

/** Serves terminals over the wire. Requests wait until the daemon has found its old terminals. */
export function createTerminalHandlers(terminalsPromise: Promise<Terminals>): RouteHandlers<typeof terminalsApi> {
  const success = { ok: true } as const;
  const getTerminal = async (id: string) => (await terminalsPromise).get(id);
  return {
    createTerminal: async ({ body }) => (await terminalsPromise).create(body),
    terminals: async () => ({ terminals: await (await terminalsPromise).list() }),
    terminal: async ({ params }) => (await terminalsPromise).getInfo(params.terminal_id),
    typeTerminal: async ({ params, body: { viewer_id, data, take } }) => {
      (await getTerminal(params.terminal_id)).writeInput(viewer_id, { data, take });
      return success;
    },
    resizeTerminal: async ({ params, body: { cols, rows } }) => {
      (await getTerminal(params.terminal_id)).resize(cols, rows);
      return success;
    },
    renameTerminal: async ({ params, body }) => {
      const terminal = await getTerminal(params.terminal_id);
      await terminal.rename(body.name);
      return terminal.getInfo();
    },
    ackTerminal: async ({ params, body: { viewer_id, offset } }) => {
      (await (await terminalsPromise).getHistory(params.terminal_id)).acknowledge(viewer_id, offset);
      return success;
    },
    killTerminal: async ({ params }) => {
      const terminal = await getTerminal(params.terminal_id);
      await terminal.stop();
      return terminal.getInfo();
    },
    removeTerminal: async ({ params }) => {
      await (await terminalsPromise).remove(params.terminal_id);
      return success;
    },
    terminalHistory: async ({ query: { terminal_id, after: startOffset, limit } }) => {
      const history = await (await terminalsPromise).getHistory(terminal_id);
      return { terminal_id, ...(await history.getPage(startOffset, limit)) };
    },
    terminalStats: async ({ query }) => (await terminalsPromise).getStats(query.terminal_id),
    clearTerminal: async ({ body }) => (await terminalsPromise).clear(body.terminal_id),
  };
}

/**
 * Handles requests for the terminals' streams, whose bytes flow both ways as they arrive, and
 * returns undefined for any other request. A failure always comes before the response begins.
 */
export function createTerminalStreamHandler(
  terminalsPromise: Promise<Terminals>,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> | undefined {
  return (request, response) => {
    const streamRequest = parseStreamRequest(request);
    return streamRequest && serveStream(terminalsPromise, { ...streamRequest, request, response });
  };
}

interface StreamRequest {
  readonly route: Endpoint & { readonly query: (typeof terminalStreams)[keyof typeof terminalStreams]["query"] };
  readonly id: string | undefined;
  readonly search: URLSearchParams;
}

function parseStreamRequest({ method, url = "/" }: IncomingMessage): StreamRequest | undefined {
  const [path = "/", search = ""] = url.split("?", 2);
  for (const route of Object.values(terminalStreams)) {
    const pattern = new RegExp(`^${route.path.replace(":terminal_id", "([^/]+)")}$`);
    const match = route.method === method ? pattern.exec(path) : null;
    if (match) return { route, id: match[1], search: new URLSearchParams(search) };
  }
  return undefined;
}

async function serveStream(
  terminalsPromise: Promise<Terminals>,
  { route, id, search, request, response }: StreamRequest & { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const query = parseValue(route.query, Object.fromEntries(search));
  const named = "terminal_id" in query ? query.terminal_id : undefined;
  const terminalId = parseValue(TerminalId, id ?? named);
  const terminals = await terminalsPromise;
  const viewer = await terminals.attach(terminalId, query);
  const input =
    route === terminalStreams.attach
      ? receiveViewerInput(request, { terminals, terminal_id: terminalId, viewer })
      : Promise.resolve();
  try {
    await serveViewer(response, { viewer, encoder: encoders[query.format], onStall: () => void detachStalled() });
  } finally {
    await terminals.removeViewer(terminalId, viewer);
    await input;
  }

  async function detachStalled(): Promise<void> {
    (await terminals.getHistory(terminalId)).detachStalled(viewer);
  }
}
