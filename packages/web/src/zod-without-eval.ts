import { z } from "zod";

/**
 * By default zod compiles schemas with `new Function`. Our policy forbids that and reports the
 * attempt.
 */
z.config({ jitless: true });
