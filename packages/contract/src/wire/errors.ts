/** The peer broke the protocol. The wire is dropped; whoever knows the runner makes `runner_hostile` of it. */
export class WireProtocolError extends Error {
  readonly reason: string;

  constructor(reason: string, options?: ErrorOptions) {
    super(`the peer broke the wire's protocol: ${reason}`, options);
    this.name = "WireProtocolError";
    this.reason = reason;
  }
}

/**
 * A sub-stream was cut, or the wire beneath it is gone. The code is the one node:http knows a lost socket by. It has no
 * stack: that would show the mux's insides only, and a peer could have thousands made in a second.
 */
export class WireClosedError extends Error {
  readonly code = "ECONNRESET";
  readonly reason: string;

  constructor(reason: string, options?: ErrorOptions) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(reason, options);
    Error.stackTraceLimit = limit;
    this.name = "WireClosedError";
    this.reason = reason;
  }
}
