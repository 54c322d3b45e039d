import type { ShapeNode } from "./shape.ts";
import { TokenBuffer } from "./token-buffer.ts";

export type Scalar = string | number | boolean | null;

export interface JsonScannerOptions {
  readonly shape: ShapeNode;
  /** Called with each wanted value; undefined stands for a container or too long a value. */
  readonly onValue: (path: string, value: Scalar | undefined) => void;
  /** Called at the end of each object at the root, or in an array at the root. */
  readonly onRecord?: () => void;
  /**
   * Translates each key before it is compared with the shape. If it is given, a wanted key must not
   * occur twice in an object, because programs disagree about which of the two counts.
   */
  readonly toKey?: ((key: string) => string) | undefined;
}

/** A container that has begun. */
interface Container {
  readonly isObject: boolean;
  readonly node: ShapeNode | undefined;
  /** The wanted keys that have occurred, if they must not be repeated. */
  readonly seenKeys: Set<string> | undefined;
}

type State = "value" | "value or ]" | "key" | "key or }" | ":" | ", or end" | "string" | "word";

const noBytes = Buffer.alloc(0);
const quote = 0x22;
const backslash = 0x5c;
/** Deeper content is refused: no API needs it, and it costs memory. */
const maxDepth = 256;
/** Keys of one text that are translated before they are compared. Requests have a few dozen. */
const maxTranslatedKeys = 1_000;

/**
 * Reads one JSON text in chunks and reports the values of a shape. Its memory does not depend on
 * the size of the text: it keeps the open containers and the value that it is reading, both
 * limited. It accepts the grammar of JSON and nothing else, so that it finds the same values as the
 * program that reads the text after it; only numbers that it skips may be malformed.
 */
export class JsonScanner {
  readonly #options: JsonScannerOptions;
  readonly #containers: Container[] = [];
  readonly #token = new TokenBuffer();
  #state: State = "value";
  /** The node of the value that comes next or is being read. */
  #node: ShapeNode | undefined;
  #isKey = false;
  #escapedBytes = 0;
  #hasBegun = false;
  #problem: string | undefined;
  #textBytes = 0;
  #translatedKeys = 0;

  constructor(options: JsonScannerOptions) {
    this.#options = options;
    this.#node = options.shape;
  }

  /** Why this is not JSON, or not acceptable. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Whether the value at the root has ended. */
  get isComplete(): boolean {
    return this.#problem === undefined && this.#state === ", or end" && this.#containers.length === 0;
  }

  /** The bytes of strings under keys of the kind `text`, in all texts so far. */
  get textBytes(): number {
    return this.#textBytes;
  }

