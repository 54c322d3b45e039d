import type { AuditLog, AuditRecord } from "../../audit/index.ts";

export interface TerminalAuditOptions {
  readonly audit: Pick<AuditLog, "count" | "record" | "requireRoom">;
  readonly sender: Pick<AuditRecord, "organization_id" | "actor" | "address" | "user_agent">;
  readonly runnerId: string;
}

/**
 * Records a person's use of a terminal: that it begins, before the terminal exists, each time that
 * the person takes over the input, and the end.
 */
export class TerminalAudit {
  readonly #options: TerminalAuditOptions;
  readonly #startedAt = performance.now();

  constructor(options: TerminalAuditOptions) {
    this.#options = options;
  }

  /** Refuses a terminal that could not be recorded. */
  async begin(
    terminal: string,
    { canType, command }: { canType: boolean; command: string | undefined },
  ): Promise<void> {
    const { audit } = this.#options;
    audit.requireRoom();
    const details = { terminal, can_type: canType, ...(command !== undefined && { command }) };
    await audit.record({ ...this.#createRecord("openTerminal"), result: "begun", details });
  }

  recordTakeOver(terminal: string): void {
    this.#options.audit.count({ ...this.#createRecord("takeTerminal"), result: "ok", details: { terminal } });
  }

  /** The log of the server contains the entry if the audit log cannot be written. */
  async end(terminal: string, bytes: number): Promise<void> {
    const seconds = Math.round((performance.now() - this.#startedAt) / 1_000);
    const details = { terminal, seconds, bytes_sent: bytes };
    const record = { ...this.#createRecord("closeTerminal"), result: "ok", details } as const;
    await this.#options.audit.record(record).catch(() => undefined);
  }

  #createRecord(action: string): Omit<AuditRecord, "result"> {
    const { sender, runnerId } = this.#options;
    return { ...sender, action, target: { kind: "runner", id: runnerId } };
  }
}
