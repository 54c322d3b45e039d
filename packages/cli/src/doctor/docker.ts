import { WharfError } from "@wharf/contract";
import type { Check, DoctorContext } from "./check.ts";

const name = "Docker";

/** Checks the engine only if runners use it: other users need not have one. */
export async function checkDocker({ settings }: DoctorContext): Promise<Check> {
  const { describeDocker, readConfig } = await import("@wharf/server");
  try {
    const { backend, docker, runnerImage, localUnsafe } = readConfig(settings.environment);
    if (backend !== "docker")
      return { name, status: "ok", text: "not used (WHARF_BACKEND=docker runs agents in containers)" };
    const options = { server: "doctor", engine: docker, image: runnerImage, allowUnsafe: localUnsafe };
    return { name, status: "ok", text: await describeDocker(options) };
  } catch (error) {
    if (!(error instanceof WharfError)) throw error;
    return { name, status: "fail", text: error.message, next: error.next };
  }
}
