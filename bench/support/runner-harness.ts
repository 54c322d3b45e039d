import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Backend, RunnerSpec } from "../../packages/server/src/backends/index.ts";
import { createGateway, openMirrors } from "../../packages/server/src/gateway/index.ts";
import { type Link, openLink } from "../../packages/server/src/runners/index.ts";

export const createRunnerSpec = (): RunnerSpec => ({
  id: randomUUID(),
  wireKey: randomBytes(32).toString("hex"),
  limits: { cpu: 1, memoryBytes: 2 ** 31, diskBytes: 2 ** 33, processes: 1_024 },
  programs: [],
});

/** The layers between a backend and a command in its runners: an unused gateway, and the wire. */
export class RunnerHarness implements AsyncDisposable {
  readonly #backend: Backend;
  readonly #gateway: ReturnType<typeof createGateway>;

  constructor(backend: Backend, folder: string) {
    this.#backend = backend;
    const mirrors = openMirrors({
      policy: { hosts: [], localFolders: ["/"] },
      folder: join(folder, "mirrors"),
      maxRepositoryMb: 1,
      gitEnvironment: {},
    });
    const hooks = { pushed: async () => undefined, denied: () => undefined, modelRequest: () => undefined };
    this.#gateway = createGateway({ mirrors, routes: {}, hooks });
  }

  /** Creates a runner and opens the wire to it. */
  async create(spec: RunnerSpec): Promise<Link> {
    const backend = this.#backend;
    await backend.create(spec);
    const context = async () => undefined;
    const at = { backend, runner_id: spec.id, epoch: 1, key: spec.wireKey, gateway: this.#gateway, context };
    return openLink(at, AbortSignal.timeout(20_000));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#gateway.close();
    await this.#backend.close();
  }
}
