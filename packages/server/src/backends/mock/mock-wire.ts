import { duplexPair, type Duplex } from "node:stream";
import { DelayLine } from "./delay-line.ts";
import type { Direction, FaultPlan, WireFault } from "./faults.ts";

export interface MockWireOptions {
  /** Carries bytes to and from the daemon. */
  readonly transport: Duplex;
  readonly nextDelayMs: (direction: Direction) => number;
  readonly faults: FaultPlan;
  readonly onFault: (fault: WireFault) => void;
}

/**
 * Connects to a daemon through a delay line in each direction. The end of one side ends the other,
 * except during silence.
 */
export class MockWire {
  /** The server uses this end. */
  readonly serverEnd: Duplex;
  readonly closed: Promise<void>;
  readonly #toServer: DelayLine;
  readonly #toRunner: DelayLine;
  #isSilent = false;

  constructor(options: MockWireOptions) {
    const { transport } = options;
    const [serverEnd, peerEnd] = duplexPair();
    this.serverEnd = serverEnd;
    this.#toServer = createLine("to_server", options);
    this.#toRunner = createLine("to_runner", options);
    for (const end of [serverEnd, peerEnd, transport]) end.on("error", () => undefined);
    transport.pipe(this.#toServer).pipe(peerEnd);
    peerEnd.pipe(this.#toRunner).pipe(transport);
    // A stream that was closed in order still has its last bytes in flight.
    transport.once("close", () => {
      if (!transport.readableEnded && !this.#isSilent) this.cut();
    });
    serverEnd.once("close", () => {
      if (serverEnd.writableFinished && !this.#isSilent) return;
      transport.destroy();
      peerEnd.destroy();
    });
    this.closed = new Promise((resolve) => transport.once("close", () => resolve()));
    if (transport.destroyed) this.cut();
  }

  /** Ends the stream at both ends after the bytes that have arrived. */
  cut(): void {
    this.#toServer.cut();
    this.#toRunner.cut();
  }

  /** Stops all traffic to both ends, as when a network drops all packets. */
  silence(): void {
    this.#isSilent = true;
    this.#toServer.silence();
    this.#toRunner.silence();
  }
}

const createLine = (direction: Direction, { nextDelayMs, faults, onFault }: MockWireOptions): DelayLine =>
  new DelayLine({
    nextDelayMs: () => nextDelayMs(direction),
    pass: (length) => {
      const { bytes, fault } = faults.passBytes(direction, length);
      return { bytes, ...(fault && { strike: () => onFault(fault) }) };
    },
  });
