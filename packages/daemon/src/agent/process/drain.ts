import type { Recorder } from "../events/recorder.ts";
import { IdleClock } from "./idle-clock.ts";
import type { ProcessGroup } from "./process-group.ts";

/**
 * Waits until the output of an exited program is read completely. A process that left the group may
 * hold the pipes open indefinitely, so the pipes are closed after `limitMs` without other activity.
 */
export async function drainOutput(
  ends: Promise<unknown>,
  options: { group: ProcessGroup; recorder: Recorder; limitMs: number },
): Promise<void> {
  const { group, recorder, limitMs } = options;
  using _ = new IdleClock({
    limitMs,
    isPaused: () => recorder.isWaiting,
    onIdle: () => {
      group.stdout.destroy();
      group.stderr.destroy();
    },
  });
  await ends;
}
