import { expect, test } from "vitest";
import { getPodFailure, getPendingReason } from "./pod-failure.ts";
import { PodView } from "./pod-view.ts";

const pod = (status: object): PodView =>
  PodView.parse({
    metadata: { name: "runner-1-0", namespace: "t", uid: "u", resourceVersion: "1" },
    spec: {},
    status,
  });
const createWaitingPod = (reason: string, message = "", more: object = {}) =>
  pod({ phase: "Pending", containerStatuses: [{ state: { waiting: { reason, message } }, ...more }] });

// S-040
test("a missing image counts as a failure only after the kubelet has stopped trying", () => {
  expect(getPodFailure(createWaitingPod("ErrImagePull"))).toBeUndefined();
  expect(getPodFailure(createWaitingPod("ImagePullBackOff", "no such image"))).toEqual({
    cause: "image",
    reason: "its image is not available (ImagePullBackOff): no such image",
  });
  expect(getPodFailure(createWaitingPod("RunContainerError", 'exec: "node": executable file not found'))?.cause).toBe(
    "image",
  );
});

test("a daemon that never worked is distinguished from one that worked and died", () => {
  const ended = (seconds: number) => ({
    restartCount: 1,
    lastState: {
      terminated: {
        exitCode: 1,
        reason: "Error",
        startedAt: "2026-01-01T00:00:00Z",
        finishedAt: new Date(Date.parse("2026-01-01T00:00:00Z") + seconds * 1000).toISOString(),
      },
    },
  });
  expect(getPodFailure(createWaitingPod("CrashLoopBackOff", "", ended(1)))?.cause).toBe("crash");
  expect(getPodFailure(createWaitingPod("CrashLoopBackOff", "", ended(600)))).toBeUndefined();
  const again = pod({ phase: "Running", containerStatuses: [{ state: { running: {} }, ...ended(1) }] });
  expect(getPodFailure(again)).toBeUndefined();
});

test("a pod that exceeds its disk limit has its own failure", () => {
  const evicted = pod({
    phase: "Failed",
    reason: "Evicted",
    message: 'Usage of EmptyDir volume "workspace" exceeds the limit',
  });
  expect(getPodFailure(evicted)).toMatchObject({ cause: "volume_full" });
});

test("the scheduler waits for room or for a volume", () => {
  const unscheduled = (message: string) =>
    getPendingReason(
      pod({
        phase: "Pending",
        conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }],
      }),
    );
  expect(unscheduled("0/3 nodes are available: 3 Insufficient cpu.")?.cause).toBe("no_room");
  expect(unscheduled("pod has unbound immediate PersistentVolumeClaims")?.cause).toBe("volume");
  expect(getPendingReason(createWaitingPod("ContainerCreating"))).toBeUndefined();
});
