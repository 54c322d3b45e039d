import {
  createWorkspaceApi,
  type Endpoint,
  type EndpointInput,
  type EndpointOutput,
  type NoParams,
  api,
  RemoteError,
  type WorkspaceApi,
  type WorkspaceInfo,
} from "@wharf/contract";
import { readNdjsonLines } from "@wharf/contract/wire";
import type { z } from "zod";
import { createUsageError } from "../failure.ts";
import { readPieces, requestStream, type RequestOptions, type StreamedAnswer } from "../runner/request.ts";
import type { Client } from "../server/client.ts";

/** A line may hold the content of a long line of a file. */
const maxLineBytes = 16 << 20;
/** A stopped runner starts first, and a large repository takes long. */
const callTimeoutMs = 600_000;

type LineEndpoint = Endpoint & { readonly line: z.ZodType };

/** The workspace of a task or of a runner, and the requests to it. */
export class Workspace {
  readonly id: string;
  readonly kind: "task" | "runner";
  readonly routes: WorkspaceApi<NoParams>;
  readonly client: Client;
  readonly signal: AbortSignal;
  /** Where the workspace was when it was found. */
  readonly info: WorkspaceInfo;

  constructor(client: Client, kind: "task" | "runner", { info, signal }: { info: WorkspaceInfo; signal: AbortSignal }) {
    const { id } = info;
    this.id = id;
    this.info = info;
    this.kind = kind;
    this.client = client;
    this.signal = signal;
    this.routes = createWorkspaceApi(`/api/v1/${kind}s/${id}/workspace`, {});
  }

  call<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    { signal = this.signal, timeoutMs = callTimeoutMs }: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<EndpointOutput<E>> {
    return this.client.call(route, input, { signal, timeoutMs });
  }

  stream<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    options: Partial<RequestOptions> = {},
  ): Promise<StreamedAnswer> {
    const { signal } = this;
    const check = () => (route.path === this.routes.exec.path ? this.call(this.routes.commands, {}) : this.#find());
    const more = route.method === "GET" ? {} : { check };
    return requestStream(this.client.locate, route, input, { signal, ...more, ...options });
  }

  #find(): Promise<unknown> {
    const { client, id, signal } = this;
    if (this.kind === "task") return client.call(api.getTaskWorkspace, { params: { task_id: id } }, { signal });
    return client.call(api.getRunnerWorkspace, { params: { runner_id: id } }, { signal });
  }

  /** Yields the lines of a streamed answer as they arrive. */
  async *readLines<E extends LineEndpoint>(
    route: E,
    input: EndpointInput<E>,
  ): AsyncGenerator<z.output<E["line"]>, void, undefined> {
    const answer = await this.stream(route, input);
    for await (const line of readNdjsonLines(readPieces(answer, this.signal), maxLineBytes))
      yield route.line.parse(JSON.parse(line)) as z.output<E["line"]>;
  }
}

/** Finds the workspace of the task or the runner with this id. */
export async function findWorkspace(client: Client, id: string, signal: AbortSignal): Promise<Workspace> {
  const task = await findUnless("task_not_found", () =>
    client.call(api.getTaskWorkspace, { params: { task_id: id } }, { signal }),
  );
  if (task) return new Workspace(client, "task", { info: task, signal });
  const runner = await findUnless("runner_not_found", () =>
    client.call(api.getRunnerWorkspace, { params: { runner_id: id } }, { signal }),
  );
  if (runner) return new Workspace(client, "runner", { info: runner, signal });
  throw createUsageError(
    `there is no task and no runner '${id}': \`wharf task ls\` and \`wharf runner ls\` list their ids`,
  );
}

async function findUnless<T>(missingCode: string, find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof RemoteError && error.code === missingCode) return undefined;
    throw error;
  }
}
