import { existsSync } from "node:fs";
import { join } from "node:path";
import { servicesFolder } from "../folder.ts";
import { installDebianPackages, type TestService, runScript, canRun } from "../service.ts";

const folder = join(servicesFolder, "kubernetes");
const ownKubeconfig = join(folder, "admin.kubeconfig");
const run = (name: string, minutes: number, ...args: string[]) =>
  runScript(join(import.meta.dirname, name), [folder, ...args], minutes);

/**
 * The administrator's kubeconfig: the one that the environment names, or else that of the cluster
 * that `npm run test-services` starts.
 */
export const kubeconfig = (): string =>
  process.env["WHARF_TEST_KUBECONFIG"] ?? process.env["KUBECONFIG"] ?? ownKubeconfig;

const isOwn = () => kubeconfig() === ownKubeconfig;

/**
 * Uses the cluster's own kubectl if the cluster is ours, because its version matches the cluster's.
 */
export const kubectl = (): string => (isOwn() ? join(folder, "bin", "kubectl") : "kubectl");

const isResponding = (file: string) =>
  existsSync(file) && canRun(kubectl(), "--kubeconfig", file, "--request-timeout=10s", "get", "--raw", "/readyz");

const runtimePackages = {
  etcd: "etcd-server",
  containerd: "containerd",
  runc: "runc",
  "/usr/lib/cni/ptp": "containernetworking-plugins",
  iptables: "iptables",
  ip: "iproute2",
  pgrep: "procps",
  openssl: "openssl",
};
const buildPackages = { go: "golang-go", "dpkg-source": "dpkg-dev", gcc: "gcc", "/usr/include/stdio.h": "libc6-dev" };

/** Lists the packages of missing programs. */
const listMissing = (programs: Record<string, string>) =>
  Object.entries(programs)
    .filter(([program]) => !(program.startsWith("/") ? existsSync(program) : canRun("which", program)))
    .map(([, name]) => name);

const isBuilt = () => existsSync(join(folder, "images", "pause.tar"));

export const kubernetes: TestService = {
  name: "kubernetes",
  purpose: "runners in pods",
  isPresent: () => isResponding(kubeconfig()),
  install: () => {
    if (!isOwn()) return;
    const packages = [...listMissing(runtimePackages), ...(isBuilt() ? [] : listMissing(buildPackages))];
    if (packages.length > 0) installDebianPackages(...packages);
    run("build", 80);
  },
  start: () => {
    if (isOwn()) run("start", 6);
  },
  stop: () => run("stop", 6),
  isStarted: () => isResponding(ownKubeconfig),
};

/** Returns the command to access the node's containerd, for importing images. */
export function clusterCtr(): [program: string, ...args: string[]] {
  if (!isOwn()) throw new Error("Images can be copied only to the cluster that `npm run test-services` starts");
  return ["ctr", "--address", join(folder, "containerd.sock"), "--namespace", "k8s.io"];
}

/**
 * Turns isolation on or off. When on, pods answer but open no connections, except for those of the
 * named namespaces, with their current addresses. Only in the cluster that `npm run test-services`
 * started.
 */
export function enforceIsolation(how: "on" | "off", ...openNamespaces: string[]): void {
  if (!isOwn()) throw new Error("Packets can be dropped only in the cluster that `npm run test-services` starts");
  run("enforce", 2, how, ...openNamespaces);
}
