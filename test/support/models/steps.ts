import type { Said, Script, Step } from "./script.ts";

/**
 * Work for the model of any agent, written into the prompt: `playSteps` plays it with the agent's
 * own tools.
 */
export type WrittenStep =
  | { readonly say: string }
  | { readonly write: string; readonly content: string }
  | { readonly run: string }
  /** Calls a tool of an MCP server. */
  | { readonly use: string; readonly args: Readonly<Record<string, unknown>> }
  /** Writes a plan of one step with the agent's planning tool. */
  | { readonly plan: string }
  /** Completes the user's first line that contains these words. */
  | { readonly recall: string }
  /** Outputs the words and continues when `hold` resolves. */
  | { readonly hold: string };

export const toPrompt = (words: string, steps: readonly WrittenStep[]): string =>
  `${words}\n<steps>${JSON.stringify(steps)}</steps>`;

const parseSteps = (text: string): WrittenStep[] | undefined => {
  const [, json] = /<steps>(.*)<\/steps>/s.exec(text) ?? [];
  return json === undefined ? undefined : JSON.parse(json);
};

type Call = NonNullable<Step["toolCalls"]>[number];

/** The tools with which an agent writes a file and runs a command; `shell` identifies the agent. */
interface Hands {
  readonly shell: string;
  write(path: string, content: string): Call;
  run(command: string): Call;
  /** Absent if the agent keeps no plan or does not report it. */
  plan?(step: string): Call;
}

const description = "as the steps say";
const toPatch = (path: string, content: string): string =>
  `*** Begin Patch\n*** Add File: ${path}\n+${content.trimEnd()}\n*** End Patch\n`;

const hands: readonly Hands[] = [
  {
    shell: "run_shell_command", // Gemini CLI and Qwen Code
    write: (path, content) => ({ name: "write_file", args: { file_path: `/workspace/${path}`, content } }),
    run: (command) => ({ name: "run_shell_command", args: { command, description, is_background: false } }),
  },
  {
    shell: "Bash", // Claude Code
    write: (path, content) => ({ name: "Write", args: { file_path: `/workspace/${path}`, content } }),
    run: (command) => ({ name: "Bash", args: { command, description } }),
    plan: (step) => ({ name: "TaskCreate", args: { subject: step, description } }),
  },
  {
    shell: "bash", // OpenCode
    write: (path, content) => ({ name: "apply_patch", args: { patchText: toPatch(path, content) } }),
    run: (command) => ({ name: "bash", args: { command, description } }),
    plan: (step) => ({
      name: "todowrite",
      args: { todos: [{ content: step, status: "in_progress", priority: "high" }] },
    }),
  },
  {
    shell: "exec", // Codex, whose model writes JavaScript that calls its tools
    write: (path, content) => ({
      name: "exec",
      args: { input: `text(await tools.apply_patch(${JSON.stringify(toPatch(path, content))}))` },
    }),
    run: (cmd) => ({ name: "exec", args: { input: `text(await tools.exec_command(${JSON.stringify({ cmd })}))` } }),
    plan: (step) => {
      const plan = [{ step, status: "in_progress" }];
      return { name: "exec", args: { input: `text(await tools.update_plan(${JSON.stringify({ plan })}))` } };
    },
  },
];

/** Agents prefix a tool's name with that of its server. */
function findTool(tools: readonly string[], name: string): string {
  const tool = tools.find((one) => one.endsWith(`_${name}`));
  if (tool === undefined) throw new Error(`the agent has no tool '${name}', only ${tools.join(", ")}`);
  return tool;
}

/** Splits the steps after each tool call: each group is one answer of the model. */
function toAnswers(steps: readonly WrittenStep[]): WrittenStep[][] {
  const answers: WrittenStep[][] = [[]];
  for (const step of steps) {
    answers.at(-1)?.push(step);
    if (["write", "run", "use", "plan"].some((call) => call in step)) answers.push([]);
  }
  return answers;
}

function recall(conversation: readonly Said[], words: string): string {
  const lines = conversation.flatMap(({ from, text }) => (from === "user" ? text.split("\n") : []));
  const line = lines.find((one) => one.includes(words)) ?? "";
  return line.slice(line.indexOf(words));
}

/**
 * Plays the steps of the last prompt that has some. The request determines the next step: each tool
 * result since that prompt counts as one answer. Any other request of the agent, such as one for a
 * title, gets a short answer.
 */
export const playSteps =
  (hold: () => Promise<unknown> = () => new Promise(() => undefined)): Script =>
  ({ conversation = [], tools = [] }) => {
    const hand = hands.find(({ shell }) => tools.includes(shell));
    const at = conversation.findLastIndex(({ from, text }) => from === "user" && parseSteps(text));
    const steps = parseSteps(conversation[at]?.text ?? "");
    if (tools.length === 0 || !steps) return { text: "A conversation" };
    const answered = conversation.slice(at + 1).flatMap(({ results }) => results).length;
    const answer = toAnswers(steps)[answered] ?? [];
    const toolCalls = answer.flatMap((step) => {
      if (!hand) return [];
      if ("write" in step) return [hand.write(step.write, step.content)];
      if ("run" in step) return [hand.run(step.run)];
      if ("use" in step) return [{ name: findTool(tools, step.use), args: step.args }];
      if ("plan" in step) return hand.plan ? [hand.plan(step.plan)] : [];
      return [];
    });
    const words = answer.flatMap((step) => {
      if ("say" in step) return [step.say];
      if ("hold" in step) return [step.hold];
      if ("recall" in step) return [recall(conversation, step.recall)];
      return [];
    });
    const text = words.length + toolCalls.length > 0 ? words.join(" ") : "There is nothing left to do.";
    return { text, toolCalls, ...(answer.some((step) => "hold" in step) && { hold: hold() }) };
  };
