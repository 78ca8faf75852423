"use strict";
// What the plugin put into DGBUDGET_REDIRECT: where the gateway is, with which token, and what to do with clients. Read
// at each program's start: what only a redirect needs waits for one.

const WAYS = ["clients", "refuse", "warn"];
const URLS = /^(wss?|https?):\/\/[^/]/i;

function read(text) {
  const given = parsed(text);
  if (given === null || typeof given !== "object") return null;
  const [, host, port] = /^(.+):(\d+)$/.exec(given.gateway) || [];
  if (!port || !URLS.test(given.agent_url) || typeof given.token !== "string" || !WAYS.includes(given.how)) return null;
  const { token, how, grant, agent_url: url } = given;
  return withAgent({ host, port: Number(port), token, how, grant: grant === true }, url);
}

/** Add the configured agent's target. */
function withAgent(settings, url) {
  let agent;
  return Object.defineProperty(settings, "agent", { get: () => (agent ??= targetOf(url)) });
}

function targetOf(url) {
  return require("./target.cjs").urlTarget(url) ?? {};
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

module.exports = { read };
