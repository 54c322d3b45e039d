import { z } from "zod";

const ContainerState = z.object({
  running: z.object({ startedAt: z.coerce.date().nullish() }).nullish(),
  waiting: z.object({ reason: z.string().default(""), message: z.string().default("") }).nullish(),
  terminated: z
    .object({
      exitCode: z.number(),
      reason: z.string().default(""),
      startedAt: z.coerce.date().nullish(),
      finishedAt: z.coerce.date().nullish(),
    })
    .nullish(),
});

/** Parses the parts of a pod that this backend reads, the same from a list as from a watch. */
export const PodView = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.coerce.date().nullish(),
    deletionGracePeriodSeconds: z.number().nullish(),
    ownerReferences: z.array(z.object({ uid: z.string() })).default([]),
  }),
  spec: z.object({ nodeName: z.string().nullish() }),
  status: z
    .object({
      phase: z.string().default("Pending"),
      reason: z.string().default(""),
      message: z.string().default(""),
      podIP: z.string().nullish(),
      startTime: z.coerce.date().nullish(),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().default(""),
            message: z.string().default(""),
          }),
        )
        .default([]),
      containerStatuses: z
        .array(
          z.object({
            containerID: z.string().nullish(),
            restartCount: z.number().default(0),
            state: ContainerState.default({}),
            lastState: ContainerState.default({}),
          }),
        )
        .default([]),
    })
    .default({ phase: "Pending", reason: "", message: "", conditions: [], containerStatuses: [] }),
});
export type PodView = z.infer<typeof PodView>;

/**
 * Locates a runner's pod and identifies its owner. Labels prove nothing: anyone who may create pods
 * in a namespace can set them.
 */
export interface PodOwner {
  readonly id: string;
  readonly namespace: string;
  /** Identifies the StatefulSet that owns the pod, or the bare pod itself. */
  readonly uid: string;
}

export const isOwnedBy = ({ metadata }: PodView, { namespace, uid }: PodOwner): boolean =>
  metadata.namespace === namespace &&
  (metadata.uid === uid || metadata.ownerReferences.some((owner) => owner.uid === uid));

export const isEnding = (pod: PodView): boolean => Boolean(pod.metadata.deletionTimestamp);

/** Returns whether the pod's processes run, as far as the kubelet has reported. */
export const isRunning = ({ status }: PodView): boolean =>
  status.phase === "Running" && Boolean(status.containerStatuses[0]?.state.running);
