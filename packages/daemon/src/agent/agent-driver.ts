import type { Attachments } from "@wharf/contract";
import type { ProcessExit } from "./process/process-group.ts";

/** A prompt ends with one of these results. */
export type PromptResult =
  | { kind: "answered"; stopReason: string }
  | { kind: "refused"; reason: string }
  /** The agent's process has exited; the driver has recorded how. */
  | { kind: "exited"; exit: ProcessExit };

export interface AgentSession {
  session_id?: string;
  loaded: boolean;
}

/** The agent receives this input in a turn. */
export interface PromptInput {
  turn_id: string;
  text: string;
  context?: string | undefined;
  attachments?: Attachments | undefined;
}

/**
 * AgentDriver communicates with one kind of agent program. Each instance serves one run and starts
 * once.
 */
export interface AgentDriver {
  /**
   * Resolves when the agent accepts prompts. Rejects with an error of the catalogue after stopping
   * every process.
   */
  start(): Promise<AgentSession>;
  /** Starts the agent's turn. Never rejects. */
  prompt(prompt: PromptInput): Promise<PromptResult>;
  /** Rejects if the agent does not offer the mode, or offers none. */
  setMode(id: string): Promise<void>;
  setModel(id: string): Promise<void>;
  /** Asks the agent to end its turn. */
  cancel(): void;
  /** Kills the process at once, to end a turn that does not end. */
  kill(reason: string): void;
  /** Ends the agent gracefully; resolves when all its processes have exited. */
  end(reason: string): Promise<void>;
  /** Aborted when the agent can no longer be prompted. */
  readonly exitSignal: AbortSignal;
}
