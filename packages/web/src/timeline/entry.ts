import type { EventData } from "@wharf/client";

type DataByKind<K extends EventData["kind"]> = Extract<EventData, { kind: K }>;

export type Phase = Omit<DataByKind<"phase">, "kind"> & { readonly startedAt: string };

/** The steps of one start of a run, in the order in which they began. */
export interface StartData {
  readonly kind: "start";
  readonly phases: readonly Phase[];
}

type ShownKind =
  | "agent_exit"
  | "comment"
  | "commit"
  | "denied"
  | "failure"
  | "message"
  | "notice"
  | "output"
  | "permission"
  | "plan"
  | "push"
  | "report"
  | "session"
  | "state"
  | "thought"
  | "tool_call"
  | "turn"
  | "update";

export type EntryData = DataByKind<ShownKind> | StartData;

/** A line of the timeline: what one or more events say together. It is replaced, never changed. */
export interface Entry<Data extends EntryData = EntryData> {
  /** The sequence of its first event. */
  readonly seq: number;
  readonly timestamp: string;
  /** The time of its newest event. */
  readonly changedAt: string;
  readonly data: Data;
}

export type EntryByKind<K extends EntryData["kind"]> = Entry<Extract<EntryData, { kind: K }>>;
