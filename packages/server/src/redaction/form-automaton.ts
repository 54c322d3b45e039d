import { endNode, gapNode, LetterAutomaton, maxNodes, startNode } from "./letter-automaton.ts";
import type { Form, Letter } from "./secret-forms.ts";

/** Nothing can follow: no form begins with the bytes so far. */
export const deadState = 0;
const unknown = -1;
/** A form of one or two bytes: the pair itself is enough. */
const shortForm = -2;
/** More states are forgotten and computed again, so that no input can fill the memory. */
const maxStates = 32_768;
const firstCapacity = 64;

interface LetterPlace {
  readonly automaton: LetterAutomaton;
  /** Number of letters of its form before it. */
  readonly index: number;
  readonly isLast: boolean;
  /** Index of the form. */
  readonly form: number;
}

interface State {
  /** Each is a letter's place times `maxNodes`, plus the node in the letter's automaton. */
  readonly threads: readonly number[];
  readonly form: number;
}

/**
 * A deterministic automaton that recognises all forms of all secrets at once, from their first
 * byte. A state is the set of places in forms where the bytes so far can be; a transition is
 * computed when it is first needed, so the automaton holds only what the input uses.
 */
export class FormAutomaton {
  /** By pair of bytes, the state after it: `deadState` where no form begins with the pair. */
  readonly pairs = new Int16Array(1 << 16);
  readonly #letters: LetterPlace[] = [];
  readonly #startState: State;
  readonly #ids = new Map<string, number>();
  #states: State[] = [];
  #capacity = firstCapacity;
  /** Bytes that occur in no form share the class 0. */
  readonly #classes = new Uint8Array(256);
  #classCount = 1;
  #transitions = new Int32Array(0);
  /** The form that ends in each state. */
  #forms = new Int32Array(0);
  #start = deadState;

  constructor(forms: readonly Form[]) {
    const threads: number[] = [];
    for (const [form, letters] of forms.entries()) {
      if (letters.length > 0) threads.push(this.#letters.length * maxNodes + startNode);
      for (const [index, letter] of letters.entries()) {
        this.#letters.push({ automaton: getAutomaton(letter), index, isLast: index === letters.length - 1, form });
      }
    }
    for (const automaton of new Set(this.#letters.map((place) => place.automaton))) this.#addClasses(automaton);
    this.#startState = { threads, form: unknown };
    this.#forget();
  }

  get start(): number {
    return this.#start;
  }

  /** Returns the state after one more byte. Only `start` and the newest state remain valid. */
  next(state: number, byte: number): number {
    const known = this.#transitions[state * this.#classCount + (this.#classes[byte] ?? 0)] ?? unknown;
    return known === unknown ? this.#compute(state, byte) : known;
  }

  /** Returns whether a form may begin with a pair of bytes, given as one number, and a third. */
  mayBegin(pair: number, third: number | undefined): boolean {
    const state = this.pairs[pair] ?? deadState;
    if (state === unknown) return this.#computePair(pair) && this.mayBegin(pair, third);
    return state === shortForm || third === undefined || this.next(state, third) !== deadState;
  }

  #computePair(pair: number): boolean {
    const first = this.next(this.start, pair >> 8);
    const second = this.next(first, pair & 0xff);
    const isShort = this.getForm(first) >= 0 || this.getForm(second) >= 0;
    this.pairs[pair] = isShort ? shortForm : second;
    return isShort || second !== deadState;
  }

  /** Returns the index of the form that ends in this state, -1 if none does. */
  getForm(state: number): number {
    return this.#forms[state] ?? unknown;
  }

  /** Whether a longer form may begin with the bytes so far. */
  canContinue(state: number): boolean {
    return (this.#states[state]?.threads.length ?? 0) > 0;
  }

  /** Returns how many letters of a form the bytes so far contain. */
  countLetters(state: number): number {
    const { threads = [] } = this.#states[state] ?? {};
    return threads.reduce((most, thread) => Math.max(most, this.#getPlace(thread)?.index ?? 0), 0);
  }

  #addClasses(automaton: LetterAutomaton): void {
    for (const byte of automaton.bytes) this.#classes[byte] ||= this.#classCount++;
  }

  #getPlace(thread: number): LetterPlace | undefined {
    return this.#letters[Math.floor(thread / maxNodes)];
  }

  #compute(state: number, byte: number): number {
    const threads = new Set<number>();
    let form = unknown;
    for (const thread of this.#states[state]?.threads ?? []) {
      const place = this.#getPlace(thread);
      if (!place) continue;
      const base = Math.floor(thread / maxNodes) * maxNodes;
      for (const target of place.automaton.getTargets(thread - base, byte)) {
        if (target !== endNode) threads.add(base + target);
        else if (!place.isLast) threads.add(base + maxNodes + gapNode);
        else if (form === unknown || place.form < form) form = place.form;
      }
    }
    const next = { threads: [...threads].toSorted((a, b) => a - b), form };
    if (this.#states.length >= maxStates && !this.#ids.has(toKey(next))) {
      this.#forget();
      return this.#addState(next);
    }
    const id = this.#addState(next);
    this.#transitions[state * this.#classCount + (this.#classes[byte] ?? 0)] = id;
    return id;
  }

  #addState(state: State): number {
    const key = toKey(state);
    const existing = this.#ids.get(key);
    if (existing !== undefined) return existing;
    const id = this.#states.push(state) - 1;
    this.#ids.set(key, id);
    if (id >= this.#capacity) this.#setCapacity(this.#capacity * 2);
    this.#forms[id] = state.form;
    return id;
  }

  #setCapacity(capacity: number): void {
    const [transitions, forms] = [this.#transitions, this.#forms];
    this.#capacity = capacity;
    this.#transitions = new Int32Array(capacity * this.#classCount).fill(unknown);
    this.#transitions.set(transitions);
    this.#forms = new Int32Array(capacity);
    this.#forms.set(forms);
  }

  #forget(): void {
    this.#states = [];
    this.#ids.clear();
    this.pairs.fill(unknown);
    this.#transitions = new Int32Array(0);
    this.#forms = new Int32Array(0);
    this.#setCapacity(firstCapacity);
    this.#addState({ threads: [], form: unknown });
    this.#start = this.#addState(this.#startState);
    this.#transitions.fill(deadState, 0, this.#classCount);
  }
}

/** Secrets share letters, and a letter's automaton does not depend on its secret. */
const automata = new WeakMap<Letter, LetterAutomaton>();

function getAutomaton(letter: Letter): LetterAutomaton {
  const automaton = automata.get(letter) ?? new LetterAutomaton(letter);
  automata.set(letter, automaton);
  return automaton;
}

const toKey = ({ threads, form }: State): string => `${threads.join(",")}:${form}`;
