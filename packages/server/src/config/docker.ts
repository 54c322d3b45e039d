import { z } from "zod";

/** The settings of the backend `docker`, by the names of their environment variables. */
export const dockerEnvironment = {
  /** The address of the engine of the backend `docker`, as Docker's own command reads it. */
  DOCKER_HOST: z.string().min(1).optional(),
  /** Whether Wharf connects to Docker's engine over TLS. */
  DOCKER_TLS_VERIFY: z.string().optional(),
  /** The folder of the certificates for Docker's engine. */
  DOCKER_CERT_PATH: z.string().min(1).optional(),
  /** Whether runners' wires are sockets on this machine or programs started through the engine. */
  WHARF_DOCKER_WIRE: z.enum(["auto", "socket", "exec"]).default("auto"),
};

const Environment = z.object({ ...dockerEnvironment, SSH_AUTH_SOCK: z.string().optional() });

export interface DockerConfig {
  readonly host?: string;
  readonly tls: boolean;
  readonly certificates?: string;
  readonly sshAgent?: string;
  readonly wire?: "socket" | "exec";
}

export function toDockerConfig(e: z.output<typeof Environment>): DockerConfig {
  return {
    tls: Boolean(e.DOCKER_TLS_VERIFY),
    ...(e.DOCKER_HOST && { host: e.DOCKER_HOST }),
    ...(e.DOCKER_CERT_PATH && { certificates: e.DOCKER_CERT_PATH }),
    ...(e.SSH_AUTH_SOCK && { sshAgent: e.SSH_AUTH_SOCK }),
    ...(e.WHARF_DOCKER_WIRE !== "auto" && { wire: e.WHARF_DOCKER_WIRE }),
  };
}
