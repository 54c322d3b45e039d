/**
 * Loaded before the Portkey gateway, which adds headers to the answers that it fetched: with the
 * version of its web server that npm installs today, those headers cannot be changed, and Portkey
 * fails with 500. Here each answer gets a copy of its headers.
 */
const { fetch: originalFetch, Response: OriginalResponse, Headers: OriginalHeaders } = globalThis;

globalThis.fetch = async (input, init) => {
  const { body, status, statusText, headers } = await originalFetch(input, init);
  return new OriginalResponse(body, { status, statusText, headers: new OriginalHeaders(headers) });
};
