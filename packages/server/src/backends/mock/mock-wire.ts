import { duplexPair, type Duplex } from "node:stream";
import { DelayLine } from "./delay-line.ts";
import type { Direction, FaultPlan, WireFault } from "./faults.ts";

export interface MockWireOptions {
  /** The byte stream to the daemon. */
  readonly transport: Duplex;
  readonly nextDelayMs: (direction: Direction) => number;
  readonly faults: FaultPlan;
  readonly onFault: (fault: WireFault) => void;
}

/** A byte stream to a daemon with a delay line in each direction. What ends one end ends the other, except in silence. */
export class MockWire {
  /** What the server gets. */
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
    // A stream that was closed in order still has its last bytes on the way.
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

  /** Each end sees the end of the stream behind the bytes that have arrived. */
  cut(): void {
    this.#toServer.cut();
    this.#toRunner.cut();
  }

  /** Neither end sees anything any more, as when a network drops all packets. */
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
