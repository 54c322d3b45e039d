import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { api, type AuditAnchor, type AuditVerification, AuditVerificationLine, WharfError } from "@wharf/contract";
import { ChainCheck, parseExportLine } from "@wharf/contract/audit";
import { readNdjsonLines } from "@wharf/contract/wire";
import { createUsageError } from "../failure.ts";
import { readPieces, requestStream } from "../runner/request.ts";
import type { Client } from "../server/client.ts";

const maxLineBytes = 1 << 20;

interface VerifyOptions {
  readonly anchor: AuditAnchor | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (checked: number, end: number) => void;
}

/** Makes the server compute its log's chain again. */
export async function verifyLog(
  { locate }: Client,
  { anchor, signal, onProgress }: VerifyOptions,
): Promise<AuditVerification> {
  const query = anchor ? { anchor_sequence: anchor.sequence, anchor_hash: anchor.hash } : {};
  const answer = await requestStream(locate, api.verifyAudit, { query }, { signal });
  for await (const text of readNdjsonLines(readPieces(answer, signal), maxLineBytes)) {
    const line = AuditVerificationLine.parse(JSON.parse(text));
    if (line.type === "outcome") return line;
    onProgress(line.checked, line.end);
  }
  throw new WharfError("server_unreachable", { url: answer.serverName, reason: "the verification broke off" });
}

/** Computes the chain of a full export again, without a server. */
export async function verifyExport(folder: string, path: string): Promise<AuditVerification> {
  let check: ChainCheck | undefined;
  let start: AuditAnchor | undefined;
  for await (const line of readLines(folder, path)) {
    const entry = parseExportLine(line);
    if (!entry) throw createUsageError(`${path} is not an export of the audit log`);
    if (!check && entry.sequence > 1) {
      // What precedes the first line was pruned, so its own hash is where the check begins.
      start = { sequence: entry.sequence, hash: entry.hash };
      check = new ChainCheck({ start });
      continue;
    }
    check ??= new ChainCheck();
    if (!check.add(entry)) break;
  }
  const { checked, end, fault } = check ?? new ChainCheck();
  return { intact: !fault, checked, start: start ?? new ChainCheck().end, end, ...(fault && { fault }) };
}

async function* readLines(folder: string, path: string): AsyncGenerator<string, void, undefined> {
  const file = createReadStream(resolve(folder, path));
  try {
    yield* readNdjsonLines(file, maxLineBytes);
  } catch (error) {
    if (error instanceof Error && "syscall" in error)
      throw createUsageError(`${path} cannot be read: ${error.message}`);
    throw error;
  }
}
