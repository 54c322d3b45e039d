/**
 * Stand-in model servers on the loopback interface, one per API. They refuse what the real APIs
 * refuse: a wrong key, an unknown field, roles out of order, a tool result without its call. Their
 * answers come from a script, in the API's own stream format.
 */
import { anthropic } from "./anthropic.ts";
import { gemini } from "./gemini.ts";
import { openai } from "./openai.ts";
import { startServer, type ModelServer, type ModelServerOptions } from "./server.ts";

export type { Script, Step } from "./script.ts";
export { playSteps, toPrompt } from "./steps.ts";
export type { ModelServer, ModelServerOptions } from "./server.ts";

export const startGemini = (options: ModelServerOptions): Promise<ModelServer> => startServer(gemini, options);
export const startAnthropic = (options: ModelServerOptions): Promise<ModelServer> => startServer(anthropic, options);
export const startOpenai = (options: ModelServerOptions): Promise<ModelServer> => startServer(openai, options);
