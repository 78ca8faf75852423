"use strict";
// Sessions that can't be redirected are reported to the gateway.

const { refusalOf, bypassOf } = require("./refusal_error.cjs");

const REPORT_TIMEOUT_MS = 3000;

/** Report the session as refused, and return the error with which its client fails. */
function refused(target, settings) {
  report(bypassOf(target, "refused", program()), settings);
  return refusalOf(target);
}

function passed(target, settings) {
  report(bypassOf(target, "passed", program()), settings);
}

/** Return once the gateway knows: the program may exit at once. */
function report(bypass, { host, port, token }) {
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
