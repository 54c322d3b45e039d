/**
 * The peer broke the protocol. The wire is dropped, and a caller that knows the runner converts
 * this error to `runner_hostile`.
 */
export class WireProtocolError extends Error {
  readonly reason: string;

  constructor(reason: string, options?: ErrorOptions) {
    super(`the peer broke the wire's protocol: ${reason}`, options);
    this.name = "WireProtocolError";
    this.reason = reason;
  }
}

/**
 * A sub-stream was cut, or its wire is gone. The code is the one that node:http uses for a lost
 * socket. The error has no stack: a stack would only show the mux's internals, and a peer could
 * trigger thousands of them per second.
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
