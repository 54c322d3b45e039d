import { daemonApi } from "@wharf/contract";
import { z } from "zod";

const names = Object.keys(daemonApi) as [keyof typeof daemonApi, ...(keyof typeof daemonApi)[]];

/**
 * What shall go wrong with a runner, and when. A step is a record that its agent is about to write to the journal; steps
 * are counted over the runner's whole life, so a fault comes once, however often the daemon is started again.
 */
export const Fault = z.discriminatedUnion("kind", [
  /** The daemon dies before the record is written: what was not on disk is gone. */
  z.object({ kind: z.literal("die"), at_step: z.number().int().min(1) }),
  /** From this step on no wire leads to the daemon, which works on, for so long. */
  z.object({ kind: z.literal("partition"), at_step: z.number().int().min(1), for_ms: z.number().min(0) }),
  /** Every request to the route reaches the daemon twice at the same time; of a stream every line comes twice. */
  z.object({ kind: z.literal("duplicate"), route: z.enum(names) }),
  /** Each write to disk takes so long. */
  z.object({ kind: z.literal("slow_disk"), ms: z.number().min(0) }),
]);
export type Fault = z.infer<typeof Fault>;

/** What a step means for the runner. */
export interface StepFaults {
  readonly dies: boolean;
  readonly partitionMs: number | undefined;
}

/** The faults of one runner. */
export class FaultPlan {
  #faults: readonly Fault[] = [];
  #steps = 0;

  /** Steps count from now. */
  set(faults: readonly Fault[]): void {
    this.#faults = faults.map((fault) => Fault.parse(fault));
    this.#steps = 0;
  }

  /** From now on each write takes so long more. */
  slow(ms: number): void {
    this.#faults = [...this.#faults, { kind: "slow_disk", ms }];
  }

  get writeMs(): number {
    return this.#faults.reduce((sum, fault) => sum + (fault.kind === "slow_disk" ? fault.ms : 0), 0);
  }

  isDuplicated(route: string): boolean {
    return this.#faults.some((fault) => fault.kind === "duplicate" && fault.route === route);
  }

  step(): StepFaults {
    this.#steps += 1;
    const now = this.#faults.filter((fault) => "at_step" in fault && fault.at_step === this.#steps);
    const partition = now.find((fault) => fault.kind === "partition");
    return { dies: now.some(({ kind }) => kind === "die"), partitionMs: partition?.for_ms };
  }
}
