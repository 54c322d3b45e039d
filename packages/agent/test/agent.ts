import { join } from "node:path";
import {
  startAnthropic,
  startGemini,
  startOpenai,
  type ModelServer,
  type Step,
} from "../../../test/support/models/index.ts";
import { TestClient, type TestClientOptions } from "./acp-client.ts";
import type { TestFolders } from "./workspace.ts";

export const key = "a-key-that-is-good";
export const start = { gemini: startGemini, anthropic: startAnthropic, openai: startOpenai };
export type ProviderName = keyof typeof start;

/** The built-in agent with a stand-in model; everything it asks for is allowed once unless the test says otherwise. */
export function agentFor(
  provider: ProviderName,
  parts: { model: ModelServer; folders: TestFolders },
  options: Partial<TestClientOptions> = {},
): TestClient {
  const { model, folders } = parts;
  const environment = {
    WHARF_MODEL_PROVIDER: provider,
    WHARF_MODEL_BASE_URL: model.url,
    WHARF_TOKEN: key,
    ...options.environment,
  };
  const program = join(import.meta.dirname, "../src/main.ts");
  return new TestClient({
    program,
    cwd: folders.cwd,
    home: folders.home,
    permit: () => "allow_once",
    ...options,
    environment,
  });
}

export const fullTurn: readonly Step[] = [
  {
    text: "I will greet the world in a file.",
    toolCalls: [{ name: "write_file", args: { path: "hello.txt", content: "hello\n" } }],
  },
  { toolCalls: [{ name: "run_command", args: { command: "cat hello.txt && echo done >&2" } }] },
  { text: "The file is there and says hello." },
];

export interface Failure {
  readonly message: string;
  readonly data?: { readonly code?: string; readonly next?: string };
}

/** What a promise fails with; a promise that does not fail, fails. */
export const failureOf = (promise: Promise<unknown>): Promise<Failure> =>
  promise.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: unknown) => error as Failure,
  );
