"use strict";
// What the plugin put into DGBUDGET_REDIRECT: where the gateway is, with which token, and what to do with clients.

const { urlTarget } = require("./target.cjs");

const WAYS = ["clients", "refuse", "warn"];

function read(text) {
  const given = parsed(text);
  if (given === null || typeof given !== "object") return null;
  const gateway = /^(.+):(\d+)$/.exec(given.gateway);
  const agent = urlTarget(given.agent_url);
  if (!gateway || !agent || typeof given.token !== "string" || !WAYS.includes(given.how)) return null;
  const [, host, port] = gateway;
  return { host, port: Number(port), token: given.token, agent, how: given.how, grant: given.grant === true };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

module.exports = { read };
