/**
 * Directives: lines of a prompt that say exactly what the demo agent does, so that a test can drive a real ACP agent.
 * They are done in order; a prompt that has any is nothing but its directives.
 *
 *   demo: say TEXT             a message
 *   demo: think TEXT           a thought
 *   demo: plan A | B | C       a plan with its first entry in progress
 *   demo: sleep 5s             waits (ms or s); ends when cancelled
 *   demo: write PATH CONTENT   writes a file through the client where it owns files, the path as it stands, unchecked;
 *                              \n in CONTENT is a line break. Says what came of it. Asks nobody.
 *   demo: read PATH            reads a file in the same way and says its text
 *   demo: run COMMAND          runs a shell command, shows its output, says the exit code. Asks nobody.
 *   demo: ask TITLE            asks for permission to run a command and says the answer
 *   demo: ask edit TITLE       asks for permission to edit a file and says the answer
 *   demo: flood N              N messages as fast as they go
 *   demo: model PROMPT         asks the gateway's model once: "model answered: …" or "model failed: …"
 *   demo: recall               says the prompts of the session's earlier turns
 *   demo: stderr TEXT          a line on standard error
 *   demo: print TEXT           a line on standard output that is not protocol
 *   demo: print-bytes N        N bytes of such lines
 *   demo: fail TEXT            ends the turn with an error
 *   demo: stop REASON          ends the turn with this stop reason
 *   demo: exit N               ends the process at once
 *   demo: die                  kills the process that started it, a runner's daemon, and ends
 *   demo: hang                 does nothing until the turn is cancelled
 *   demo: hang deaf            does nothing, ever
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
const foreverMs = 2 ** 31 - 1; // the longest a timer takes
const printedLine = `${"x".repeat(1023)}\n`;

/** Undefined: go on with the next directive. */
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
      issues: [{ path: "demo: sleep", message: `'${argument}' is no duration such as 5s or 200ms` }],
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

/** Does the directives in order, until one ends the turn. */
export async function performDirectives(
  directives: readonly Directive[],
  context: DirectiveContext,
): Promise<StopReason> {
  for (const { name, argument } of directives) {
    context.actor.signal.throwIfAborted();
    const perform = Object.hasOwn(performers, name) ? performers[name] : undefined;
    if (!perform) throw new WharfError("not_found", { what: "directive", id: `demo: ${name}` });
    const stop = await perform(argument, context);
    if (stop) return stop;
  }
  return "end_turn";
}
