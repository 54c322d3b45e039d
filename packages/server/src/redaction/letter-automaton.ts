import type { Letter, Spelling } from "./secret-forms.ts";

/**
 * UTF-16 and UTF-32 put zero bytes between the characters. The first nodes count them; a form's
 * first letter has none before it and begins at the last of these nodes, which has this number.
 */
export const maxZeros = 3;
/** The node before a letter that follows another one. */
export const gapNode = 0;
/** The target of a letter's last byte. */
export const endNode = -1;
/** More nodes than any letter has. */
export const maxNodes = 1 << 12;

/**
 * Accepts one letter in all of its spellings, byte by byte. A node is a position inside a spelling;
 * a byte leads to several nodes where spellings begin alike, or where a spelling may end or
 * continue.
 */
export class LetterAutomaton {
  readonly #edges: Map<number, readonly number[]>[] = [];

  constructor(letter: Letter) {
    const starts = new Map<number, readonly number[]>();
    for (let zeros = 0; zeros <= maxZeros; zeros++) this.#edges.push(new Map());
    for (const spelling of new Set([...letter.values()].flat())) {
      const nodes = new SpellingNodes(spelling, this.#edges);
      for (const byte of spelling[0]?.bytes ?? [])
        starts.set(byte, [...(starts.get(byte) ?? []), ...nodes.getTargets({ step: 0, count: 0 }, byte)]);
    }
    for (let zeros = 0; zeros <= maxZeros; zeros++) {
      for (const [byte, targets] of starts) this.#edges[zeros]?.set(byte, targets);
      if (zeros < maxZeros) this.#edges[zeros]?.set(0, [zeros + 1, ...(starts.get(0) ?? [])]);
    }
  }

  /** The bytes that occur in it. */
  get bytes(): ReadonlySet<number> {
    return new Set(this.#edges.flatMap((edges) => [...edges.keys()]));
  }

  /** Returns where a byte leads from a node, `endNode` included. */
  getTargets(node: number, byte: number): readonly number[] {
    return this.#edges[node]?.get(byte) ?? [];
  }
}

/** A place in a spelling: how many bytes of which of its steps have been read. */
interface Place {
  readonly step: number;
  readonly count: number;
}

/** Adds the nodes of one spelling to its letter's. */
class SpellingNodes {
  readonly #spelling: Spelling;
  readonly #edges: Map<number, readonly number[]>[];
  readonly #nodes = new Map<string, number>();

  constructor(spelling: Spelling, edges: Map<number, readonly number[]>[]) {
    this.#spelling = spelling;
    this.#edges = edges;
  }

  getTargets(place: Place, byte: number): number[] {
    const next = this.#advance(place, byte);
    if (!next) return [];
    const targets = this.#canContinue(next) ? [this.#getNode(next)] : [];
    return this.#canEnd(next) ? [...targets, endNode] : targets;
  }

  #advance({ step, count }: Place, byte: number): Place | undefined {
    const current = this.#spelling[step];
    if (!current) return undefined;
    if (count < current.max && current.bytes.has(byte)) return { step, count: count + 1 };
    return count < current.min ? undefined : this.#advance({ step: step + 1, count: 0 }, byte);
  }

  #canContinue({ step, count }: Place): boolean {
    return step + 1 < this.#spelling.length || count < (this.#spelling[step]?.max ?? 0);
  }

  #canEnd({ step, count }: Place): boolean {
    return count >= (this.#spelling[step]?.min ?? 0) && this.#spelling.slice(step + 1).every(({ min }) => min === 0);
  }

  #getNode(place: Place): number {
    const key = `${place.step} ${place.count}`;
    const existing = this.#nodes.get(key);
    if (existing !== undefined) return existing;
    const edges = new Map<number, readonly number[]>();
    const node = this.#edges.push(edges) - 1;
    this.#nodes.set(key, node);
    for (const byte of new Set(this.#spelling.slice(place.step).flatMap(({ bytes }) => [...bytes]))) {
      const targets = this.getTargets(place, byte);
      if (targets.length > 0) edges.set(byte, targets);
    }
    return node;
  }
}