  get #isInWord(): boolean {
    return this.#state === "word";
  }

  /** Begins a new text. */
  reset(): void {
    this.#containers.length = 0;
    this.#state = "value";
    this.#node = this.#options.shape;
    this.#isKey = false;
    this.#escapedBytes = 0;
    this.#hasBegun = false;
    this.#problem = undefined;
    this.#translatedKeys = 0;
    this.#token.stop();
  }

  add(bytes: Buffer, start = 0, end = bytes.length): void {
    let offset = start;
    while (offset < end && this.#problem === undefined) {
      if (this.#state === "string") offset = this.#readString(bytes, offset, end);
      else if (this.#state === "word") offset = this.#readWord(bytes, offset, end);
      else {
        this.#readStructure(bytes[offset] ?? 0);
        // The first byte of a word belongs to the word.
        if (!this.#isInWord) offset++;
      }
    }
  }

  /** Ends the text; returns what is wrong with it. */
  end(): string | undefined {
    if (this.#state === "word" && this.#containers.length === 0) this.#endWord(noBytes, 0, 0);
    if (this.#problem === undefined && !this.isComplete)
      this.#problem = this.#hasBegun ? "it ends too early" : "it is empty";
    return this.#problem;
  }

  #readStructure(byte: number): void {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return;
    this.#hasBegun = true;
    switch (this.#state) {
      case "value or ]":
        if (byte === 0x5d) return this.#endContainer(false);
        return this.#beginValue(byte);
      case "value":
        return this.#beginValue(byte);
      case "key or }":
        if (byte === 0x7d) return this.#endContainer(true);
        return this.#beginKey(byte);
      case "key":
        return this.#beginKey(byte);
      case ":":
        if (byte !== 0x3a) return this.#reject();
        this.#state = "value";
        return undefined;
      default:
        return this.#continueContainer(byte);
    }
  }

  #continueContainer(byte: number): void {
    const container = this.#containers.at(-1);
    if (!container) return this.#reject("something follows its end");
    if (byte === 0x2c) {
      this.#state = container.isObject ? "key" : "value";
      if (!container.isObject) this.#node = container.node;
    } else if (byte === 0x5d || byte === 0x7d) this.#endContainer(byte === 0x7d);
    else this.#reject();
  }

  #beginKey(byte: number): void {
    if (byte !== quote) return this.#reject();
    this.#isKey = true;
    this.#state = "string";
    if ((this.#containers.at(-1)?.node?.children.size ?? 0) > 0) this.#token.start();
  }

  #beginValue(byte: number): void {
    if (byte === 0x7b || byte === 0x5b) return this.#beginContainer(byte === 0x7b);
    this.#isKey = false;
    if (this.#node?.kind === "value") this.#token.start();
    if (byte === quote) {
      this.#state = "string";
      return;
    }
    const isLetter = byte === 0x74 || byte === 0x66 || byte === 0x6e;
    if (!isLetter && byte !== 0x2d && !(byte >= 0x30 && byte <= 0x39)) return this.#reject();
    // Numbers are not kept to check their spelling: vectors have thousands of them.
    if (isLetter) this.#token.start();
    this.#state = "word";
  }

  #beginContainer(isObject: boolean): void {
    if (this.#containers.length === maxDepth) return this.#reject(`it is nested more than ${maxDepth} levels deep`);
    if (this.#node?.kind === "value") {
      this.#options.onValue(this.#node.path, undefined);
      this.#node = undefined;
    }
    const mayRepeat = this.#options.toKey === undefined || !isObject || !this.#node;
    this.#containers.push({ isObject, node: this.#node, seenKeys: mayRepeat ? undefined : new Set() });
    this.#state = isObject ? "key or }" : "value or ]";
  }

  #endContainer(isObject: boolean): void {
    const container = this.#containers.pop();
    if (container?.isObject !== isObject) return this.#reject();
    this.#state = ", or end";
    if (isObject && container.node === this.#options.shape) this.#options.onRecord?.();
  }

  /** Reads to the end of the string or of the bytes; returns the offset that follows. */
  #readString(bytes: Buffer, start: number, end: number): number {
    let offset = start;
    if (this.#escapedBytes > 0) {
      this.#readEscape(bytes[offset++] ?? 0);
    } else {
      let byte = bytes[offset] ?? 0;
      while (offset < end && byte !== quote && byte !== backslash && byte >= 0x20) byte = bytes[++offset] ?? 0;
      if (offset < end) {
        offset++;
        if (byte === quote) {
          this.#endString(bytes, start, offset - 1);
          return offset;
        }
        if (byte !== backslash) this.#reject("a string contains a control character");
        this.#escapedBytes = 1;
      }
    }
    this.#addStringBytes(bytes, start, offset);
    return offset;
  }

  /** The first byte after a backslash may be `u`, which four hexadecimal digits follow. */
  #readEscape(byte: number): void {
    if (this.#escapedBytes > 1) {
      if (!isHexadecimal(byte)) this.#reject("a string contains an invalid escape");
      this.#escapedBytes = this.#escapedBytes === 5 ? 0 : this.#escapedBytes + 1;
    } else if (byte === 0x75) this.#escapedBytes = 2;
    else {
      if (!simpleEscapes.has(byte)) this.#reject("a string contains an invalid escape");
      this.#escapedBytes = 0;
    }
  }

  #addStringBytes(bytes: Buffer, start: number, end: number): void {
    this.#token.add(bytes, start, end);
    if (!this.#isKey && this.#node?.kind === "text") this.#textBytes += end - start;
  }

  #endString(bytes: Buffer, start: number, end: number): void {
    if (!this.#isKey && this.#node?.kind === "text") this.#textBytes += end - start;
    const text = this.#token.endString(bytes, start, end);
    if (!this.#isKey) return this.#endValue(text);
    this.#state = ":";
    const { node, seenKeys } = this.#containers.at(-1) ?? {};
    const key = seenKeys ? this.#translateKey(text) : text;
    const child = key === undefined ? undefined : node?.children.get(key);
    this.#node = child ?? node?.others;
    if (!child || !seenKeys || key === undefined) return;
    if (seenKeys.has(key)) this.#reject(`it contains '${child.path}' twice`);
    seenKeys.add(key);
  }

  #translateKey(text: string | undefined): string | undefined {
    if (text === undefined) this.#reject("a key is too long");
    else if (++this.#translatedKeys > maxTranslatedKeys) this.#reject("it has too many keys");
    else return this.#options.toKey?.(text);
    return undefined;
  }

  #readWord(bytes: Buffer, start: number, end: number): number {
    let offset = start;
    while (offset < end && isWordByte(bytes[offset] ?? 0)) offset++;
    if (offset < end) this.#endWord(bytes, start, offset);
    else this.#token.add(bytes, start, offset);
    return offset;
  }

  #endWord(bytes: Buffer, start: number, end: number): void {
    const value = this.#token.endWord(bytes, start, end);
    if (value === "invalid") return this.#reject();
    this.#endValue(value);
  }

  #endValue(value: Scalar | undefined): void {
    this.#state = ", or end";
    if (this.#node?.kind === "value") this.#options.onValue(this.#node.path, value);
  }

  #reject(problem = "it is not JSON"): void {
    this.#problem ??= problem;
  }
}

const simpleEscapes = new Set(Buffer.from('"\\/bfnrt'));

const isHexadecimal = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);

/** Whether a byte may be part of a number, of true, false or null. */
const isWordByte = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) ||
  (byte >= 0x61 && byte <= 0x7a) ||
  byte === 0x2b ||
  byte === 0x2d ||
  byte === 0x2e ||
  byte === 0x45;
