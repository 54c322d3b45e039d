import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable, Writable } from "node:stream";
import {
  client,
  methods,
  ndJsonStream,
  type ClientCapabilities,
  type ClientContext,
  type InitializeResponse,
  type PromptResponse,
  type RequestPermissionRequest,
  type SessionUpdate,
} from "@agentclientprotocol/sdk";

export interface TestClientOptions {
  /** File of the program, run by this Node. */
  readonly program: string;
  readonly cwd: string;
  readonly home: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly capabilities?: ClientCapabilities;
  /** The option to choose; undefined leaves the question open until the turn is cancelled. */
  readonly permit?: (request: RequestPermissionRequest) => string | undefined;
}

/** A real ACP client over the stdio of an agent's process. */
export class TestClient implements AsyncDisposable {
  readonly updates: SessionUpdate[] = [];
  readonly asked: RequestPermissionRequest[] = [];
  readonly written: string[] = [];
  stderr = "";
  sessionId = "";
  readonly initialized: Promise<InitializeResponse>;
  readonly exited: Promise<number | null>;
  readonly #agent: ClientContext;
  readonly #child;
  readonly #options: TestClientOptions;

  constructor(options: TestClientOptions) {
    this.#options = options;
    const { PATH = "" } = process.env;
    this.#child = spawn(process.execPath, [options.program], {
      cwd: options.cwd,
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH, HOME: options.home, ...options.environment },
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.exited = new Promise((resolve) => void this.#child.once("exit", resolve));
    const connection = client({ name: "test" })
      .onNotification(methods.client.session.update, ({ params }) => void this.updates.push(params.update))
      .onRequest(methods.client.session.requestPermission, async ({ params, signal }) => {
        this.asked.push(params);
        const optionId = this.#options.permit?.(params);
        if (optionId !== undefined) return { outcome: { outcome: "selected" as const, optionId } };
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        return { outcome: { outcome: "cancelled" as const } };
      })
      .onRequest(methods.client.fs.readTextFile, async ({ params }) => ({
        content: await readFile(params.path, "utf8").catch(() => ""),
      }))
      .onRequest(methods.client.fs.writeTextFile, async ({ params }) => {
        this.written.push(params.path);
        await mkdir(dirname(params.path), { recursive: true });
        await writeFile(params.path, params.content);
        return {};
      })
      .connect(ndJsonStream(Writable.toWeb(this.#child.stdin), Readable.toWeb(this.#child.stdout)));
    this.#agent = connection.agent;
    this.initialized = this.#agent.request(methods.agent.initialize, {
      protocolVersion: 1,
      clientCapabilities: options.capabilities ?? { fs: { readTextFile: true, writeTextFile: true } },
    });
    this.initialized.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async open(): Promise<this> {
    await this.initialized;
    ({ sessionId: this.sessionId } = await this.#agent.request(methods.agent.session.new, {
      cwd: this.#options.cwd,
      mcpServers: [],
    }));
    return this;
  }

  async load(sessionId: string): Promise<this> {
    await this.initialized;
    this.sessionId = sessionId;
    await this.#agent.request(methods.agent.session.load, { sessionId, cwd: this.#options.cwd, mcpServers: [] });
    return this;
  }

  prompt(text: string): Promise<PromptResponse> {
    return this.#agent.request(methods.agent.session.prompt, {
      sessionId: this.sessionId,
      prompt: [{ type: "text", text }],
    });
  }

  async setMode(modeId: string): Promise<void> {
    await this.#agent.request(methods.agent.session.setMode, { sessionId: this.sessionId, modeId });
  }

  cancel(): Promise<void> {
    return this.#agent.notify(methods.agent.session.cancel, { sessionId: this.sessionId });
  }

  /** All that the agent said, joined. */
  get said(): string {
    return this.updates
      .flatMap((update) =>
        update.sessionUpdate === "agent_message_chunk" && update.content.type === "text" ? [update.content.text] : [],
      )
      .join("");
  }

  /** Last status of each tool call by title. */
  get calls(): { title: string; status: string; output: string }[] {
    const calls = new Map<string, { title: string; status: string; output: string }>();
    for (const update of this.updates) {
      if (update.sessionUpdate !== "tool_call" && update.sessionUpdate !== "tool_call_update") continue;
      const before = calls.get(update.toolCallId) ?? { title: "", status: "", output: "" };
      calls.set(update.toolCallId, {
        title: update.title ?? before.title,
        status: update.status ?? before.status,
        output:
          update.content
            ?.map((part) => (part.type === "content" && part.content.type === "text" ? part.content.text : part.type))
            .join("") ?? before.output,
      });
    }
    return [...calls.values()];
  }

  async waitFor(condition: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + 8_000;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`waited in vain for ${what}; stderr: ${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Closes the agent's input, as a client that goes away does, and waits for its end. */
  async close(): Promise<number | null> {
    this.#child.stdin.end();
    return this.exited;
  }

  kill(): Promise<number | null> {
    this.#child.kill("SIGKILL");
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
  }
}
