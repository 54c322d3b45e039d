/**
 * Directives are lines of a prompt that state exactly what the demo agent does, so that a test can
 * drive a real ACP agent. They run in order; the other lines of the prompt are ignored.
 *
 *   demo: say TEXT             sends a message
 *   demo: think TEXT           sends a thought
 *   demo: plan A | B | C       sends a plan whose first entry is in progress
 *   demo: sleep 5s             waits (ms or s); a cancel ends the wait
 *   demo: write PATH CONTENT   writes a file without asking, through the client if it owns files,
 *                              with the unchecked path; \n in CONTENT is a line break. Sends the
 *                              outcome.
 *   demo: read PATH            reads a file in the same way and sends its text
 *   demo: run COMMAND          runs a shell command without asking, shows its output, and sends the
 *                              exit code
 *   demo: ask TITLE            asks for permission to run a command and sends the answer
 *   demo: ask edit TITLE       asks for permission to edit a file and sends the answer
 *   demo: flood N              sends N messages as fast as possible
 *   demo: model PROMPT         asks the gateway's model once and sends "model answered: …" or
 *                              "model failed: …"
 *   demo: recall               sends the prompts of the session's earlier turns
 *   demo: stderr TEXT          prints a line on standard error
 *   demo: print TEXT           prints a line on standard output that is not protocol
 *   demo: print-bytes N        prints N bytes of such lines
 *   demo: fail TEXT            ends the turn with an error
 *   demo: stop REASON          ends the turn with this stop reason
 *   demo: exit N               exits immediately
 *   demo: die                  kills the process that started it, a runner's daemon, and exits
 *   demo: hang                 does nothing until the turn is cancelled
 *   demo: hang deaf            does nothing and ignores a cancel
 */
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { StopReason } from "@agentclientprotocol/sdk";
import { WharfError } from "@wharf/contract";
import { z } from "zod";
import { createTextContent } from "../session/index.ts";
import type { Actor } from "./actor.ts";
import { askModel } from "./model-request.ts";
import type { Notebook } from "./notebook.ts";

export interface Directive {
  readonly name: string;
  readonly argument: string;
}

export interface DirectiveContext {
  readonly actor: Actor;
  readonly notebook: Notebook;
  readonly gateway: { readonly url: string; readonly token: string };
}

const Stop = z.enum(["end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"]);
// A timer is limited to this delay.
const foreverMs = 2 ** 31 - 1;
const printedLine = `${"x".repeat(1023)}\n`;

/** Undefined continues with the next directive. */
type DirectiveHandler = (rest: string, context: DirectiveContext) => Promise<StopReason | undefined | void>;

const getErrorMessage = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

const sendLine = (context: DirectiveContext, line: string): Promise<void> =>
  context.actor.session.sendMessage(`${line}\n`);

const writeOutput = (chunk: string): Promise<void> =>
  new Promise((finish, fail) => void process.stdout.write(chunk, (error) => (error ? fail(error) : finish())));

function parseDurationMs(argument: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s)$/.exec(argument) ?? [];
  if (amount === undefined)
    throw new WharfError("bad_request", {
      issues: [{ path: "demo: sleep", message: `'${argument}' is not a duration such as 5s or 200ms` }],
    });
  return Number(amount) * (unit === "s" ? 1_000 : 1);
}

const performWrite: DirectiveHandler = async (argument, context) => {
  const [, path = "", content = ""] = /^(\S+)\s?(.*)$/s.exec(argument) ?? [];
  const { session, signal } = context.actor;
  const file = resolve(session.workspace.root, path);
  const unescaped = content.replaceAll("\\n", "\n");
  const call = await session.createToolCall(
    { title: `Write ${path}`, kind: "edit", locations: [{ path: file }] },
    signal,
  );
  await call.start();
  try {
    if (session.client.canWrite) await session.client.writeText(file, unescaped);
    else await writeFile(file, unescaped);
    await call.complete([{ type: "diff", path: file, newText: unescaped }]);
    await sendLine(context, `wrote ${path}`);
  } catch (error) {
    await call.fail([createTextContent(getErrorMessage(error))]);
    await sendLine(context, `write failed: ${getErrorMessage(error)}`);
  }
};

