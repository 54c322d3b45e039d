import { execFileSync } from "node:child_process";
import { clusterCtr } from "../kubernetes/service.ts";
import { hasImage, listOlderImages, pipeCommands } from "./docker.ts";

const answerTimeoutMs = 30_000;
const prefix = "docker.io/library/";

/**
 * Copies one of Docker's images to the node of the cluster that `npm run test-services` started.
 * Returns the image's name in a pod.
 */
export function ensureInCluster(image: string): string {
  if (!hasImage(image)) throw new Error(`Docker has no image ${image} to copy to the cluster`);
  const [program, ...args] = clusterCtr();
  const images = (...rest: string[]) =>
    execFileSync(program, [...args, "images", ...rest], { encoding: "utf8", timeout: answerTimeoutMs });
  const existing = images("list", "--quiet")
    .split("\n")
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length));
  if (existing.includes(image)) return image;
  pipeCommands(["docker", "save", image], [program, ...args, "images", "import", "-"]);
  for (const name of listOlderImages(existing, image)) images("remove", prefix + name);
  return image;
}
