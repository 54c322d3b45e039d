/**
 * The wire: many streams on the one byte stream between the server and a runner, in both
 * directions, HTTP/1.1 on each.
 *
 *   server await acceptWire(duplex, { key, runnerId, epoch }); new Mux(duplex, { side: "server", …
 *   })
 *   daemon await offerWire(duplex, { key, runnerId, lastEpoch }); new Mux(duplex, { side: "client",
 *   … })
 *
 * A byte stream that crosses a network is encrypted first: `connectEncrypted` and
 * `acceptEncrypted`.
 *
 * The called side passes each stream to its HTTP server with `serveHttp`; the calling side uses
 * `createWireClient`, or `WireAgent` with node:http, or `mux.open()` for bytes of any kind.
 */
export { acceptWire, offerWire, WireSupersededError } from "./handshake.ts";
export type { HandshakeOptions } from "./handshake.ts";
export { acceptEncrypted, connectEncrypted } from "./encrypted.ts";
export { Mux } from "./mux.ts";
export type { MuxEnd, MuxOptions } from "./mux-options.ts";
export type { WireStream } from "./wire-stream.ts";
export { defaultKeepalive, defaultLimits } from "./limits.ts";
export type { MuxKeepalive, MuxLimits, Rate } from "./limits.ts";
export { WireClosedError, WireProtocolError } from "./errors.ts";
export { serveHttp, WireAgent } from "./http.ts";
export { getConnectionHeaders } from "./connection-headers.ts";
export { createWireClient } from "./client.ts";
export type { CallOptions, StreamOptions, WireClient, WireClientOptions } from "./client.ts";
export type { RawRequest, RawResponse } from "./exchange.ts";
export { readRunnerFailure } from "./failure.ts";
export { readNdjsonLines } from "./ndjson.ts";
