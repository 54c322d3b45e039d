import { WharfError } from "@wharf/contract";
import type { UpstreamDescription } from "@wharf/server";
import type { Check, DoctorContext } from "./check.ts";

const name = "model keys";
const variables = ["GEMINI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"] as const;

/** Reports only where keys come from: keys are secret. */
export async function checkModelKeys(context: DoctorContext): Promise<Check> {
  const { environment } = context.settings;
  if (environment.WHARF_ROUTES) return checkRoutes(context);
  const presentKeys = variables.filter((variable) => environment[variable]);
  if (presentKeys.length > 0) return { name, status: "ok", text: presentKeys.join(", ") };
  return {
    name,
    status: "warn",
    text: "none is set: only the demo agent and agents with their own login work",
    next: `Set one of ${variables.join(", ")} in the environment of \`wharf up\`.`,
  };
}

const formatUpstream = ({ route, origin, key }: UpstreamDescription): string => `${route}: ${origin} with ${key}`;
const formatProblem = ({ origin, key, problem }: UpstreamDescription): string =>
  `${problem?.message} It is ${key}, for ${origin}.`;

/** Reads the key of each upstream as the server does, which runs the commands of keys. */
async function checkRoutes({ settings }: DoctorContext): Promise<Check> {
  const { describeModelRoutes, readConfig } = await import("@wharf/server");
  try {
    const upstreams = await describeModelRoutes(readConfig(settings.environment).modelRoutes);
    const workingRoutes = new Set(upstreams.filter(({ problem }) => !problem).map(({ route }) => route));
    const broken = upstreams.filter(({ problem }) => problem);
    const [next] = broken.flatMap(({ problem }) => problem?.next ?? []);
    if (next === undefined) return { name, status: "ok", text: upstreams.map(formatUpstream).join("; ") };
    const status = broken.every(({ route }) => workingRoutes.has(route)) ? "warn" : "fail";
    return { name, status, text: broken.map(formatProblem).join(" "), next };
  } catch (error) {
    if (!(error instanceof WharfError)) throw error;
    return { name, status: "fail", text: error.message, next: error.next };
  }
}
