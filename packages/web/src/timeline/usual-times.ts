import { z } from "zod";

const storageKey = "wharf:usual-times";
const maxSamples = 20;
const Samples = z.record(z.string(), z.array(z.object({ startedAt: z.string(), ms: z.number() })));

/**
 * How long the steps of starts took that this browser has seen. They differ between servers and
 * agents, so that the browser of a person knows best what is usual for them.
 */
function read(): z.infer<typeof Samples> {
  try {
    return Samples.parse(JSON.parse(localStorage.getItem(storageKey) ?? "{}"));
  } catch {
    return {}; // a browser may refuse storage, and its content may be damaged
  }
}

/** Remembers the duration of a step; the same step, shown again, counts once. */
export function rememberMs(step: string, startedAt: string, ms: number): void {
  const all = read();
  const samples = all[step] ?? [];
  if (samples.some((sample) => sample.startedAt === startedAt)) return;
  try {
    localStorage.setItem(
      storageKey,
      JSON.stringify({ ...all, [step]: [...samples, { startedAt, ms }].slice(-maxSamples) }),
    );
  } catch {
    // Without storage nothing is usual.
  }
}

/** Returns the median, or undefined if the step was never seen. */
export function getUsualMs(step: string): number | undefined {
  const durations = (read()[step] ?? []).map(({ ms }) => ms).toSorted((a, b) => a - b);
  return durations[Math.floor(durations.length / 2)];
}
