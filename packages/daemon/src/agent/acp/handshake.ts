import type { EventDataByKind } from "@wharf/contract";
import type { z } from "zod";
import { omitUndefined } from "../omit-undefined.ts";
import type { Initialized } from "./schemas.ts";

type Handshake = Pick<z.infer<typeof Initialized>, "protocolVersion" | "agentInfo">;

/** Describes how an agent answered the first request of the protocol, and how long that took. */
export const describeHandshake = (
  { protocolVersion, agentInfo }: Handshake,
  startedAt: number,
): EventDataByKind<"agent_info"> => ({
  kind: "agent_info",
  update: "initialized",
  protocol_version: protocolVersion,
  elapsed_ms: Math.round(performance.now() - startedAt),
  ...omitUndefined({ ...agentInfo }),
});
