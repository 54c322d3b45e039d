import type { IncomingMessage, ServerResponse } from "node:http";
import { type Endpoint, TerminalId, terminalsApi, terminalStreams } from "@wharf/contract";
import { encoders, type Terminals } from "../terminals/index.ts";
import type { HandlersOf } from "./handlers-of.ts";
import { serveViewer } from "./terminal-stream.ts";
import { hearViewer } from "./terminal-typing.ts";
import { parse } from "./parse.ts";

/** Terminals over the wire. A request that comes before the daemon has found its old terminals waits for that. */
export function terminalHandlers(opened: Promise<Terminals>): HandlersOf<typeof terminalsApi> {
  const done = { ok: true } as const;
  const get = async (id: string) => (await opened).get(id);
  return {
    createTerminal: async ({ body }) => (await opened).create(body),
    terminals: async () => ({ terminals: await (await opened).list() }),
    terminal: async ({ params }) => (await opened).info(params.terminal_id),
    typeTerminal: async ({ params, body: { viewer_id, data, take } }) => {
      (await get(params.terminal_id)).type(viewer_id, { data, take });
      return done;
    },
    resizeTerminal: async ({ params, body: { cols, rows } }) => {
      (await get(params.terminal_id)).resize(cols, rows);
      return done;
    },
    ackTerminal: async ({ params, body: { viewer_id, offset } }) => {
      (await (await opened).history(params.terminal_id)).ack(viewer_id, offset);
      return done;
    },
    killTerminal: async ({ params }) => {
      const terminal = await get(params.terminal_id);
      await terminal.end();
      return terminal.info();
    },
    removeTerminal: async ({ params }) => {
      await (await opened).remove(params.terminal_id);
      return done;
    },
    terminalHistory: async ({ query: { terminal_id, after, limit } }) => {
      const history = await (await opened).history(terminal_id);
      return { terminal_id, ...(await history.page(after, limit)) };
    },
    terminalStats: async ({ query }) => (await opened).stats(query.terminal_id),
    clearTerminal: async ({ body }) => (await opened).clear(body.terminal_id),
  };
}

/**
 * Answers what is one of the terminals' streams, whose bytes go both ways as they come; anything else is left alone.
 * It fails before its answer has begun, or not at all.
 */
export function terminalStreamHandler(
  opened: Promise<Terminals>,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> | undefined {
  return (request, response) => {
    const found = streamOf(request);
    return found && serve(opened, { ...found, request, response });
  };
}

interface StreamRequest {
  readonly route: Endpoint & { readonly query: (typeof terminalStreams)[keyof typeof terminalStreams]["query"] };
  readonly id: string | undefined;
  readonly search: URLSearchParams;
}

function streamOf({ method, url = "/" }: IncomingMessage): StreamRequest | undefined {
  const [path = "/", search = ""] = url.split("?", 2);
  for (const route of Object.values(terminalStreams)) {
    const pattern = new RegExp(`^${route.path.replace(":terminal_id", "([^/]+)")}$`);
    const match = route.method === method ? pattern.exec(path) : null;
    if (match) return { route, id: match[1], search: new URLSearchParams(search) };
  }
  return undefined;
}

async function serve(
  opened: Promise<Terminals>,
  { route, id, search, request, response }: StreamRequest & { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const query = parse(route.query, Object.fromEntries(search));
  const named = "terminal_id" in query ? query.terminal_id : undefined;
  const terminal_id = parse(TerminalId, id ?? named);
  const terminals = await opened;
  const viewer = await terminals.attach(terminal_id, query);
  const typing =
    route === terminalStreams.attach ? hearViewer(request, { terminals, terminal_id, viewer }) : Promise.resolve();
  try {
    await serveViewer(response, { viewer, encoder: encoders[query.format], onStall: () => void stalled() });
  } finally {
    await terminals.leave(terminal_id, viewer);
    await typing;
  }

  async function stalled(): Promise<void> {
    (await terminals.history(terminal_id)).stalled(viewer);
  }
}
