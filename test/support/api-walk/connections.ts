import { Agent } from "node:http";

/** Connections that end with a walk. */
export class Connections extends Agent implements Disposable {
  constructor(count: number) {
    super({ keepAlive: true, maxSockets: count });
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}
