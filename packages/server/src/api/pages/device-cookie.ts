import type { IncomingHttpHeaders } from "node:http";
import { findCookie, formatCookie } from "../http/session-cookie.ts";

const name = "wharf_device";
const maxAgeSeconds = 600;
const codeForm = /^[A-Za-z]{4}-?[A-Za-z]{4}$/;

/** Remembers the code of a program's login while its person logs in. */
export const formatDeviceCookie = (headers: IncomingHttpHeaders, code: string): string =>
  formatCookie(headers, { name, value: code, maxAgeSeconds });

export const formatEndedDeviceCookie = (headers: IncomingHttpHeaders): string =>
  formatCookie(headers, { name, value: "", maxAgeSeconds: 0 });

export function findDeviceCode(headers: IncomingHttpHeaders): string | undefined {
  const code = findCookie(headers, name);
  return isDeviceCode(code) ? code : undefined;
}

export const isDeviceCode = (text: string | undefined): text is string => text !== undefined && codeForm.test(text);
