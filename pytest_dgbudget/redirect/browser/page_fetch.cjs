"use strict";
// The page's fetch.

const { urlTarget } = require("./target.cjs");
const { requestPath } = require("./vendor.cjs");
const { redirectedHeaders } = require("./headers.cjs");

function install(settings, addresses) {
  const native = globalThis.fetch;
  globalThis.fetch = function fetch(input, init = undefined) {
    const path = pathAtGateway(input, init, settings, addresses);
    if (path !== null) return fetchFromGateway(native, path, input, init, settings);
    const isAddress = !(input instanceof Request);
    return native.call(this, addresses.isRelocated && isAddress ? addresses.resolve(input) : input, init);
  };
}

function pathAtGateway(input, init, settings, addresses) {
  const request = input instanceof Request ? input : undefined;
  const wanted = urlTarget(request ? request.url : addresses.resolve(input));
  if (!wanted) return null;
  const method = String(init?.method ?? request?.method ?? "GET");
  return requestPath(wanted, settings, method, headersOf(input, init).get("authorization"));
}

function headersOf(input, init) {
  return new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
}

/** With the body in one piece: a stream needs HTTP/2. Without cookies, which the page has for others. */
async function fetchFromGateway(native, path, input, init, { host, port, token }) {
  const request = new Request(input, init);
  const { method, signal } = request;
  const body = ["GET", "HEAD"].includes(method) ? undefined : await request.arrayBuffer();
  const headers = redirectedHeaders(headersOf(request), token);
  return native(`http://${host}:${port}${path}`, { method, signal, body, headers, credentials: "omit" });
}

module.exports = { install };
