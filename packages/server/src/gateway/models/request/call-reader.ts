import { isUtf8 } from "node:buffer";
import type { ModelCall } from "../../context.ts";
import { JsonScanner, type Scalar } from "../json/json-scanner.ts";
import { compileShape, type ShapeNode } from "../json/shape.ts";
import { createInvalidRequestError, createModelCall, getCallKind, type CallTarget } from "./model-call.ts";
import { requestShapes } from "./request-shapes.ts";

/**
 * Spellings that some parser takes for the same key: other cases, other forms of a letter, with or
 * without underscores, with an end that a C program does not see.
 */
const normaliseKey = (key: string): string =>
  (key.split("\0", 1)[0] ?? "")
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, "");

const compiledShapes: { readonly [Api in CallTarget["api"]]: ShapeNode } = {
  gemini: compileShape(requestShapes.gemini, normaliseKey),
  anthropic: compileShape(requestShapes.anthropic, normaliseKey),
  openai: compileShape(requestShapes.openai, normaliseKey),
};

/**
 * Reads what a request asks of a model while its body arrives. The model's server must not read
 * another model or another limit in the same bytes, so a body that two parsers may read differently
 * is refused.
 */
export class CallReader {
  readonly #target: CallTarget;
  readonly #values = new Map<string, Scalar | undefined>();
  /** Undefined if the call costs nothing. */
  readonly #scanner: JsonScanner | undefined;

  constructor(target: CallTarget) {
    this.#target = target;
    const kind = getCallKind(target);
    if (kind !== "answer" && kind !== "embedding") return;
    this.#scanner = new JsonScanner({
      shape: compiledShapes[target.api],
      onValue: (path, value) => this.#values.set(path, value),
      toKey: normaliseKey,
    });
  }

  add(chunk: Buffer): void {
    this.#scanner?.add(chunk);
  }

  /** Returns what the whole body asks for; throws if that is not clear. */
  end(body: Buffer): ModelCall {
    if (this.#scanner) {
      const problem = this.#scanner.end() ?? findProblem(body);
      if (problem !== undefined) throw createInvalidRequestError(`the body is not valid: ${problem}`);
    }
    return createModelCall(this.#target, this.#values);
  }
}

function findProblem(body: Buffer): string | undefined {
  if (!isUtf8(body)) return "it is not UTF-8";
  const isObject = body.find((byte) => byte > 0x20) === 0x7b;
  return isObject ? undefined : "it is not a JSON object";
}
