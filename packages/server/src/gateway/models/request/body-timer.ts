import type { ModelTimes } from "../model-times.ts";

/** Watches that a request arrives: it holds memory that other runners need. */
export class BodyTimer implements Disposable {
  readonly #silence: NodeJS.Timeout;
  readonly #end: NodeJS.Timeout;

  /** @param onLate Gets what is wrong with the request. */
  constructor({ body, wholeBody }: Pick<ModelTimes, "body" | "wholeBody">, onLate: (what: string) => void) {
    this.#silence = setTimeout(() => onLate(`nothing of its body arrived for ${body / 1000} s`), body);
    this.#end = setTimeout(() => onLate(`its body was not complete after ${wholeBody / 1000} s`), wholeBody);
  }

  refresh(): void {
    this.#silence.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#silence);
    clearTimeout(this.#end);
  }
}
