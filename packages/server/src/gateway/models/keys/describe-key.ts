import type { KeyConfig } from "./key-source.ts";

export interface KeyDescription {
  /** Names the key in a sentence, such as `GEMINI_API_KEY`. */
  readonly name: string;
  /** The next step for a person whose key does not work. */
  readonly advice: string;
}

/** Describes where a key comes from, without the key. Only people see this. */
export function describeKey(config: KeyConfig): KeyDescription {
  if (config.kind === "file")
    return {
      name: `the key in ${config.path}`,
      advice: `Correct the key in ${config.path}. Wharf reads a changed file again by itself.`,
    };
  if (config.kind === "command")
    return {
      name: `the key that \`${config.program}\` prints`,
      advice: `Check as the server's user that \`${config.program}\` prints a valid key. Wharf runs it again by itself.`,
    };
  return { name: config.name, advice: `Correct ${config.name} in the server's environment and start it again.` };
}