const performRead: DirectiveHandler = async (path, context) => {
  const { session } = context.actor;
  const file = resolve(session.workspace.root, path);
  try {
    await sendLine(
      context,
      session.client.canRead ? await session.client.readText(file) : await readFile(file, "utf8"),
    );
  } catch (error) {
    await sendLine(context, `read failed: ${getErrorMessage(error)}`);
  }
};

const performAsk: DirectiveHandler = async (argument, context) => {
  const { session, signal } = context.actor;
  const edit = argument.startsWith("edit ");
  const title = edit ? argument.slice("edit ".length) : argument;
  const call = await session.createToolCall({ title, kind: edit ? "edit" : "execute" }, signal);
  const allowed = await call.requestPermission(edit ? "edit" : "command");
  await (allowed ? call.complete() : call.fail());
  await sendLine(context, `answer: ${allowed ? "allowed" : "rejected"}`);
};

const performModel: DirectiveHandler = async (prompt, context) => {
  const answer = await askModel(prompt, context.gateway, context.actor.signal);
  await sendLine(context, answer.complete ? `model answered: ${answer.text}` : `model failed: ${answer.reason}`);
};

const performers: Readonly<Record<string, DirectiveHandler>> = {
  say: (argument, context) => sendLine(context, argument),
  think: (argument, { actor }) => actor.sendThought(argument),
  plan: (argument, { actor }) => actor.startPlan(...argument.split("|").map((entry) => entry.trim())),
  sleep: (argument, { actor }) => sleep(parseDurationMs(argument), undefined, { signal: actor.signal }),
  write: performWrite,
  read: performRead,
  run: async (argument, context) =>
    sendLine(context, `exit code: ${(await context.actor.runCommand(argument)).exitCode}`),
  ask: performAsk,
  async flood(argument, context) {
    for (let index = 1; index <= Number(argument); index += 1) {
      context.actor.signal.throwIfAborted();
      await sendLine(context, `flood ${index}`);
    }
  },
  model: performModel,
  recall: (_rest, context) =>
    sendLine(context, `recall: ${context.notebook.notes.map(({ prompt }) => prompt).join(" / ") || "nothing"}`),
  stderr: async (argument) => void process.stderr.write(`${argument}\n`),
  print: (argument) => writeOutput(`${argument}\n`),
  async "print-bytes"(argument) {
    for (let remainingBytes = Number(argument); remainingBytes > 0; remainingBytes -= printedLine.length)
      await writeOutput(printedLine);
  },
  fail: (argument) => Promise.reject(new WharfError("agent_refused", { reason: argument })),
  stop: async (argument) => Stop.parse(argument),
  exit: (argument) => process.exit(Number(argument)),
  async die() {
    process.kill(process.ppid, "SIGKILL");
    process.exit(1);
  },
  hang: (argument, { actor }) => sleep(foreverMs, undefined, argument === "deaf" ? {} : { signal: actor.signal }),
};

export const parseDirectives = (prompt: string): Directive[] =>
  [...prompt.matchAll(/^\s*demo:[ \t]*([a-z-]+)[ \t]*(.*)$/gm)].map(([, name = "", argument = ""]) => ({
    name,
    argument: argument.trimEnd(),
  }));

/** Performs the directives in order, until one ends the turn. */
export async function performDirectives(
  directives: readonly Directive[],
  context: DirectiveContext,
): Promise<StopReason> {
  for (const { name, argument } of directives) {
    context.actor.signal.throwIfAborted();
    const perform = Object.hasOwn(performers, name) ? performers[name] : undefined;
    if (!perform) throw new WharfError("directive_not_found", { name });
    const stop = await perform(argument, context);
    if (stop) return stop;
  }
  return "end_turn";
}
