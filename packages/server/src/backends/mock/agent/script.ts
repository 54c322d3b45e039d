import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { EventData } from "@wharf/contract";
import { simulate } from "../exec/shell.ts";
import type { MockDisk } from "../mock-disk.ts";
import type { MockPermissions } from "./permissions.ts";

/** What a script acts on. */
export interface Stage {
  readonly disk: MockDisk;
  readonly permissions: MockPermissions;
  /** Earlier prompts of the session. */
  readonly prompts: readonly string[];
  readonly signal: AbortSignal;
  /** Each record is a step, at which the runner may be made to fail. */
  record(data: EventData): void;
  /** Resolves while the agent may work on; its steps are what a pause stops it between. */
  unpaused(): Promise<void>;
  /** The runner itself is made to fail. */
  die(): void;
  partition(ms: number): void;
  slowDisk(ms: number): void;
  /** The agent ends with this code in the middle of its turn. */
  exit(code: number): void;
}

/** Why the turn ended. */
export type StopReason = string;

const between = 15; // ms between two words: slow enough to be seen coming

/**
 * The agent of a mock runner. A prompt may hold the same lines as one to the demo agent (`demo: say …`, `write`, `read`,
 * `run`, `ask`, `think`, `plan`, `sleep`, `flood`, `recall`, `stop`, `fail`, `exit`, `hang`), and besides
 *
 *   demo: die              the runner's daemon dies
 *   demo: partition 5s     no wire leads to it for so long
 *   demo: slow-disk 50ms   each of its writes takes so long from now on
 *
 * Any other prompt gets a short play of everything an agent shows.
 */
export async function perform(prompt: string, stage: Stage): Promise<StopReason> {
  const directives = [...prompt.matchAll(/^\s*demo:[ \t]*([a-z-]+)[ \t]*(.*)$/gm)];
  if (directives.length === 0) return play(prompt, stage);
  for (const [, name = "", rest = ""] of directives) {
    stage.signal.throwIfAborted();
    await stage.unpaused();
    const directive = Object.hasOwn(performers, name) ? performers[name] : undefined;
    if (!directive) return refuse(stage, `there is no directive 'demo: ${name}'`);
    const stop = await directive(rest.trimEnd(), stage);
    if (stop !== undefined) return stop;
  }
  return "end_turn";
}

type Performer = (rest: string, stage: Stage) => Promise<StopReason | undefined> | StopReason | undefined | void;

/** Takes its time, and longer where it is paused meanwhile. */
async function linger(ms: number, { signal, unpaused }: Pick<Stage, "signal" | "unpaused">): Promise<void> {
  await sleep(ms, undefined, { signal });
  await unpaused();
  signal.throwIfAborted();
}

const say = (stage: Stage, text: string) => stage.record({ kind: "message", role: "agent", text });
const words = (error: unknown) => (error instanceof Error ? error.message : String(error));

function refuse(stage: Stage, reason: string): StopReason {
  stage.record({
    kind: "failure",
    code: "agent_refused",
    message: `The agent refused: ${reason}`,
    next: "Ask for something else.",
  });
  return "error";
}

function duration(text: string): number {
  const [, amount = "0", unit] = /^(\d+(?:\.\d+)?)\s*(ms|s)$/.exec(text) ?? [];
  return Number(amount) * (unit === "s" ? 1000 : 1);
}

/** Shows a tool call from its beginning to its end. */
async function tool<T>(
  stage: Stage,
  call: { title: string; kind: "edit" | "execute" | "read"; path?: string },
  work: (id: string) => Promise<T> | T,
): Promise<T> {
  const tool_call_id = randomUUID();
  const { title, kind, path } = call;
  stage.record({
    kind: "tool_call",
    tool_call_id,
    title,
    tool_kind: kind,
    status: "in_progress",
    ...(path && { locations: [{ path }] }),
  });
  try {
    const result = await work(tool_call_id);
    stage.record({ kind: "tool_call", tool_call_id, status: "completed" });
    return result;
  } catch (error) {
    stage.record({
      kind: "tool_call",
      tool_call_id,
      status: "failed",
      content: [{ type: "text", text: words(error) }],
    });
    throw error;
  }
}

async function write(stage: Stage, path: string, text: string): Promise<void> {
  await tool(stage, { title: `Write ${path}`, kind: "edit", path }, (tool_call_id) => {
    const at = stage.disk.files.resolve(path);
    stage.disk.files.write(at, Buffer.from(text));
    stage.record({ kind: "tool_call", tool_call_id, content: [{ type: "diff", path, new_text: text }] });
  });
}

