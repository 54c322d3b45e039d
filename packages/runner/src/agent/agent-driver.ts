import type { Attachments } from "@wharf/contract";
import type { ProcessExit } from "./process/process-group.ts";

/** What became of a prompt. */
export type PromptResult =
  | { kind: "answered"; stopReason: string }
  | { kind: "refused"; reason: string }
  /** The agent's process is gone; the driver has recorded how it ended. */
  | { kind: "exited"; exit: ProcessExit };

export interface AgentSession {
  session_id?: string;
  loaded: boolean;
}

/** What an agent is given in a turn. */
export interface PromptInput {
  turn_id: string;
  text: string;
  context?: string | undefined;
  attachments?: Attachments | undefined;
}

/** One way of talking to a program that is an agent. Made for one run; started once. */
export interface AgentDriver {
  /** Resolves when the agent can be prompted. Rejects with an error of the catalogue, and then nothing is left running. */
  start(): Promise<AgentSession>;
  /** Gives the agent its turn. Never rejects. */
  prompt(prompt: PromptInput): Promise<PromptResult>;
  /** Rejects where the agent offers no such mode, or none at all. */
  setMode(id: string): Promise<void>;
  setModel(id: string): Promise<void>;
  /** Asks the agent to end its turn. */
  cancel(): void;
  /** Ends a turn that does not end: at once, and the process with it. */
  kill(): void;
  /** Ends the agent politely; resolves when nothing of it is left. */
  end(reason: string): Promise<void>;
  /** Aborted when the agent can be prompted no more. */
  readonly gone: AbortSignal;
}
