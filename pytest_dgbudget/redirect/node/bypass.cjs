"use strict";
// Sessions that can't be redirected: the error that a client gets, and what the gateway is told.

const { authority } = require("./target.cjs");

const REPORT_TIMEOUT_MS = 3000;

/** Report the session as refused, and return the error that names the fix. */
function refused(target, settings) {
  report(target, "refused", settings);
  const url = `${target.secure ? "wss" : "ws"}://${authority(target)}${target.path.split("?", 1)[0]}`;
  const error = new Error(
    `A session with ${url} was refused before it was opened: nothing would have metered it. ` +
      "Connect to the URL in DGBUDGET_AGENT_URL, with DEEPGRAM_API_KEY; --dg-redirect=warn lets such sessions pass.",
  );
  error.name = "BypassRefused";
  error.code = "DGBUDGET_BYPASS";
  return error;
}

function passed(target, settings) {
  report(target, "passed", settings);
}

/** Return once the gateway knows: the program may exit at once. */
function report(target, how, { host, port, token }) {
  const bypass = { host: target.host, path: target.path.split("?", 1)[0], how, program: program() };
  const input = JSON.stringify({ host, port, token, bypass });
  const { NODE_OPTIONS, DGBUDGET_REDIRECT, ...others } = process.env;
  const env = { ...others, ELECTRON_RUN_AS_NODE: "1" };
  try {
    const options = { input, env, timeout: REPORT_TIMEOUT_MS, stdio: ["pipe", "ignore", "ignore"] };
    require("child_process").spawnSync(process.execPath, [require.resolve("./bypass_report.cjs")], options);
  } catch {
    // A program that may start no processes is still refused.
  }
}

/** The program's own name alone: its arguments may hold anything. */
function program() {
  const { basename } = require("path");
  return `node ${basename(process.argv[1] || "")}`.trim();
}

module.exports = { refused, passed };
