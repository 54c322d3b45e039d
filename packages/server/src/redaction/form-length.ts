import { maxZeros } from "./letter-automaton.ts";
import type { Form, Letter, Spelling } from "./secret-forms.ts";

interface Lengths {
  readonly min: number;
  readonly max: number;
}

/** Returns the lengths of a form's shortest and longest spelling, in bytes. */
export function getFormLengths(form: Form): Lengths {
  const lengths = form.map(getLetterLengths);
  return {
    min: lengths.reduce((sum, { min }) => sum + min, 0),
    max: lengths.reduce((sum, { max }) => sum + maxZeros + max, 0),
  };
}

/** Secrets share letters. */
const lengthsByLetter = new WeakMap<Letter, Lengths>();

function getLetterLengths(letter: Letter): Lengths {
  const existing = lengthsByLetter.get(letter);
  if (existing) return existing;
  const spellings = [...new Set([...letter.values()].flat())];
  const lengths = {
    min: Math.min(...spellings.map((spelling) => sumSteps(spelling, "min"))),
    max: Math.max(...spellings.map((spelling) => sumSteps(spelling, "max"))),
  };
  lengthsByLetter.set(letter, lengths);
  return lengths;
}

const sumSteps = (spelling: Spelling, bound: keyof Lengths): number =>
  spelling.reduce((sum, step) => sum + step[bound], 0);
