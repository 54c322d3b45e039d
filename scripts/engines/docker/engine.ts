import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { debian, type Engine, script, works } from "../engine.ts";
import { enginesFolder } from "../folder.ts";

const folder = join(enginesFolder, "docker");
const ourAddress = `unix://${join(folder, "docker.sock")}`;
const machineSocket = "/var/run/docker.sock";

const answers = (address: string) =>
  works("docker", "--host", address, "version") && spawnSync("docker", ["--host", address, "info"]).status === 0;

/**
 * Returns Docker's address: the one that `DOCKER_HOST` names, the machine's own, or else the one
 * that `npm run engines` starts.
 */
export function dockerAddress(): string {
  const named = process.env["DOCKER_HOST"];
  if (named) return named;
  return existsSync(machineSocket) && answers(`unix://${machineSocket}`) ? `unix://${machineSocket}` : ourAddress;
}

const isOurs = () => dockerAddress() === ourAddress;

export const docker: Engine = {
  name: "docker",
  purpose: "runners in containers",
  present: () => answers(dockerAddress()),
  install: () => {
    if (!isOurs() || (works("dockerd", "--version") && works("iptables", "--version"))) return;
    debian("docker.io", "iptables", "iproute2");
  },
  start: () => {
    if (isOurs()) script(join(import.meta.dirname, "start"), [folder], 5);
  },
  stop: () => script(join(import.meta.dirname, "stop"), [folder], 10),
  ours: () => existsSync(join(folder, "docker.sock")) && answers(ourAddress),
};
