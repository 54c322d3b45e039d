import type { SecretPlace } from "../secrets/index.ts";

export interface KeyDescription {
  /** Names the key in a sentence, such as `GEMINI_API_KEY`. */
  readonly name: string;
  /** The next step for a person whose key does not work. */
  readonly advice: string;
}

/** Describes where a key comes from, without the key. Only people see this. */
export function describeKey(place: SecretPlace): KeyDescription {
  if (place.kind === "file")
    return {
      name: `the key in ${place.path}`,
      advice: `Correct the key in ${place.path}. Wharf reads a changed file again by itself.`,
    };
  if (place.kind === "command")
    return {
      name: `the key that \`${place.program}\` prints`,
      advice: `Check as the server's user that \`${place.program}\` prints a valid key. Wharf runs it again by itself.`,
    };
  return { name: place.name, advice: `Correct ${place.name} in the server's environment and start it again.` };
}
