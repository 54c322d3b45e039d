import { WharfError } from "@wharf/contract";
import { getErrorCode } from "../std/errors.ts";
import type { MockBackend, MockBackendOptions } from "./mock/index.ts";

export interface OpenMockOptions extends Omit<MockBackendOptions, "simulation" | "faults"> {
  /** Whether some requests to the runners fail. */
  readonly failures: boolean;
}

/** Loads the mock backend, which the published package leaves out (`scripts/program.ts`). */
export async function openMockBackend({ failures, ...options }: OpenMockOptions): Promise<MockBackend> {
  const mock = await import("./mock/index.ts").catch((cause: unknown) => {
    if (getErrorCode(cause) !== "ERR_MODULE_NOT_FOUND") throw cause;
    const reason = "the backend 'mock' exists only in a source checkout of Wharf; choose local, docker or kubernetes";
    throw new WharfError("config_invalid", { name: "WHARF_BACKEND", reason }, { cause });
  });
  return mock.MockBackend.open({ ...options, simulation: mock.createRemoteSimulation({ failures }) });
}
