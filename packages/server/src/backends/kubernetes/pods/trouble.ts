import type { StartObstacle } from "@wharf/contract";
import type { PodView } from "./pod-view.ts";

export interface Trouble {
  readonly cause: StartObstacle;
  readonly reason: string;
}

/** The kubelet has given up on the image, or soon will: what it says while it still tries is not yet a verdict. */
const imageWords = new Set(["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"]);
const creationWords = new Set(["CreateContainerConfigError", "CreateContainerError", "RunContainerError"]);
/** A container that ended this soon never worked; one that worked and died is started again. */
const neverWorkedMs = 5_000;

/** Why a pod that should run does not and will not by waiting; nothing where it may still come up. */
export function troubleOf({ status }: PodView): Trouble | undefined {
  const container = status.containerStatuses[0];
  const waiting = container?.state.waiting;
  if (waiting && imageWords.has(waiting.reason)) {
    return { cause: "image", reason: `its image cannot be had (${waiting.reason}): ${waiting.message}` };
  }
  if (waiting && creationWords.has(waiting.reason)) {
    return { cause: creationCause(waiting.message), reason: `${waiting.reason}: ${waiting.message}` };
  }
  const ended = container?.lastState.terminated ?? container?.state.terminated;
  if (container && ended && (container.restartCount > 1 || waiting?.reason === "CrashLoopBackOff")) {
    const lived = (ended.finishedAt?.getTime() ?? 0) - (ended.startedAt?.getTime() ?? 0);
    if (lived < neverWorkedMs && !container.state.running) {
      return {
        cause: "crash",
        reason: `its daemon ends as soon as it starts (${ended.reason || `exit ${ended.exitCode}`})`,
      };
    }
  }
  if (status.phase === "Failed") {
    const full = /ephemeral-storage|emptyDir|DiskPressure|usage .*exceeds/i.test(status.message);
    return { cause: full ? "volume_full" : "unknown", reason: `${status.reason || "it failed"}: ${status.message}` };
  }
  return undefined;
}

const creationCause = (message: string): StartObstacle =>
  /executable file not found|no such file or directory/i.test(message) ? "image" : "unknown";

/** Why the scheduler has found no node for it so far. This may pass, so it is a reason only once waiting is over. */
export function waitsFor({ status }: PodView): Trouble | undefined {
  const scheduled = status.conditions.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") {
    const cause = /persistentvolumeclaim|volume|PersistentVolume/i.test(scheduled.message) ? "volume" : "no_room";
    return { cause, reason: scheduled.message };
  }
  const waiting = status.containerStatuses[0]?.state.waiting;
  if (waiting && waiting.reason !== "ContainerCreating") {
    const cause = /image/i.test(waiting.reason) ? "image" : "unknown";
    return { cause, reason: `${waiting.reason} ${waiting.message}`.trim() };
  }
  return undefined;
}
