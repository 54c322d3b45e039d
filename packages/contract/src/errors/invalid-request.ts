import type { z } from "zod";
import { WharfError } from "./index.ts";

/** Creates the error of a request that does not match its schema. */
export const createInvalidRequestError = ({ issues }: z.ZodError): WharfError =>
  new WharfError("bad_request", { issues: issues.map(({ path, message }) => ({ path: path.join("."), message })) });
