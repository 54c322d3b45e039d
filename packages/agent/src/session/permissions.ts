import type { PermissionOption, RequestPermissionRequest } from "@agentclientprotocol/sdk";
import { z } from "zod";
import type { Client } from "../client.ts";
import type { History } from "./history.ts";

/** The user is asked before these actions. */
export type PermittedAction = "edit" | "command";

export const PermissionMode = z.enum(["ask", "allow-edits", "allow-all"]);
export type PermissionMode = z.infer<typeof PermissionMode>;

export const modes: { id: PermissionMode; name: string; description: string }[] = [
  { id: "ask", name: "Ask", description: "Asks before each edit and command" },
  { id: "allow-edits", name: "Allow edits", description: "Edits files without asking, asks before commands" },
  { id: "allow-all", name: "Allow all", description: "Edits and runs commands without asking" },
];

const createOptions = (what: PermittedAction): PermissionOption[] => [
  { optionId: "allow_once", name: "Allow", kind: "allow_once" },
  { optionId: "allow_always", name: `Allow every ${what} in this session`, kind: "allow_always" },
  { optionId: "reject", name: "Reject", kind: "reject_once" },
];

/**
 * Decides whether the user allows an action. An "always" answer applies to the session, even after
 * it is loaded again.
 */
export class Permissions {
  mode: PermissionMode = "ask";
  readonly #client: Client;
  readonly #history: History;
  readonly #allowed: Set<PermittedAction>;

  constructor(client: Client, history: History) {
    this.#client = client;
    this.#history = history;
    this.#allowed = new Set(history.records.flatMap((record) => (record.kind === "allowed" ? [record.what] : [])));
  }

  async requestPermission(
    what: PermittedAction,
    toolCall: RequestPermissionRequest["toolCall"],
    signal: AbortSignal,
  ): Promise<"allowed" | "rejected" | "cancelled"> {
    if (this.#isAllowed(what)) return "allowed";
    const answer = await this.#client.requestPermission({ toolCall, options: createOptions(what) }, signal);
    if (answer === undefined) return "cancelled";
    if (answer === "allow_always") {
      this.#allowed.add(what);
      this.#history.append({ kind: "allowed", what });
    }
    return answer.startsWith("allow") ? "allowed" : "rejected";
  }

  #isAllowed(what: PermittedAction): boolean {
    if (this.mode === "allow-all" || this.#allowed.has(what)) return true;
    return this.mode === "allow-edits" && what === "edit";
  }
}
