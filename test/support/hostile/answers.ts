import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { daemonProtocol } from "@wharf/contract";
import { Mux, serveHttp } from "@wharf/contract/wire";

/**
 * The answers of a daemon, by route (`POST /git/clone`). Other routes answer like a new, empty
 * daemon.
 */
export type Answers = Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>>;

export function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

const journal = { epoch: "0123456789abcdef", first: 1, last: 0, acked: 0 };
const head = "0123456789012345678901234567890123456789";

export const createHealth = (runnerId: string) => ({
  runner_id: runnerId,
  version: "0.0.0",
  protocol: daemonProtocol,
  isolation: "sandbox",
  uptime_s: 1,
  rss_bytes: 1,
  journal,
  agent: { status: "none" },
  workspace: { cloned: false },
});

/** Answers that suffice to bring a run to its first turn. */
const createPlainAnswers = (runnerId: string): Answers => ({
  "GET /health": (_, response) => sendJson(response, createHealth(runnerId)),
  "GET /journal": (_, response) => void response.writeHead(200).write("\n"),
  "POST /journal/ack": (_, response) => sendJson(response, journal),
  "POST /git/clone": (_, response) =>
    sendJson(response, { base_branch: "main", base_commit_sha: head, head, resumed: false }),
  "POST /agent/start": (_, response) => sendJson(response, { session_id: "s", loaded: false }),
  "POST /agent/prompt": (_, response) => sendJson(response, { duplicate: false }),
  "POST /agent/stop": (_, response) => sendJson(response, { ok: true }),
});

export function serveAnswers(socket: Duplex, { runnerId, answers }: { runnerId: string; answers: Answers }): void {
  const all: Answers = { ...createPlainAnswers(runnerId), ...answers };
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    response.on("error", () => undefined);
    request.resume();
    const answer = all[`${request.method} ${request.url?.split("?")[0]}`];
    if (answer) return answer(request, response);
    response.writeHead(404, { "content-type": "application/json" }).end("{}");
  });
  const mux = new Mux(socket, { side: "client", onStream: (stream) => serveHttp(stream, server) });
  void mux.closed.then(() => {
    server.closeAllConnections();
    socket.destroy();
  });
}
