import type { TurnKnowledge } from "@wharf/contract";
import type { z } from "zod";
import type { Checkout } from "./git/mock-git.ts";
import { MemoryFiles } from "./memory-files.ts";
import { MemoryJournal } from "./memory-journal.ts";

export type KnownState = Exclude<z.infer<typeof TurnKnowledge>["state"], "unknown">;

/** What a runner keeps while its daemon is away. */
export interface MockDisk {
  readonly files: MemoryFiles;
  readonly journal: MemoryJournal;
  readonly turns: Map<string, { readonly run_id: string; state: KnownState }>;
  /** By run: the session, and what was asked in it. */
  readonly sessions: Map<string, { readonly session_id: string; readonly prompts: string[] }>;
  checkout?: Checkout;
}

export function newDisk(capacityBytes: number, writeMs: () => number): MockDisk {
  return {
    files: new MemoryFiles(capacityBytes),
    journal: new MemoryJournal(writeMs),
    turns: new Map(),
    sessions: new Map(),
  };
}
