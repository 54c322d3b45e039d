import { randomBytes, randomUUID } from "node:crypto";
import { daemonApi, type EventData, type ExecEvent, JournalRecord } from "@wharf/contract";
import { acceptWire, createWireClient, Mux, type WireClient } from "@wharf/contract/wire";
import type { RunnerSpec } from "../backend.ts";
import type { MockBackend } from "./index.ts";

/** What tests of the mock backend share. */

const key = randomBytes(32).toString("hex");

export const spec = (id: string = randomUUID()): RunnerSpec => ({
  id,
  wireKey: key,
  limits: { cpu: 1, memoryBytes: 2 ** 28, diskBytes: 2 ** 28, processes: 100 },
  programs: [],
});

export interface Line extends Disposable {
  readonly client: WireClient;
  readonly closed: Promise<unknown>;
}

/** Dials as the server does, whose gateway answers nothing. */
export async function dial(backend: MockBackend, id: string, epoch = 1): Promise<Line> {
  const duplex = await backend.dial(id, AbortSignal.timeout(5_000));
  await acceptWire(duplex, { key, runnerId: id, epoch });
  const mux = new Mux(duplex, { side: "server", onStream: (stream) => stream.destroy() });
  return {
    client: createWireClient(mux, { runnerId: id }),
    closed: mux.closed,
    [Symbol.dispose]: () => mux.destroy(new Error("hung up")),
  };
}

export const agentOf = (run_id: string, policy: "ask" | "allow-all" = "allow-all") => ({
  body: {
    run_id,
    command: ["wharf-demo-agent"],
    protocol: "acp" as const,
    environment: {},
    home_files: {},
    permission_policy: policy,
    permission_timeout_s: 10,
    start_timeout_s: 10,
  },
});

export const promptOf = (run_id: string, turn_id: string, text: string) => ({
  body: {
    run_id,
    turn_id,
    text,
    idle_timeout_s: 60,
    commit: { message: "A change", author_name: "A", author_email: "a@b" },
  },
});

/** Records from a cursor on until one is what is looked for. */
export async function until(
  client: WireClient,
  found: (data: EventData) => boolean,
  after = 0,
): Promise<JournalRecord[]> {
  const records: JournalRecord[] = [];
  const query = { after, follow: "true" };
  for await (const line of client.stream(daemonApi.journal, { query })) {
    records.push(JournalRecord.parse(line));
    if (found(records.at(-1)!.data)) break;
  }
  return records;
}

export const isOver = (data: EventData): boolean => data.kind === "turn" && data.status !== "started";

export async function ran(client: WireClient, command: string, more: object = {}) {
  const result = { stdout: "", stderr: "", exit: undefined as Extract<ExecEvent, { type: "exit" }> | undefined };
  for await (const line of client.stream(daemonApi.exec, { body: { command, ...more } })) {
    const event = line as ExecEvent;
    if (event.type === "exit") result.exit = event;
    else if (event.type === "stdout" || event.type === "stderr") result[event.type] += event.data;
  }
  return result;
}
