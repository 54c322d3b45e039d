import { createHash } from "node:crypto";
import type { SecretMatcher } from "../../../redaction/index.ts";
import type { GitObject, ObjectSink } from "./object-reader.ts";
import { getEntropy, secretRules } from "./secret-rules.ts";

export interface SecretFinding {
  readonly object: GitObject;
  readonly line: number;
  readonly rule: string;
  readonly description: string;
  /**
   * Identifies the text for a person who allows it. Undefined for a secret of the server, which no
   * one can allow.
   */
  readonly fingerprint?: string;
}

/** Scanned at once: short enough for the other work of the process. */
const windowBytes = 256 * 1024;
/** Longer than what the rules match, and than the longest form of any real secret. */
const overlapBytes = 32 * 1024;
const newline = 0x0a;

export interface ObjectScanOptions {
  readonly object: GitObject;
  readonly matcher: SecretMatcher;
  readonly onFinding: (finding: SecretFinding) => void;
}

/** Scans one object in windows that overlap, so that no chunk boundary hides a secret. */
export class ObjectScan implements ObjectSink {
  readonly #options: ObjectScanOptions;
  #pieces: Buffer[] = [];
  #length = 0;
  /** Number of bytes of the window that the previous one ended with. */
  #overlap = 0;
  /** Newlines before the window. */
  #linesBefore = 0;

  constructor(options: ObjectScanOptions) {
    this.#options = options;
  }

  add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#length += piece.length;
    if (this.#length < windowBytes + this.#overlap) return;
    const window = Buffer.concat(this.#pieces);
    this.#scan(window, false);
    const kept = Buffer.from(window.subarray(-overlapBytes));
    this.#linesBefore += countLines(window.subarray(0, window.length - kept.length));
    this.#pieces = [kept];
    this.#length = kept.length;
    this.#overlap = kept.length;
  }

  end(): void {
    this.#scan(Buffer.concat(this.#pieces), true);
  }

  #scan(window: Buffer, isEnd: boolean): void {
    const { matcher, object, onFinding } = this.#options;
    const lines = new LineCounter(window, 1 + this.#linesBefore);
    const report = (offset: number, finding: Omit<SecretFinding, "line" | "object">) =>
      onFinding({ ...finding, object, line: lines.getLine(offset) });
    matcher.redact(window, {
      isEnd,
      onMatch: ({ name, start }) => report(start, { rule: "known-secret", description: `the server's ${name}` }),
    });
    // A tree has only names and ids.
    if (object.type !== "tree") this.#applyRules(window.toString("latin1"), { isEnd, report });
  }

  #applyRules(
    text: string,
    {
      isEnd,
      report,
    }: { isEnd: boolean; report: (offset: number, finding: Omit<SecretFinding, "line" | "object">) => void },
  ): void {
    for (const { id, description, keywords, pattern, minEntropy } of secretRules) {
      if (!keywords.some((keyword) => text.includes(keyword))) continue;
      for (const match of text.matchAll(pattern)) {
        const secret = match.groups?.["secret"] ?? match[0];
        // The window that has the characters around it decides.
        const isCut =
          (match.index === 0 && this.#overlap > 0) || (!isEnd && match.index + match[0].length === text.length);
        if (isCut || getEntropy(secret) < minEntropy) continue;
        report(match.index, { rule: id, description, fingerprint: createFingerprint(id, secret) });
      }
    }
  }
}

/**
 * Returns the lines of offsets. Those of one rule ascend, so that a file with a match in each line
 * is not counted from its start for each of them.
 */
class LineCounter {
  readonly #bytes: Buffer;
  readonly #firstLine: number;
  #offset = 0;
  #newlines = 0;

  constructor(bytes: Buffer, firstLine: number) {
    this.#bytes = bytes;
    this.#firstLine = firstLine;
  }

  getLine(offset: number): number {
    if (offset < this.#offset) {
      this.#offset = 0;
      this.#newlines = 0;
    }
    this.#newlines += countLines(this.#bytes.subarray(this.#offset, offset));
    this.#offset = offset;
    return this.#firstLine + this.#newlines;
  }
}

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) count++;
  return count;
}

const createFingerprint = (rule: string, secret: string): string =>
  createHash("sha256").update(`${rule}\0${secret}`).digest("hex").slice(0, 16);
