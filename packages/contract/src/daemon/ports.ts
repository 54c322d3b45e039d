import { z } from "zod";
import { createDaemonEndpoint } from "../endpoint.ts";

export const PortNumber = z.int().min(1).max(65_535);

/** A TCP port of a runner on which a program listens. */
export const ListeningPort = z.object({
  port: PortNumber,
  /** The program, if the daemon may see it. */
  program: z.string().max(200).optional(),
});
export type ListeningPort = z.infer<typeof ListeningPort>;

export const maxListedPorts = 1_000;

export const portsApi = {
  listPorts: createDaemonEndpoint({
    method: "GET",
    path: "/ports",
    summary: "List the TCP ports of the runner on which programs listen. Those of the daemon are not among them",
    response: z.object({ ports: z.array(ListeningPort).max(maxListedPorts) }),
  }),
} as const;

/**
 * A connection to a port inside the runner: the request's body goes to the program, and the answer
 * has the program's bytes. The answer begins when the program has accepted the connection, and the
 * end of the answer is the end of the connection.
 */
export const portStreams = {
  connect: createDaemonEndpoint({
    method: "POST",
    path: "/ports/connect",
    summary: "Connect to a port of the runner",
    query: z.object({ port: z.coerce.number().pipe(PortNumber) }),
    response: "stream",
    responseType: "application/octet-stream",
    bodyType: "application/octet-stream",
  }),
} as const;
