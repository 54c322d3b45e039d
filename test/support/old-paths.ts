import { rmSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { createRepository } from "./repository.ts";
import { createScratchFolder, ServerHarness } from "./server-harness.ts";

export interface Answer {
  readonly status: number;
  /** The parsed body; tests compare its fields by name. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

type Send = (method: string, path: string, body?: unknown) => Promise<Answer>;

/** A running server and the requests of programs that know only its paths. */
export class OldPathsHarness implements AsyncDisposable {
  readonly folder = createScratchFolder();
  readonly repository = createRepository(join(this.folder, "remote"));
  readonly server: ServerHarness;

  constructor(environment: Record<string, string> = {}) {
    this.server = new ServerHarness(this.folder, environment);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Sends a request as the owner. */
  readonly send: Send = async (method, path, body) => {
    const { token } = await this.server.client.locate();
    return this.#send(token, { method, path, body });
  };

  /** Adds a person with a role, and returns a function that sends requests as this person. */
  async addPerson(username: string, role: "admin" | "member" | "viewer"): Promise<Send> {
    const { client } = this.server;
    await client.call(api.addMember, { body: { username, role } });
    const { token } = await client.call(api.createAccessToken, { body: { name: "test", user: username } });
    return (method, path, body) => this.#send(token, { method, path, body });
  }

  readonly sendAs = (token: string, method: string, path: string): Promise<Answer> =>
    this.#send(token, { method, path, body: undefined });

  async #send(
    token: string | undefined,
    { method, path, body }: { method: string; path: string; body: unknown },
  ): Promise<Answer> {
    const { url } = await this.server.client.locate();
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === "" ? undefined : JSON.parse(text) };
  }
}
