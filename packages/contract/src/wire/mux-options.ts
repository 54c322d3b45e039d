import type { MuxKeepalive, MuxLimits } from "./limits.ts";
import type { WireStream } from "./wire-stream.ts";

export interface MuxOptions {
  /**
   * The two ends of a wire must have different sides: the client's streams have odd ids, the
   * server's even ids.
   */
  readonly side: "server" | "client";
  readonly onStream: (stream: WireStream) => void;
  /**
   * The name of the other end, such as a runner's id. Streams report it as their `remoteAddress`.
   */
  readonly peer?: string;
  readonly limits?: Partial<MuxLimits>;
  readonly keepalive?: Partial<MuxKeepalive>;
}

export interface MuxEnd {
  readonly reason: string;
  /**
   * A WireProtocolError if the peer broke the protocol; undefined if the wire was closed on
   * purpose.
   */
  readonly error: Error | undefined;
}
