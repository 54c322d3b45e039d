import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCanary } from "../canaries/canary.ts";
import { type ModelServer, playSteps, startAnthropic, startGemini, startOpenai } from "../models/index.ts";
import type { Route } from "./real-agents.ts";

/**
 * Stand-ins for the models of the real agents, each with a canary as its key: one from a variable,
 * one from a file and one from a program. A held answer waits for the gate that was closed last.
 */
export class AgentModels implements AsyncDisposable {
  readonly servers: Readonly<Record<Route, ModelServer>>;
  /** The settings with which a server reaches the models. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #gate: { current: PromiseWithResolvers<void> };

  private constructor(
    parts: Pick<AgentModels, "servers" | "environment">,
    gate: { current: PromiseWithResolvers<void> },
  ) {
    this.servers = parts.servers;
    this.environment = parts.environment;
    this.#gate = gate;
  }

  /** The server's secrets are in a folder beside its data. */
  static async start(folder: string): Promise<AgentModels> {
    const gate = { current: Promise.withResolvers<void>() };
    const script = playSteps(() => gate.current.promise);
    const keys = {
      gemini: createCanary("gemini"),
      anthropic: createCanary("anthropic"),
      openai: createCanary("openai"),
    };
    const [gemini, anthropic, openai] = await Promise.all([
      startGemini({ key: keys.gemini, script }),
      startAnthropic({ key: keys.anthropic, script }),
      startOpenai({ key: keys.openai, script }),
    ]);
    const secrets = join(folder, "secrets");
    mkdirSync(secrets, { recursive: true, mode: 0o700 });
    for (const route of ["anthropic", "openai"] as const)
      writeFileSync(join(secrets, route), keys[route], { mode: 0o600 });
    const routes = {
      anthropic: {
        api: "anthropic",
        upstreams: [{ base_url: anthropic.url, key: { file: join(secrets, "anthropic") } }],
      },
      openai: {
        api: "openai",
        upstreams: [{ base_url: openai.url, key: { command: ["cat", join(secrets, "openai")] } }],
      },
    };
    const file = join(secrets, "routes.json");
    writeFileSync(file, JSON.stringify({ routes }), { mode: 0o600 });
    const environment = { WHARF_ROUTES: file, GEMINI_API_KEY: keys.gemini, GEMINI_BASE_URL: gemini.url };
    return new AgentModels({ servers: { gemini, anthropic, openai }, environment }, gate);
  }

  closeGate(): void {
    this.#gate.current = Promise.withResolvers();
  }

  openGate(): void {
    this.#gate.current.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of Object.values(this.servers)) await server.close();
  }
}
