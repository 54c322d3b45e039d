import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { servicesFolder } from "../folder.ts";
import { installDebianPackages, type TestService, runScript, canRun } from "../service.ts";

const folder = join(servicesFolder, "docker");
const ownAddress = `unix://${join(folder, "docker.sock")}`;
const machineSocket = "/var/run/docker.sock";

const isResponding = (address: string) =>
  canRun("docker", "--host", address, "version") && spawnSync("docker", ["--host", address, "info"]).status === 0;

/**
 * Returns Docker's address: the one that `DOCKER_HOST` names, the machine's own, or else the one
 * that `npm run test-services` starts.
 */
export function dockerAddress(): string {
  const named = process.env["DOCKER_HOST"];
  if (named) return named;
  return existsSync(machineSocket) && isResponding(`unix://${machineSocket}`) ? `unix://${machineSocket}` : ownAddress;
}

const isOwn = () => dockerAddress() === ownAddress;

export const docker: TestService = {
  name: "docker",
  purpose: "runners in containers",
  isPresent: () => isResponding(dockerAddress()),
  install: () => {
    if (!isOwn() || (canRun("dockerd", "--version") && canRun("iptables", "--version"))) return;
    installDebianPackages("docker.io", "iptables", "iproute2");
  },
  start: () => {
    if (isOwn()) runScript(join(import.meta.dirname, "start"), [folder], 5);
  },
  stop: () => runScript(join(import.meta.dirname, "stop"), [folder], 10),
  isStarted: () => existsSync(join(folder, "docker.sock")) && isResponding(ownAddress),
};
