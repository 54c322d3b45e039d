import { readFileSync } from "node:fs";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import type Dockerode from "dockerode";
import { getErrorMessage } from "../../std/errors.ts";

/** Addresses the engine with the same settings as Docker's own command. */
export interface EngineAddress {
  /** `unix://`, `tcp://` or `ssh://`. Defaults to this machine's usual socket. */
  readonly host?: string | undefined;
  /** Names the folder with ca.pem, cert.pem and key.pem. */
  readonly certificates?: string | undefined;
  readonly tls?: boolean | undefined;
  /** Names the socket of the user's ssh agent, for `ssh://`. */
  readonly sshAgent?: string | undefined;
}

const defaultSocket = "/var/run/docker.sock";
const tlsPort = "2376";

export const getHost = ({ host }: EngineAddress): string => host ?? `unix://${defaultSocket}`;

/**
 * Converts the address to the client's options. The result names every option, because the client
 * would read missing ones from the environment.
 */
export function toClientOptions(address: EngineAddress): Dockerode.DockerOptions {
  const host = getHost(address);
  if (host.startsWith("unix://")) return { ...emptyOptions, socketPath: host.slice("unix://".length) || defaultSocket };
  const url = URL.canParse(host) ? new URL(host) : undefined;
  if (url?.protocol === "ssh:") {
    return {
      ...emptyOptions,
      protocol: "ssh",
      host: url.hostname,
      port: url.port || 22,
      username: url.username || undefined,
      sshOptions: address.sshAgent === undefined ? {} : { agent: address.sshAgent },
    };
  }
  if (url?.protocol !== "tcp:" && url?.protocol !== "http:" && url?.protocol !== "https:") {
    const reason = `'${host}' is not an address that begins with unix://, tcp:// or ssh://`;
    throw new WharfError("config_invalid", { name: "DOCKER_HOST", reason });
  }
  const isTls = address.tls === true || url.protocol === "https:" || url.port === tlsPort;
  return {
    ...emptyOptions,
    protocol: isTls ? "https" : "http",
    host: url.hostname,
    port: url.port || (isTls ? tlsPort : "2375"),
    ...(isTls && address.certificates !== undefined && readCertificates(address.certificates)),
  };
}

const emptyOptions = { socketPath: undefined, host: undefined, port: undefined, username: undefined };

function readCertificates(folder: string): Pick<Dockerode.DockerOptions, "ca" | "cert" | "key"> {
  try {
    const read = (name: string) => readFileSync(join(folder, name), "utf8");
    return { ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem") };
  } catch (error) {
    const reason = `the certificates cannot be read: ${getErrorMessage(error)}`;
    throw new WharfError("config_invalid", { name: "DOCKER_CERT_PATH", reason }, { cause: error });
  }
}
