"use strict";
// What a refused client is told, and what of it the gateway is told.

const { authority, pathname } = require("./target.cjs");

/** The error of a client whose session was refused; it names the fix. */
function refusalOf(target) {
  const url = `${target.secure ? "wss" : "ws"}://${authority(target)}${pathname(target)}`;
  const error = new Error(
    `A session with ${url} was refused before it was opened: nothing would have metered it. ` +
      "Connect to the URL in DGBUDGET_AGENT_URL, with DEEPGRAM_API_KEY; --dg-redirect=warn lets such sessions pass.",
  );
  error.name = "BypassRefused";
  error.code = "DGBUDGET_BYPASS";
  return error;
}

/** What the gateway notes with the running test. */
function bypassOf(target, how, program) {
  return { host: target.host, path: pathname(target), how, program };
}

module.exports = { refusalOf, bypassOf };
