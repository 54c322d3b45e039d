import type { StartObstacle } from "@wharf/contract";
import type { PodView } from "./pod-view.ts";

export interface PodFailure {
  readonly cause: StartObstacle;
  readonly reason: string;
}

/**
 * The kubelet has stopped trying to get the image, or soon will; while it still tries, its message
 * is not final.
 */
const imageErrorReasons = new Set(["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"]);
const creationErrorReasons = new Set(["CreateContainerConfigError", "CreateContainerError", "RunContainerError"]);
/** A container that ends this soon never worked; the kubelet restarts one that worked and died. */
const minWorkingMs = 5_000;

/** Returns why a pod that should run never will, or undefined if it may still start. */
export function getPodFailure({ status }: PodView): PodFailure | undefined {
  const container = status.containerStatuses[0];
  const waitingState = container?.state.waiting;
  if (waitingState && imageErrorReasons.has(waitingState.reason)) {
    return { cause: "image", reason: `its image is not available (${waitingState.reason}): ${waitingState.message}` };
  }
  if (waitingState && creationErrorReasons.has(waitingState.reason)) {
    return { cause: getCreationCause(waitingState.message), reason: `${waitingState.reason}: ${waitingState.message}` };
  }
  const ended = container?.lastState.terminated ?? container?.state.terminated;
  if (container && ended && (container.restartCount > 1 || waitingState?.reason === "CrashLoopBackOff")) {
    const lived = (ended.finishedAt?.getTime() ?? 0) - (ended.startedAt?.getTime() ?? 0);
    if (lived < minWorkingMs && !container.state.running) {
      return {
        cause: "crash",
        reason: `its daemon exits as soon as it starts (${ended.reason || `exit ${ended.exitCode}`})`,
      };
    }
  }
  if (status.phase === "Failed") {
    const full = /ephemeral-storage|emptyDir|DiskPressure|usage .*exceeds/i.test(status.message);
    return { cause: full ? "volume_full" : "unknown", reason: `${status.reason || "it failed"}: ${status.message}` };
  }
  return undefined;
}

const getCreationCause = (message: string): StartObstacle =>
  /executable file not found|no such file or directory/i.test(message) ? "image" : "unknown";

/**
 * Returns why the scheduler has found no node for the pod so far. The reason may pass, so it counts
 * only once the wait is over.
 */
export function getPendingReason({ status }: PodView): PodFailure | undefined {
  const scheduled = status.conditions.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") {
    const cause = /persistentvolumeclaim|volume|PersistentVolume/i.test(scheduled.message) ? "volume" : "no_room";
    return { cause, reason: scheduled.message };
  }
  const waitingState = status.containerStatuses[0]?.state.waiting;
  if (waitingState && waitingState.reason !== "ContainerCreating") {
    const cause = /image/i.test(waitingState.reason) ? "image" : "unknown";
    return { cause, reason: `${waitingState.reason} ${waitingState.message}`.trim() };
  }
  return undefined;
}
