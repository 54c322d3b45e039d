import { existsSync } from "node:fs";
import { join } from "node:path";
import { debian, type Engine, script, works } from "../engine.ts";
import { enginesFolder } from "../folder.ts";

const folder = join(enginesFolder, "kubernetes");
const ourKubeconfig = join(folder, "admin.kubeconfig");
const run = (name: string, minutes: number, ...args: string[]) =>
  script(join(import.meta.dirname, name), [folder, ...args], minutes);

/**
 * The administrator's kubeconfig: the one that the environment names, or else that of the cluster
 * that `npm run engines` starts.
 */
export const kubeconfig = (): string =>
  process.env["WHARF_TEST_KUBECONFIG"] ?? process.env["KUBECONFIG"] ?? ourKubeconfig;

const isOurs = () => kubeconfig() === ourKubeconfig;

/**
 * Uses the cluster's own kubectl if the cluster is ours, because its version matches the cluster's.
 */
export const kubectl = (): string => (isOurs() ? join(folder, "bin", "kubectl") : "kubectl");

const answers = (file: string) =>
  existsSync(file) && works(kubectl(), "--kubeconfig", file, "--request-timeout=10s", "get", "--raw", "/readyz");

const needed = {
  etcd: "etcd-server",
  containerd: "containerd",
  runc: "runc",
  "/usr/lib/cni/ptp": "containernetworking-plugins",
  iptables: "iptables",
  ip: "iproute2",
  pgrep: "procps",
  openssl: "openssl",
};
const neededToBuild = { go: "golang-go", "dpkg-source": "dpkg-dev", gcc: "gcc", "/usr/include/stdio.h": "libc6-dev" };

/** Lists the packages of missing programs. */
const missing = (programs: Record<string, string>) =>
  Object.entries(programs)
    .filter(([program]) => !(program.startsWith("/") ? existsSync(program) : works("which", program)))
    .map(([, name]) => name);

const built = () => existsSync(join(folder, "images", "pause.tar"));

export const kubernetes: Engine = {
  name: "kubernetes",
  purpose: "runners in pods",
  present: () => answers(kubeconfig()),
  install: () => {
    if (!isOurs()) return;
    const packages = [...missing(needed), ...(built() ? [] : missing(neededToBuild))];
    if (packages.length > 0) debian(...packages);
    run("build", 80);
  },
  start: () => {
    if (isOurs()) run("start", 6);
  },
  stop: () => run("stop", 6),
  ours: () => answers(ourKubeconfig),
};

/** Returns the command to access the node's containerd, for importing images. */
export function clusterCtr(): [program: string, ...args: string[]] {
  if (!isOurs()) throw new Error("images can be handed over only to the cluster that `npm run engines` starts");
  return ["ctr", "--address", join(folder, "containerd.sock"), "--namespace", "k8s.io"];
}

/**
 * Turns isolation on or off. When on, pods answer but open no connections, except for those of the
 * named namespaces, with their current addresses. Only in the cluster that `npm run engines`
 * started.
 */
export function enforceIsolation(how: "on" | "off", ...openNamespaces: string[]): void {
  if (!isOurs()) throw new Error("packets can be dropped only in the cluster that `npm run engines` starts");
  run("enforce", 2, how, ...openNamespaces);
}
