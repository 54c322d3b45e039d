import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * Serves the repositories of a folder over HTTP through git's own http-backend, with an optional
 * login.
 */
export interface GitServer extends AsyncDisposable {
  /** The URL without the login. */
  readonly url: string;
  /** Number of requests, with or without the login. */
  readonly requests: number;
}

export async function startGitServer(folder: string, login?: string, port = 0): Promise<GitServer> {
  const expected = login && `Basic ${Buffer.from(login).toString("base64")}`;
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    if (!expected || request.headers.authorization === expected) return serve(folder, request, response);
    response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end("who are you?");
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function serve(folder: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://git");
  const environment = {
    PATH: process.env["PATH"],
    GIT_PROJECT_ROOT: folder,
    GIT_HTTP_EXPORT_ALL: "1",
    PATH_INFO: url.pathname,
    QUERY_STRING: url.search.slice(1),
    REQUEST_METHOD: request.method,
    CONTENT_TYPE: request.headers["content-type"],
    HTTP_CONTENT_ENCODING: request.headers["content-encoding"],
    HTTP_GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
    REMOTE_USER: "somebody",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "safe.directory",
    GIT_CONFIG_VALUE_0: "*",
  };
  const backend = spawn("git", ["http-backend"], { env: environment, stdio: ["pipe", "pipe", "ignore"] });
  backend.stdin.on("error", () => undefined);
  request.pipe(backend.stdin);
  const chunks: Buffer[] = [];
  backend.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  backend.on("close", () => {
    const answer = Buffer.concat(chunks);
    const end = answer.indexOf("\r\n\r\n");
    const fields = answer
      .toString("latin1", 0, end)
      .split("\r\n")
      .map((line) => line.split(": ", 2));
    const { Status: status = "200", ...headers } = Object.fromEntries(fields);
    response.writeHead(Number.parseInt(status, 10), headers).end(answer.subarray(end + 4));
  });
}
