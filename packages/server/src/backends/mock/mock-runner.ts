import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { type Direction, FaultPlan, type Operation, type WireFault } from "./faults.ts";
import { MockWire } from "./mock-wire.ts";
import { createRandom } from "./seeded-random.ts";
import { createSimulatedFailure, type Simulation, simulateConditions } from "./simulation.ts";

export interface MockRunnerOptions {
  readonly id: string;
  readonly seed: string;
  readonly simulation: Simulation;
  readonly kill: () => void;
}

/** A wire that is chosen to break does so within this many bytes. */
const maxBytesBeforeBreak = 256 * 2 ** 10;

/**
 * Simulates the connection between the server and one runner. The runner itself does not know of
 * it.
 */
export class MockRunner {
  readonly faults = new FaultPlan();
  readonly #options: MockRunnerOptions;
  readonly #random: () => number;
  readonly #wires = new Set<MockWire>();
  #dials = 0;
  #reachableAt = 0;

  constructor(options: MockRunnerOptions) {
    this.#options = options;
    this.#random = createRandom(`${options.seed} ${options.id}`);
  }

  /** Delays an operation of the backend, and fails it if it is due to fail. */
  async simulateOperation(operation: Operation, signal?: AbortSignal): Promise<void> {
    if (this.faults.takeFailure(operation)) throw createSimulatedFailure(operation);
    await simulateConditions(this.#options.simulation.workspace, { operation, random: this.#random, signal });
  }

  /** Resolves when a wire can connect. */
  async waitUntilReachable(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const waitMs = this.#reachableAt - performance.now();
    if (waitMs > 0)
      await sleep(waitMs, undefined, { ...(signal && { signal }) }).catch((error: unknown) => {
        throw signal?.aborted ? signal.reason : error;
      });
    if (!this.faults.takeFailure("dial") && this.#random() >= this.#options.simulation.tool.failureRate) return;
    throw new WharfError("runner_unavailable", {
      runner_id: this.#options.id,
      reason: "a simulated failure of dial",
    });
  }

  /** Returns the same byte stream, as slow and as unreliable as configured. */
  connect(transport: Duplex): Duplex {
    const { id, seed, simulation } = this.#options;
    const { latencyMs, failureRate } = simulation.tool;
    this.#dials += 1;
    const random = {
      to_server: createRandom(`${seed} ${id} ${this.#dials} to_server`),
      to_runner: createRandom(`${seed} ${id} ${this.#dials} to_runner`),
    };
    if (this.#random() < failureRate) this.faults.scheduleCut(Math.floor(this.#random() * maxBytesBeforeBreak));
    const wire: MockWire = new MockWire({
      transport,
      // Use half a round trip on average, from half to one and a half times that.
      nextDelayMs: (direction: Direction) => (latencyMs / 2) * (0.5 + random[direction]()),
      faults: this.faults,
      onFault: (fault) => this.#applyFault(fault, wire),
    });
    this.#wires.add(wire);
    void wire.closed.then(() => this.#wires.delete(wire));
    return wire.serverEnd;
  }

  #applyFault(fault: WireFault, wire: MockWire): void {
    if (fault.kind === "silence") return wire.silence();
    wire.cut();
    if (fault.kind === "die") this.#options.kill();
    if (fault.kind === "partition") {
      this.#reachableAt = performance.now() + fault.for_ms;
      for (const one of this.#wires) one.cut();
    }
  }
}
