"use strict";
// Sessions that are refused: the error that a page gets, and what the gateway is told.

const { refusalOf, bypassOf } = require("./refusal_error.cjs");

const nativeFetch = globalThis.fetch;

function refused(target, settings) {
  report(bypassOf(target, "refused", `page ${globalThis.location.href.split(/[?#]/)[0]}`), settings);
  return refusalOf(target);
}

/** The page may go on, or close, before this has arrived. */
function report(bypass, { host, port, token }) {
  const headers = { Authorization: `Token ${token}`, "Content-Type": "application/json" };
  const request = { method: "POST", keepalive: true, headers, body: JSON.stringify(bypass) };
  nativeFetch(`http://${host}:${port}/bypass`, request).catch(() => {});
}

module.exports = { refused };
