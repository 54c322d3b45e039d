/**
 * Agents choose the names of models, so the number of entries is limited; the oldest ones go first.
 */
const maxEntries = 1_000;
/** A provider that asks for a longer rest is asked again after this time. */
const maxRestMs = 24 * 3_600_000;

interface Rest {
  readonly upstream: string;
  /** A limit may apply to one model only. */
  readonly model?: string | undefined;
}

/** Remembers until when upstreams should get no requests. They come back by themselves. */
export class Rests {
  readonly #ends = new Map<string, number>();

  /** A rest that ends earlier than the current one changes nothing. */
  begin(rest: Rest, untilMs: number): void {
    const name = getName(rest);
    const endMs = Math.min(untilMs, Date.now() + maxRestMs);
    const currentEndMs = this.#ends.get(name) ?? 0;
    if (endMs <= Math.max(currentEndMs, Date.now())) return;
    this.#ends.delete(name);
    this.#ends.set(name, endMs);
    const [oldest] = this.#ends.keys();
    if (this.#ends.size > maxEntries && oldest !== undefined) this.#ends.delete(oldest);
  }

  /** Called after a complete answer. */
  end({ upstream, model }: Rest): void {
    this.#ends.delete(getName({ upstream }));
    this.#ends.delete(getName({ upstream, model }));
  }

  /** Returns when the rest of the upstream or the model ends; undefined if there is none. */
  getEnd({ upstream, model }: Rest): number | undefined {
    const endMs = Math.max(
      this.#ends.get(getName({ upstream })) ?? 0,
      model === undefined ? 0 : (this.#ends.get(getName({ upstream, model })) ?? 0),
    );
    return endMs > Date.now() ? endMs : undefined;
  }
}

const getName = ({ upstream, model }: Rest): string => (model === undefined ? upstream : `${upstream}\n${model}`);
