import type { StopReason } from "@agentclientprotocol/sdk";
import { z } from "zod";
import type { Session } from "../session/index.ts";
import { Actor } from "./actor.ts";
import { describeRepository } from "./describe-script.ts";
import { parseDirectives, performDirectives } from "./directives.ts";
import { Notebook } from "./notebook.ts";
import { continueSample, fixSample } from "./sample-script.ts";

const introduction =
  "I am Wharf's demo agent: a script, not a model. I do not understand your prompt and follow fixed steps, but I read and change real files and run the tests, in my own sandbox.";

const Package = z.looseObject({ name: z.string() });

async function isSample(session: Session): Promise<boolean> {
  try {
    return Package.parse(JSON.parse(await session.workspace.read("package.json"))).name === "tidy-duration";
  } catch {
    return false;
  }
}

async function performScript(actor: Actor, notebook: Notebook, prompt: string): Promise<string> {
  const previousNote = notebook.notes.at(-1);
  if (!previousNote) await actor.sendMessage(introduction);
  else
    await actor.sendMessage(
      `I remember this conversation (turn ${notebook.notes.length + 1} of a script, not a model): you asked "${previousNote.prompt}", and I ${previousNote.did}.`,
    );
  if (!(await isSample(actor.session))) return describeRepository(actor, notebook, prompt);
  return previousNote ? continueSample(actor, notebook) : fixSample(actor);
}

/**
 * Runs one turn of the demo agent: the prompt's directives if it has any, otherwise the script that
 * fits the repository.
 */
export async function runDemoTurn(
  session: Session,
  prompt: string,
  options: { signal: AbortSignal; gateway: { url: string; token: string } },
): Promise<StopReason> {
  const { signal, gateway } = options;
  const actor = new Actor(session, signal);
  const notebook = Notebook.getForSession(session);
  const directives = parseDirectives(prompt);
  let did = "was interrupted";
  try {
    if (directives.length > 0) {
      const reason = await performDirectives(directives, { actor, notebook, gateway });
      did = "followed the directives";
      return reason;
    }
    did = await performScript(actor, notebook, prompt);
    return "end_turn";
  } catch (error) {
    if (!signal.aborted) throw error;
    return "cancelled";
  } finally {
    notebook.addNote(prompt, did);
  }
}
