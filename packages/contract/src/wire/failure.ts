import { Problem, RemoteError, WharfError } from "../errors/index.ts";
import { WireProtocolError } from "./errors.ts";
import { type RawResponse, readText } from "./exchange.ts";
import { parseJson } from "./json.ts";

/** A problem is a few lines long. */
export const maxProblemBytes = 64 * 1024;
const problemTimeoutMs = 10_000;

/**
 * Converts the body of a failed answer: either to the daemon's problem, cleaned, or to a protocol
 * violation if the body contains no problem.
 */
export function toRunnerFailure(text: string, createError: (why: string) => WharfError): RemoteError | WharfError {
  const problem = Problem.safeParse(parseJson(text));
  return problem.success ? RemoteError.fromRunner(problem.data) : createError("without a problem");
}

/**
 * Reads why a request to a daemon failed. The body has its own limits on size and time: the
 * answer's head came long before, and the daemon may send anything as the body.
 */
export async function readRunnerFailure(answer: RawResponse, runnerId: string): Promise<RemoteError | WharfError> {
  const { status, body } = answer;
  const createHostileError = (why: string) =>
    new WharfError("runner_hostile", { runner_id: runnerId, reason: `its daemon answered ${status} ${why}` });
  const timer = setTimeout(() => body.destroy(), problemTimeoutMs);
  try {
    return toRunnerFailure(await readText(body, maxProblemBytes), createHostileError);
  } catch (error) {
    if (error instanceof WireProtocolError) return createHostileError(`with ${error.reason}`);
    const reason = `its daemon answered ${status}, and the rest of the answer is missing`;
    return new WharfError("runner_unavailable", { runner_id: runnerId, reason }, { cause: error });
  } finally {
    clearTimeout(timer);
    body.destroy();
  }
}
