import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { runnerWorkspaceApi } from "@wharf/contract";
import type { Client } from "../../../packages/cli/src/server/client.ts";
import { eventually } from "../eventually.ts";

const program = readFileSync(join(import.meta.dirname, "program.js"), "utf8");

/** Starts the program in a runner; resolves when it listens. */
export async function startPreviewProgram(client: Client, runnerId: string, port: number): Promise<void> {
  const params = { runner_id: runnerId };
  await client.call(runnerWorkspaceApi.writeFile, { params, body: { path: "program.cjs", content: program } });
  await client.call(runnerWorkspaceApi.startCommand, { params, body: { command: `node program.cjs ${port}` } });
  await eventually(async () => {
    const { ports } = await client.call(runnerWorkspaceApi.listPorts, { params });
    return ports.some((one) => one.port === port);
  }, true);
}

export interface PreviewAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface PreviewRequest {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer;
}

/** Opens a preview's address as a browser does, which resolves the names below localhost itself. */
export async function fetchPreview(url: string, path: string, options: PreviewRequest = {}): Promise<PreviewAnswer> {
  const answer = await openPreview(url, path, options);
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await buffer(answer) };
}

export async function openPreview(
  url: string,
  path: string,
  { method = "GET", headers = {}, body }: PreviewRequest = {},
): Promise<IncomingMessage> {
  const { host, port } = new URL(url);
  const request = httpRequest({ host: "127.0.0.1", port, path, method, headers: { host, ...headers }, agent: false });
  request.end(body);
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  return answer;
}
