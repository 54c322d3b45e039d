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
import type { StateDisk } from "../support/state-disk.ts";
import type { ModelRequests } from "./pause/pause.ts";
import type { z } from "zod";

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

/** What the agent host needs of the journal, which has other writers too. */
export interface AgentJournal {
  /** Resolves when the entry is accepted; waits while the journal is full. A rejection means that it was not taken. */
  append(entry: JournalEntry): Promise<void>;
  /** Like `append`, and calls `prepare` first, with the entry's place, which nothing else takes. A failure of it means that the entry was not taken. */
  appendPrepared(entry: JournalEntry, prepare: (place: JournalPlace) => Promise<void>): Promise<void>;
  /** Resolves when all that was accepted is on disk. */
  flush(): Promise<void>;
  state(): JournalState;
  /** The records on disk after a sequence, to the newest. */
  read(from: { after: number }): AsyncIterable<JournalRecord>;
}

export interface AgentHostOptions {
  journal: AgentJournal;
  /** The git checkout the agent works in. Absolute, as are the other folders. */
  workspace: string;
  /** Home of the agent. */
  home: string;
  /** Where the turns' keys and the session are kept. The agent has no business here. */
  state: string;
  /** The relay inside the runner, such as `http://127.0.0.1:4100`. */
  gatewayUrl: string;
  /** The agent's way to its models, which is closed while it is paused. */
  models: ModelRequests;
  /** The disk that the state is on. */
  disk: Pick<StateDisk, "isFull" | "makeRoom" | "keepReserve">;
  /** Commits what the turn changed; nothing where it changed nothing. */
  commit(input: AgentPromptInput["commit"]): Promise<EventDataByKind<"commit"> | undefined>;
  /** Called when a file of the state was damaged and could not be trusted. */
  onDamage?(error: Error): void;
}

export interface StopOptions {
  /** After this, what is left of the agent is killed; without it, it gets all its graces. */
  killAfterMs?: number;
}

export interface AgentHost {
  /** Settles what an earlier daemon left open. Called once, before anything else; where the disk is full it takes until there is room. */
  recover(): Promise<void>;
  start(input: AgentStartInput): Promise<{ session_id?: string; loaded: boolean }>;
  /** Resolves when the turn is handed over, not when it ends. */
  prompt(input: AgentPromptInput): Promise<{ duplicate: boolean }>;
  turn(turnId: string): Promise<TurnKnowledgeOutput>;
  cancel(turnId: string): Promise<void>;
  answerPermission(input: { permission_id: string; option_id?: string; by: string }): Promise<void>;
  /** Resolves when its processes are frozen, or soon; the pause goes on by itself. Asked again it says how far it is. */
  pause(): Promise<PauseState>;
  resume(): Promise<PauseState>;
  setMode(modeId: string): Promise<void>;
  setModel(modelId: string): Promise<void>;
  stop(reason: string, options?: StopOptions): Promise<void>;
  state(): AgentStateOutput;
}
