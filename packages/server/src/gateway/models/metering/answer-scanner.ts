import { JsonScanner, type JsonScannerOptions } from "../json/json-scanner.ts";

const dataPrefix = Buffer.from("data:");
const newline = Buffer.from("\n");
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Scans a model's answer as it passes: JSON, or a stream of events whose data is JSON. It keeps
 * nothing of a line, so lines of any length need no memory.
 */
export class AnswerScanner {
  readonly #json: JsonScanner;
  readonly #onEventEnd: () => void;
  #form: "unknown" | "json" | "events" = "unknown";
  #line: "prefix" | "data" | "ignored" = "prefix";
  #matchedBytes = 0;
  #previousByte = 0;

  /** `onEventEnd` is called at the end of each event; the next one begins a new JSON text. */
  constructor(options: JsonScannerOptions, onEventEnd: () => void) {
    this.#json = new JsonScanner(options);
    this.#onEventEnd = onEventEnd;
  }

  get textBytes(): number {
    return this.#json.textBytes;
  }

  add(chunk: Buffer): void {
    if (this.#form === "unknown") this.#form = detectForm(chunk);
    if (this.#form === "json") this.#json.add(chunk);
    else if (this.#form === "events") this.#addLines(chunk);
  }

  #addLines(chunk: Buffer): void {
    for (let offset = 0; offset < chunk.length;) {
      const end = findLineEnd(chunk, offset);
      this.#addLinePart(chunk, offset, end);
      if (end < chunk.length) this.#endLine(chunk[end] ?? 0);
      offset = end + 1;
    }
  }

  #addLinePart(bytes: Buffer, start: number, end: number): void {
    let offset = start;
    for (; offset < end && this.#line === "prefix"; offset++) {
      if (bytes[offset] !== dataPrefix[this.#matchedBytes]) this.#line = "ignored";
      else if (++this.#matchedBytes === dataPrefix.length) this.#line = "data";
    }
    if (this.#line === "data") this.#json.add(bytes, offset, end);
    if (end > start) this.#previousByte = bytes[end - 1] ?? 0;
  }

  #endLine(byte: number): void {
    const isRestOfLineEnd = byte === lineFeed && this.#previousByte === carriageReturn;
    this.#previousByte = byte;
    if (isRestOfLineEnd) return;
    if (this.#line === "data") this.#json.add(newline);
    else if (this.#line === "prefix" && this.#matchedBytes === 0) {
      this.#json.reset();
      this.#onEventEnd();
    }
    this.#line = "prefix";
    this.#matchedBytes = 0;
  }
}

/** The first byte that is not white space begins JSON or a line of an event. */
function detectForm(chunk: Buffer): "unknown" | "json" | "events" {
  const first = chunk.find((byte) => byte > 0x20);
  if (first === undefined) return "unknown";
  return first === 0x7b || first === 0x5b ? "json" : "events";
}

function findLineEnd(bytes: Buffer, start: number): number {
  let offset = start;
  while (offset < bytes.length && bytes[offset] !== lineFeed && bytes[offset] !== carriageReturn) offset++;
  return offset;
}
