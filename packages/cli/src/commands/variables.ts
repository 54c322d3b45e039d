import { usageError } from "../failure.ts";

/** For an option that may be given again. */
export const collect = (value: string, all: string[]): string[] => [...all, value];

/** NAME=VALUE, as often as it was given. */
export function variables(all: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    all.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) throw usageError(`--env takes NAME=VALUE, not '${text}'`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
