import { endNode, gapNode, LetterAutomaton, maxNodes, maxZeros } from "./letter-automaton.ts";
import type { Form, Letter } from "./secret-forms.ts";

/** The bytes so far are in no form. */
export const deadState = 0;
const unknown = -1;
const noForm = -1;
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

/** Whether forms begin at the first byte only, or at any byte. */
type Beginning = "first byte" | "any byte";

/** Where the automaton stopped. */
export interface Progress {
  readonly offset: number;
  readonly state: number;
  /** Whether a form ends at the offset. */
  readonly isMatch: boolean;
}

/**
 * A deterministic automaton that recognises all forms of all secrets at once. A state is the set of
 * places in forms where the bytes so far can be; a transition is computed when it is first needed,
 * so the automaton holds only what the input uses.
 */
export class FormAutomaton {
  readonly #letters: LetterPlace[] = [];
  readonly #beginning: Beginning;
  readonly #startState: State;
  /** Where each byte leads from the start. */
  readonly #startTargets = new Map<number, State>();
  readonly #ids = new Map<string, number>();
  #states: State[] = [];
  #capacity = firstCapacity;
  /** Bytes that occur in no form share the class 0. */
  readonly #classes = new Uint8Array(256);
  #classCount = 1;
  /**
   * The next state, by state plus class of the byte; negative if unknown or if a form ends there.
   * States are multiples of the number of classes.
   */
  #transitions = new Int32Array(0);
  #start = deadState;

  constructor(forms: readonly Form[], beginning: Beginning) {
    this.#beginning = beginning;
    const threads: number[] = [];
    for (const [form, letters] of forms.entries()) {
      if (letters.length > 0) threads.push(this.#letters.length * maxNodes + maxZeros);
      for (const [index, letter] of letters.entries()) {
        this.#letters.push({ automaton: getAutomaton(letter), index, isLast: index === letters.length - 1, form });
      }
    }
    for (const automaton of new Set(this.#letters.map((place) => place.automaton))) this.#addClasses(automaton);
    this.#startState = { threads, form: noForm };
    this.#forget();
  }

  /** The state before the first byte. */
  get start(): number {
    return this.#beginning === "first byte" ? this.#start : deadState;
  }

  /**
   * Follows bytes up to an offset, or to the first end of a form, or until no form continues. Only
   * the state where it stopped last remains valid.
   */
  follow(bytes: Buffer, { offset: from, state: first }: Omit<Progress, "isMatch">, to: number): Progress {
    const classes = this.#classes;
    const endsDead = this.#beginning === "first byte";
    let transitions = this.#transitions;
    let state = first;
    for (let offset = from; offset < to; offset++) {
      const byte = bytes[offset] ?? 0;
      let next = transitions[state + (classes[byte] ?? 0)] ?? unknown;
      if (next === unknown) {
        next = this.#compute(state, byte);
        transitions = this.#transitions;
      }
      if (next < 0) return { offset: offset + 1, state: toMatchState(next), isMatch: true };
      if (endsDead && next === deadState) return { offset, state: next, isMatch: false };
      state = next;
    }
    return { offset: to, state, isMatch: false };
  }

  /** Returns the index of the form that ends in this state. */
  getForm(state: number): number {
    return this.#getState(state)?.form ?? noForm;
  }

  /** Whether a longer form may begin with the bytes so far. */
  canContinue(state: number): boolean {
    return (this.#getState(state)?.threads.length ?? 0) > 0;
  }

  /** Returns how many letters of a form the bytes so far contain. */
  countLetters(state: number): number {
    const { threads = [] } = this.#getState(state) ?? {};
    return threads.reduce((most, thread) => Math.max(most, this.#getPlace(thread)?.index ?? 0), 0);
  }

  #addClasses(automaton: LetterAutomaton): void {
    for (const byte of automaton.bytes) this.#classes[byte] ||= this.#classCount++;
  }

  #getState(id: number): State | undefined {
    return this.#states[id / this.#classCount];
  }

  #getPlace(thread: number): LetterPlace | undefined {
    return this.#letters[Math.floor(thread / maxNodes)];
  }

  /** Returns the transition. */
  #compute(state: number, byte: number): number {
    const { threads = [] } = this.#getState(state) ?? {};
    const targets = this.#getTargets(threads, byte);
    const startTargets = this.#beginning === "any byte" ? this.#getStartTargets(byte) : undefined;
    const next = startTargets ? joinTargets(targets, startTargets) : targets;
    const isFull = this.#states.length >= maxStates && !this.#ids.has(toKey(next));
    if (isFull) this.#forget();
    const id = this.#addState(next);
    const transition = next.form === noForm ? id : toMatchState(id);
    if (!isFull) this.#transitions[state + (this.#classes[byte] ?? 0)] = transition;
    return transition;
  }

  #getTargets(threads: readonly number[], byte: number): State {
    const targets = new Set<number>();
    let form = noForm;
    for (const thread of threads) {
      const place = this.#getPlace(thread);
      if (!place) continue;
      const base = Math.floor(thread / maxNodes) * maxNodes;
      for (const target of place.automaton.getTargets(thread - base, byte)) {
        if (target !== endNode) targets.add(base + target);
        else if (!place.isLast) targets.add(base + maxNodes + gapNode);
        else if (form === noForm || place.form < form) form = place.form;
      }
    }
    return { threads: [...targets].toSorted((a, b) => a - b), form };
  }

  #getStartTargets(byte: number): State {
    const existing = this.#startTargets.get(byte);
    if (existing) return existing;
    const targets = this.#getTargets(this.#startState.threads, byte);
    this.#startTargets.set(byte, targets);
    return targets;
  }

  #addState(state: State): number {
    const key = toKey(state);
    const existing = this.#ids.get(key);
    if (existing !== undefined) return existing;
    const index = this.#states.push(state) - 1;
    const id = index * this.#classCount;
    this.#ids.set(key, id);
    if (index >= this.#capacity) this.#setCapacity(this.#capacity * 2);
    return id;
  }

  #setCapacity(capacity: number): void {
    const transitions = this.#transitions;
    this.#capacity = capacity;
    this.#transitions = new Int32Array(capacity * this.#classCount).fill(unknown);
    this.#transitions.set(transitions);
  }

  #forget(): void {
    this.#states = [];
    this.#ids.clear();
    this.#transitions = new Int32Array(0);
    this.#setCapacity(firstCapacity);
    this.#addState({ threads: [], form: noForm });
    this.#start = this.#addState(this.#startState);
  }
}

/** Secrets share letters, and a letter's automaton does not depend on its secret. */
const automata = new WeakMap<Letter, LetterAutomaton>();

function getAutomaton(letter: Letter): LetterAutomaton {
  const automaton = automata.get(letter) ?? new LetterAutomaton(letter);
  automata.set(letter, automaton);
  return automaton;
}

/** A match has a negative number in the table of transitions; -1 is an unknown one. */
const toMatchState = (number: number): number => -2 - number;

function joinTargets(first: State, second: State): State {
  const threads = [...new Set([...first.threads, ...second.threads])].toSorted((a, b) => a - b);
  return { threads, form: first.form === noForm ? second.form : first.form };
}

const toKey = ({ threads, form }: State): string => `${threads.join(",")}:${form}`;
