import { type ModelServer, playSteps, startAnthropic, startGemini, startOpenai } from "../models/index.ts";
import type { Route } from "./real-agents.ts";

/** The key of every route. No process in a sandbox may ever see it. */
export const realKey = "AIzaRealKeyThatNobodyInsideMayEverSee0123";

/**
 * Stand-ins for the models of the real agents. A held answer waits for the gate that was closed
 * last.
 */
export class AgentModels implements AsyncDisposable {
  readonly servers: Readonly<Record<Route, ModelServer>>;
  readonly #gate: { current: PromiseWithResolvers<void> };

  private constructor(servers: AgentModels["servers"], gate: { current: PromiseWithResolvers<void> }) {
    this.servers = servers;
    this.#gate = gate;
  }

  static async start(): Promise<AgentModels> {
    const gate = { current: Promise.withResolvers<void>() };
    const options = { key: realKey, script: playSteps(() => gate.current.promise) };
    const [gemini, anthropic, openai] = await Promise.all([
      startGemini(options),
      startAnthropic(options),
      startOpenai(options),
    ]);
    return new AgentModels({ gemini, anthropic, openai }, gate);
  }

  closeGate(): void {
    this.#gate.current = Promise.withResolvers();
  }

  openGate(): void {
    this.#gate.current.resolve();
  }

  /** The settings with which a server reaches the models. */
  get environment(): Record<string, string> {
    const pairs = Object.entries(this.servers).flatMap(([name, { url }]) => [
      [`${name.toUpperCase()}_API_KEY`, realKey],
      [`${name.toUpperCase()}_BASE_URL`, url],
    ]);
    return Object.fromEntries(pairs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of Object.values(this.servers)) await server.close();
  }
}
