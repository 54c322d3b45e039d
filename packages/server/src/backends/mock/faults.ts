import { z } from "zod";

const Direction = z.enum(["to_server", "to_runner"]);
export type Direction = z.infer<typeof Direction>;

/**
 * The offset counts bytes in one direction over all wires of the runner, from the moment the faults
 * are set.
 */
const place = { at_byte: z.number().int().min(0), direction: Direction.default("to_server") };

const WireFault = z.discriminatedUnion("kind", [
  /** The wire ends after exactly this byte. */
  z.object({ kind: z.literal("cut"), ...place }),
  /** The wire stays open, and nothing more passes in either direction. */
  z.object({ kind: z.literal("silence"), ...place }),
  /** The daemon is killed. */
  z.object({ kind: z.literal("die"), ...place }),
  /**
   * All wires end, and no new one can connect during this time. The daemon and its agent keep
   * working.
   */
  z.object({ kind: z.literal("partition"), for_ms: z.number().min(0), ...place }),
]);
export type WireFault = z.infer<typeof WireFault>;

const Operation = z.enum(["create", "start", "dial", "stop", "destroy"]);
export type Operation = z.infer<typeof Operation>;

/** The next calls of the operation fail before they do anything. */
const OperationFault = z.object({
  kind: z.literal("fail"),
  operation: Operation,
  times: z.number().int().min(1).default(1),
});

/**
 * A fault defines how and when a runner fails. Each fault strikes once, even if the daemon restarts
 * in between.
 */
const Fault = z.union([WireFault, OperationFault]);
export type Fault = z.input<typeof Fault>;

/** Holds the faults of one runner that have not struck yet. */
export class FaultPlan {
  readonly #wire: WireFault[] = [];
  readonly #failures = new Map<Operation, number>();
  readonly #passed: Record<Direction, number> = { to_server: 0, to_runner: 0 };

  /** Replaces all earlier faults and starts counting bytes from zero. */
  set(faults: readonly Fault[]): void {
    this.#wire.length = 0;
    this.#failures.clear();
    this.#passed.to_server = 0;
    this.#passed.to_runner = 0;
    for (const fault of faults.map((one) => Fault.parse(one)))
      if (fault.kind === "fail") this.#failures.set(fault.operation, fault.times);
      else this.#wire.push(fault);
  }

  /** Adds a cut after this many more bytes. */
  scheduleCut(bytes: number): void {
    this.#wire.push({ kind: "cut", at_byte: this.#passed.to_server + bytes, direction: "to_server" });
  }

  /** Returns how many of the next bytes pass until a fault strikes, and the fault. */
  passBytes(direction: Direction, bytes: number): { bytes: number; fault?: WireFault } {
    const offset = this.#passed[direction];
    const [fault] = this.#wire
      .filter((one) => one.direction === direction && one.at_byte <= offset + bytes)
      .toSorted((a, b) => a.at_byte - b.at_byte);
    if (!fault) {
      this.#passed[direction] += bytes;
      return { bytes };
    }
    this.#wire.splice(this.#wire.indexOf(fault), 1);
    const passed = Math.max(fault.at_byte - offset, 0);
    this.#passed[direction] += passed;
    return { bytes: passed, fault };
  }

  /** Returns whether this call of the operation fails. */
  takeFailure(operation: Operation): boolean {
    const times = this.#failures.get(operation) ?? 0;
    this.#failures.set(operation, times - 1);
    return times > 0;
  }
}
