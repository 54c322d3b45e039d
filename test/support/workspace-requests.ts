import {
  createWorkspaceApi,
  type Endpoint,
  type EndpointInput,
  type NoParams,
  type WorkspaceApi,
} from "@wharf/contract";
import { readNdjsonLines } from "@wharf/contract/wire";
import { readPieces, requestStream, type StreamedAnswer } from "../../packages/cli/src/runner/request.ts";
import type { Client } from "../../packages/cli/src/server/client.ts";
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

  request<E extends Endpoint>(route: E, input: EndpointInput<E>, signal = this.#signal): Promise<StreamedAnswer> {
    return requestStream(this.client.locate, route, input, { signal });
  }

  async readLines<E extends Endpoint>(route: E, input: EndpointInput<E>): Promise<unknown[]> {
    return Array.fromAsync(this.follow(route, input));
  }

  async *follow<E extends Endpoint>(route: E, input: EndpointInput<E>, signal = this.#signal): AsyncGenerator<unknown> {
    const answer = await this.request(route, input, signal);
    for await (const line of readNdjsonLines(readPieces(answer, signal), maxLineBytes)) yield JSON.parse(line);
  }
}