async function ask(stage: Stage, title: string, kind: "edit" | "execute"): Promise<boolean> {
  const toolCallId = randomUUID();
  stage.record({ kind: "tool_call", tool_call_id: toolCallId, title, tool_kind: kind, status: "pending" });
  const allowed = await stage.permissions.ask({ title, kind, toolCallId }, stage.signal);
  stage.signal.throwIfAborted();
  stage.record({ kind: "tool_call", tool_call_id: toolCallId, status: allowed ? "completed" : "failed" });
  return allowed;
}

const performers: Readonly<Record<string, Performer>> = {
  say: (rest, stage) => say(stage, `${rest}\n`),
  think: (rest, stage) => stage.record({ kind: "thought", text: `${rest}\n` }),
  plan: (rest, stage) =>
    stage.record({
      kind: "plan",
      entries: rest.split("|").map((entry, i) => ({
        content: entry.trim(),
        priority: "medium",
        status: i === 0 ? "in_progress" : "pending",
      })),
    }),
  async sleep(time, stage) {
    await linger(duration(time), stage);
    return undefined;
  },
  async write(rest, stage) {
    const [, path = "", content = ""] = /^(\S+)\s?(.*)$/s.exec(rest) ?? [];
    try {
      await write(stage, path, content.replaceAll("\\n", "\n"));
      say(stage, `wrote ${path}\n`);
    } catch (error) {
      say(stage, `write failed: ${words(error)}\n`);
    }
    return undefined;
  },
  read(path, stage) {
    try {
      const { files } = stage.disk;
      say(stage, `${files.read(files.resolve(path)).bytes.toString()}\n`);
    } catch (error) {
      say(stage, `read failed: ${words(error)}\n`);
    }
  },
  async run(command, stage) {
    let text = "";
    let code: number | null = null;
    const input = { command, shell: "sh", working_dir: ".", environment: {}, timeout_s: 600 };
    await tool(stage, { title: command, kind: "execute" }, async () => {
      for await (const event of simulate(input, { files: stage.disk.files, signal: stage.signal })) {
        if (event.type === "exit") code = event.exit_code;
        else if ("data" in event) text = (text + event.data).slice(-32_768);
      }
    });
    say(stage, `${text}exit code: ${code}\n`);
    return undefined;
  },
  async ask(rest, stage) {
    const edit = rest.startsWith("edit ");
    const allowed = await ask(stage, edit ? rest.slice("edit ".length) : rest, edit ? "edit" : "execute");
    say(stage, `answer: ${allowed ? "allowed" : "rejected"}\n`);
    return undefined;
  },
  async flood(rest, stage) {
    for (let i = 1; i <= Number(rest); i++) {
      stage.signal.throwIfAborted();
      say(stage, `flood ${i}\n`);
      if (i % 100 === 0) await stage.disk.journal.flush();
    }
    return undefined;
  },
  recall: (_rest, stage) => say(stage, `recall: ${stage.prompts.join(" / ") || "nothing"}\n`),
  stderr: (rest, stage) => stage.record({ kind: "output", stream: "stderr", text: rest }),
  stop: (rest) => rest,
  fail: (rest, stage) => refuse(stage, rest),
  exit(rest, stage) {
    stage.exit(Number(rest));
    return "error";
  },
  async hang(_rest, { signal }) {
    await sleep(2 ** 31 - 1, undefined, { signal });
    return undefined;
  },
  die: (_rest, stage) => stage.die(),
  partition: (rest, stage) => stage.partition(duration(rest)),
  "slow-disk": (rest, stage) => stage.slowDisk(duration(rest)),
};

async function play(prompt: string, stage: Stage): Promise<StopReason> {
  const title = prompt.trim().split("\n")[0]?.slice(0, 200) ?? "";
  const steps = ["Look at what is there", "Write down what was asked", "Say so"];
  const plan = (done: number) =>
    stage.record({
      kind: "plan",
      entries: steps.map((content, i) => ({
        content,
        priority: "medium",
        status: i < done ? "completed" : i === done ? "in_progress" : "pending",
      })),
    });
  plan(0);
  stage.record({
    kind: "thought",
    text: "I am a script without a model: I show what an agent shows, and change one file.\n",
  });
  const { files } = stage.disk;
  const names = await tool(stage, { title: "List the files", kind: "read" }, () =>
    files.list("").map(({ name }) => name),
  );
  await linger(between * 5, stage);
  plan(1);
  const allowed = await ask(stage, "Write WHARF-MOCK.md", "edit");
  if (allowed)
    await write(
      stage,
      "WHARF-MOCK.md",
      `# Asked of a mock runner\n\n${[...stage.prompts, title].map((one) => `- ${one}\n`).join("")}`,
    );
  plan(2);
  const answer = allowed
    ? `There are ${names.length} entries here. I wrote what you asked for into \`WHARF-MOCK.md\`.`
    : "You did not let me write, so nothing changed.";
  for (const word of answer.split(/(?<=\s)/)) {
    say(stage, word);
    await linger(between, stage);
  }
  plan(3);
  return "end_turn";
}
