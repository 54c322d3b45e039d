import { z } from "zod";
import { list } from "./setting-forms.ts";

const maxRequests = z.coerce.number().int().min(0).max(10_000_000);

/** The settings of requests to the API. */
export const requestEnvironment = {
  /**
   * Maximum number of requests a minute that a server accepts from each user, with all of their
   * tokens and logins; 0 accepts any number.
   */
  WHARF_MAX_REQUESTS_PER_USER: maxRequests.default(1_000),
  /**
   * Maximum number of requests a minute that a server accepts from each address without a valid
   * token; 0 accepts any number.
   */
  WHARF_MAX_REQUESTS_PER_ADDRESS: maxRequests.default(100),
  /**
   * Other sites whose pages may use the API, separated by commas, such as
   * `https://tools.example.com`. They act for the person who is logged in. `*` allows all
   * sites, and only with a token.
   */
  WHARF_CORS_ORIGINS: list.default([]).superRefine((origins, context) => {
    const wrong = origins.find((origin) => origin !== "*" && !isOrigin(origin));
    if (wrong !== undefined) context.addIssue(`'${wrong}' is not a site such as https://tools.example.com`);
  }),
};

const isOrigin = (text: string): boolean => /^https?:/.test(text) && URL.parse(text)?.origin === text;

const Environment = z.object(requestEnvironment);

export interface RequestConfig {
  readonly requestLimits: { readonly perUser: number; readonly perAddress: number };
  readonly corsOrigins: readonly string[];
}

export const toRequestConfig = (e: z.output<typeof Environment>): RequestConfig => ({
  requestLimits: { perUser: e.WHARF_MAX_REQUESTS_PER_USER, perAddress: e.WHARF_MAX_REQUESTS_PER_ADDRESS },
  corsOrigins: e.WHARF_CORS_ORIGINS,
});
