import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";

/** How many places an engine has for test files that run at the same time. */
const places = { docker: 1, kubernetes: 3 } as const;
type Engine = keyof typeof places;
const engines = Object.keys(places) as Engine[];

/** These kill parts of the cluster or change it for everyone. */
const disruptive: ReadonlySet<string> = new Set(["kubernetes-cluster.test.ts", "kubernetes-deployed.test.ts"]);

declare module "vitest" {
  interface ProvidedContext {
    enginePlaces: string;
  }
}

/** A file that uses an engine, with the number of places that it needs. */
export interface EngineUse {
  readonly engine: Engine;
  readonly places: number;
}

export function getEngineUse(file: string): EngineUse | undefined {
  const name = basename(file);
  const engine = engines.find((one) => name.includes(one));
  return engine && { engine, places: disruptive.has(name) ? places[engine] : 1 };
}

/**
 * Gives out the places of the engines to the test files, each of which runs in another process: a
 * file connects, says what it needs, and has its places from the answer until the connection
 * closes. Files that wait for one engine leave the machine to those of another.
 */
export default async function openEnginePlaces(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "wharf-places-"));
  const path = join(folder, "socket");
  const free: Record<Engine, number> = { ...places };
  const waiting = new Map<Socket, EngineUse>();
  const serve = () => {
    for (const [socket, use] of waiting) {
      if (free[use.engine] < use.places) continue;
      free[use.engine] -= use.places;
      waiting.delete(socket);
      socket.once("close", () => {
        free[use.engine] += use.places;
        serve();
      });
      socket.write("yours\n");
    }
  };
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("close", () => waiting.delete(socket));
    createInterface(socket).once("line", (line) => {
      waiting.set(socket, JSON.parse(line) as EngineUse);
      serve();
    });
  }).listen(path);
  await once(server, "listening");
  project.provide("enginePlaces", path);
  return async () => {
    server.close();
    await rm(folder, { recursive: true, force: true });
  };
}
