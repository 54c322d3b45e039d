import { execFileSync } from "node:child_process";
import { clusterCtr } from "../kubernetes/engine.ts";
import { has, older, pipe } from "./docker.ts";

const answerTimeoutMs = 30_000;
const prefix = "docker.io/library/";

/**
 * Copies one of Docker's images to the node of the cluster that `npm run engines` started; returns
 * its name in a pod.
 */
export function ensureInCluster(image: string): string {
  if (!has(image)) throw new Error(`Docker has no image ${image} to hand to the cluster`);
  const [program, ...args] = clusterCtr();
  const images = (...rest: string[]) =>
    execFileSync(program, [...args, "images", ...rest], { encoding: "utf8", timeout: answerTimeoutMs });
  const there = images("list", "--quiet")
    .split("\n")
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length));
  if (there.includes(image)) return image;
  pipe(["docker", "save", image], [program, ...args, "images", "import", "-"]);
  for (const name of older(there, image)) images("remove", prefix + name);
  return image;
}
