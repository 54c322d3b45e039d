import { IdleClock } from "./idle-clock.ts";
import type { ProcessGroup } from "./process-group.ts";
import type { Recorder } from "../events/recorder.ts";

/**
 * Waits until an exited program's output is read to its end. A process that left the group may hold the pipes open for
 * ever: after a time in which nothing but it was waited for, they are closed.
 */
export async function drainOutput(
  ends: Promise<unknown>,
  options: { group: ProcessGroup; recorder: Recorder; limitMs: number },
): Promise<void> {
  const { group, recorder, limitMs } = options;
  using _ = new IdleClock({
    limitMs,
    isPaused: () => recorder.waiting,
    onIdle: () => {
      group.stdout.destroy();
      group.stderr.destroy();
    },
  });
  await ends;
}
