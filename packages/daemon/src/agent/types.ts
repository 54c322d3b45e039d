import type {
  AgentPrompt,
  AgentStart,
  AgentState,
  EventData,
  EventDataByKind,
  EventType,
  JournalRecord,
  JournalState,
  PauseState,
  TurnKnowledge,
} from "@wharf/contract";
import type { z } from "zod";
import type { StateDisk } from "../file-system/state-disk.ts";
import type { ModelRequests } from "./pause/pause.ts";

export type AgentStartInput = z.infer<typeof AgentStart>;
export type AgentPromptInput = z.infer<typeof AgentPrompt>;
export type AgentStateOutput = z.infer<typeof AgentState>;
export type TurnKnowledgeOutput = z.infer<typeof TurnKnowledge>;

export interface JournalPlace {
  readonly epoch: string;
  readonly seq: number;
}

export interface JournalEntry {
  run_id: string;
  type: EventType;
  data: EventData;
}

/**
 * AgentJournal is the part of the journal that the agent host uses; the journal has other writers
 * too.
 */
export interface AgentJournal {
  /**
   * Resolves when the entry is accepted; waits while the journal is full. A rejection means that
   * the entry was not accepted.
   */
  append(entry: JournalEntry): Promise<void>;
  /**
   * Works like `append`, but first calls `prepare` with the entry's place, which no other entry
   * takes. If `prepare` fails, the entry was not accepted.
   */
  appendPrepared(entry: JournalEntry, prepare: (place: JournalPlace) => Promise<void>): Promise<void>;
  /** Resolves when all accepted entries are on disk. */
  flush(): Promise<void>;
  state(): JournalState;
  /** Yields the records on disk after a sequence, up to the newest. */
  read(from: { after: number }): AsyncIterable<JournalRecord>;
}

export interface AgentHostOptions {
  journal: AgentJournal;
  /** The agent works in this git checkout. The path is absolute, as are the other folders. */
  workspace: string;
  /** The agent uses this folder as its home. */
  home: string;
  /** The host keeps the turns' keys and the session here. The agent must not use this folder. */
  state: string;
  /** The relay inside the runner has this URL, for example `http://127.0.0.1:4100`. */
  gatewayUrl: string;
  /** The host closes this gate for the agent's model requests while the agent is paused. */
  models: ModelRequests;
  /** The host keeps its state on this disk. */
  disk: Pick<StateDisk, "isFull" | "makeRoom" | "keepReserve">;
  /** Commits the turn's changes; returns undefined if there are none. */
  commit(input: AgentPromptInput["commit"]): Promise<EventDataByKind<"commit"> | undefined>;
  /** Called when a state file was damaged and could not be trusted. */
  onDamage?(error: Error): void;
}

export interface StopOptions {
  /**
   * After this time the agent's remaining processes are killed; by default, the agent gets all its
   * grace periods.
   */
  killAfterMs?: number;
}

export interface AgentHost {
  /**
   * Settles the turns that an earlier daemon left open. Called once, before any other method; on a
   * full disk, waits until there is room.
   */
  recover(): Promise<void>;
  start(input: AgentStartInput): Promise<{ session_id?: string; loaded: boolean }>;
  /** Resolves when the turn is handed over, not when it ends. */
  prompt(input: AgentPromptInput): Promise<{ duplicate: boolean }>;
  turn(turnId: string): Promise<TurnKnowledgeOutput>;
  cancel(turnId: string): Promise<void>;
  answerPermission(input: { permission_id: string; option_id?: string; by: string }): Promise<void>;
  /**
   * Resolves when the agent's processes are frozen, or after a short wait; the pause then continues
   * in the background. A repeated call reports the progress.
   */
  pause(): Promise<PauseState>;
  resume(): Promise<PauseState>;
  setMode(modeId: string): Promise<void>;
  setModel(modelId: string): Promise<void>;
  stop(reason: string, options?: StopOptions): Promise<void>;
  state(): AgentStateOutput;
}
