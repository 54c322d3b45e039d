import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import {
  createWorkspaceApi,
  type Endpoint,
  type EndpointInput,
  getEndpointUrl,
  type NoParams,
  Problem,
  RemoteError,
  type WorkspaceApi,
} from "@wharf/contract";
import { readNdjsonLines } from "@wharf/contract/wire";
import {
  readPieces,
  type RequestOptions,
  requestStream,
  type StreamedAnswer,
} from "../../packages/cli/src/runner/request.ts";
import type { Client } from "../../packages/cli/src/server/client.ts";
import { sendRequest } from "../../packages/cli/src/server/transport.ts";
import type { ServerHarness } from "./server-harness.ts";

const maxLineBytes = 16 << 20;

/** Sends requests to one workspace, whose path names its task or runner. */
export class WorkspaceRequests {
  readonly client: Client;
  readonly routes: WorkspaceApi<NoParams>;
  readonly #signal = new AbortController().signal;

  constructor({ client }: Pick<ServerHarness, "client">, path: string) {
    this.client = client;
    this.routes = createWorkspaceApi(path, {});
  }

  request<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    options: Partial<RequestOptions> = {},
  ): Promise<StreamedAnswer> {
    return requestStream(this.client.locate, route, input, { signal: this.#signal, ...options });
  }

  async readLines<E extends Endpoint>(route: E, input: EndpointInput<E>): Promise<unknown[]> {
    return Array.fromAsync(this.follow(route, input));
  }

  async *follow<E extends Endpoint>(route: E, input: EndpointInput<E>, signal = this.#signal): AsyncGenerator<unknown> {
    const answer = await this.request(route, input, { signal });
    for await (const line of readNdjsonLines(readPieces(answer, signal), maxLineBytes)) yield JSON.parse(line);
  }

  /** Uploads a file with further headers; throws the server's error. */
  upload(path: string, content: string | Buffer, headers: Record<string, string> = {}): Promise<unknown> {
    return this.send(this.routes.upload, { path }, content, headers);
  }

  /** Sends bytes to a route; throws the server's error. */
  async send(
    route: Endpoint,
    query: Record<string, unknown>,
    body: string | Buffer | Readable,
    headers: Record<string, string> = {},
  ): Promise<unknown> {
    const answer = await sendRequest(await this.client.locate(), {
      method: route.method,
      path: getEndpointUrl(route, { query }),
      headers,
      body: Buffer.isBuffer(body) ? Readable.from([body]) : body,
      signal: this.#signal,
    });
    const value: unknown = await json(answer);
    if (answer.statusCode !== 200) throw new RemoteError(Problem.parse(value));
    return value;
  }
}
